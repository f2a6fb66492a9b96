"""What every model of the API shares: strictness, rules, and fields that are not built yet.

A rule is written once as CEL for the API server and once as a Python predicate for ``perfrun run``,
side by side, with one message. The CRD generator and the validator both read it from here, and a
test sends every bad manifest through both.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, NamedTuple, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    SerializerFunctionWrapHandler,
    WithJsonSchema,
    model_serializer,
    model_validator,
)
from pydantic.alias_generators import to_camel
from pydantic_core import CoreSchema, core_schema

from perfrun.api.sentence import MAX_SENTENCE, printable

NOT_BUILT_KEY = "x-perfrun-not-built"

Sentence = Annotated[str, Field(max_length=MAX_SENTENCE), AfterValidator(printable)]
"""For users, in a status or a report: printable, whoever sent it."""


LIST_TYPE = "x-kubernetes-list-type"
"""What identifies an item of a list, so that several managers can own different items."""
LIST_MAP_KEYS = "x-kubernetes-list-map-keys"


def list_map(*keys: str) -> dict[str, Any]:
    """The list type of a list of objects that ``keys`` distinguish, for ``json_schema_extra``."""
    return {LIST_TYPE: "map", LIST_MAP_KEYS: list(keys)}


@dataclass(frozen=True)
class Unique:
    """Annotates a list without duplicates: of strings and numbers, or of objects that a field with
    a single value identifies.
    """

    key: str = ""

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self._checked, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {**handler(schema), **(list_map(self.key) if self.key else {LIST_TYPE: "set"})}

    def _checked(self, items: list[Any]) -> list[Any]:
        seen = set()
        for item in items:
            value = getattr(item, self.key) if self.key else item
            if value in seen:
                raise ValueError(f"{value} is given twice: remove one")
            seen.add(value)
        return items


class Rule(NamedTuple):
    """One rule that a model checks about itself."""

    cel: str
    """A CEL expression over ``self`` that is true if all is well."""
    holds: Callable[[Any], bool]
    """The same, over the parsed model."""
    message: str
    field: str = ""
    """The field to name, as a path below the model in API notation: ``.max``. Empty: itself."""
    figures: str = ""
    """What the message ends with, with values of the model: ``{0.burst.requests} requests``. Not in
    the API server, where a text of a number has no bound on its cost; it shows the whole object."""

    def broken(self, model: "ApiModel") -> str:
        """The message with the figures of a model."""
        return f"{self.message} ({self.figures.format(model)})" if self.figures else self.message


class ApiModel(BaseModel):
    """A part of a manifest: camelCase outside, frozen, unknown fields are refused."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        extra="forbid",
        frozen=True,
        # As in the API server: "3" is not a number, and 1 is not a boolean.
        strict=True,
        serialize_by_alias=True,
        # Built on first use, because a program uses only a few of these models.
        defer_build=True,
    )

    rules: ClassVar[tuple[Rule, ...]] = ()

    @classmethod
    def parse(cls, body: object) -> Self:
        """The model of a manifest's JSON, with the names of the API. Raises ValidationError."""
        return cls.model_validate(body, by_alias=True, by_name=False)

    @model_validator(mode="after")
    def _keep_rules(self) -> Self:
        for rule in self.rules:
            if not rule.holds(self):
                where = f"{rule.field.lstrip('.')}: " if rule.field else ""
                raise ValueError(where + rule.broken(self))
        return self


class StatusModel(ApiModel):
    """A part of a status: fields that a newer perfrun has added are ignored."""

    model_config = ConfigDict(extra="ignore", strict=False)

    def updated(self, changes: Self) -> Self:
        """This status with the fields that are set in ``changes``, a partial one; None counts."""
        named = {name: getattr(changes, name) for name in changes.model_fields_set}
        return self.model_copy(update=named)

    def as_patch(self) -> dict[str, Any]:
        """A partial status as a JSON merge patch (RFC 7386): the fields that are set, and null for
        those set to None, which removes a field.
        """
        fields = type(self).model_fields
        names = [name for name in fields if name in self.model_fields_set]
        removed = [fields[name].alias or name for name in names if getattr(self, name) is None]
        written = self.model_dump(
            mode="json", by_alias=True, exclude_none=True, include=self.model_fields_set
        )
        return {**dict.fromkeys(removed), **written}

    @model_serializer(mode="wrap")
    def _without_empty(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """The set fields, without empty maps and strings for those that are not set."""
        return {name: value for name, value in dump(self).items() if value not in ("", {})}


def exactly_one_of(*fields: str, what: str) -> Rule:
    """The rule that exactly one of ``fields`` (API names, one word each) is set."""
    cel = " + ".join(f"(has(self.{name}) ? 1 : 0)" for name in fields)
    names = ", ".join(fields[:-1]) + f" or {fields[-1]}"
    return Rule(
        cel=f"{cel} == 1",
        holds=lambda model: sum(_is_set(model, name) for name in fields) == 1,
        message=f"{what} needs exactly one of {names}",
    )


def at_most_one_of(*fields: str, what: str) -> Rule:
    """The rule that no two of ``fields`` are set together."""
    cel = " + ".join(f"(has(self.{name}) ? 1 : 0)" for name in fields)
    names = ", ".join(fields[:-1]) + f" and {fields[-1]}"
    return Rule(
        cel=f"{cel} <= 1",
        holds=lambda model: sum(_is_set(model, name) for name in fields) <= 1,
        message=f"{what} takes at most one of {names}",
    )


def _is_set(model: BaseModel, field: str) -> bool:
    # By alias: the attribute of ``json`` is json_, because BaseModel has a method with that name.
    fields = type(model).model_fields.items()
    attribute = next(name for name, info in fields if (info.alias or name) == field)
    return getattr(model, attribute) is not None


def not_built_message(field: str) -> str:
    """The message for a field that is in the schema only to be refused."""
    return f"{field} is not implemented in this version of perfrun: remove it"


def _refuse(value: object) -> object:
    if value is not None:
        raise ValueError("not implemented in this version of perfrun: remove it")
    return value


def _stub(schema: dict[str, Any]) -> Any:
    return Annotated[
        None, BeforeValidator(_refuse), WithJsonSchema({**schema, NOT_BUILT_KEY: True})
    ]


_ANYTHING = {"x-kubernetes-preserve-unknown-fields": True}

# Fields of the design that are not built yet. They are typed, because a CEL rule over an untyped
# field does not compile, and refused, because pruning them silently would mislead users.
NotBuiltList = _stub({"type": "array", "items": {"type": "object", **_ANYTHING}, "maxItems": 64})
