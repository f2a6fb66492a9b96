"""Problems of a manifest, in the words that the operator and ``perfrun run`` share."""

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, NamedTuple, get_args, get_origin

from pydantic import BaseModel, ValidationError

from perfrun.api.notations import notation
from perfrun.api.policy import PerfPolicy
from perfrun.api.run.overrides import Overrides
from perfrun.api.run.perfrun import PerfRun
from perfrun.api.spelling import meant
from perfrun.api.test.perftest import PerfTest, PerfTestSpec

_MODELS: dict[str, tuple[type[BaseModel], tuple[str, ...]]] = {
    "PerfTest": (PerfTest, ()),
    "PerfTestSpec": (PerfTestSpec, ("spec",)),
    "PerfRun": (PerfRun, ()),
    "Overrides": (Overrides, ("spec", "overrides")),
    "PerfPolicy": (PerfPolicy, ()),
}
"""The models that are validated directly, by title, and their place in a manifest."""

# A rule of a model names the field below the model that it is about: ``burst: message``.
_BELOW = re.compile(r"([a-z][A-Za-z0-9]*(?:\.[a-z][A-Za-z0-9]*)*): (.*)", re.DOTALL)

_PART = re.compile(
    r"(?:\A|\.)([A-Za-z_][A-Za-z0-9_]*)|\[([0-9]{1,9})\]|\[\"(.*?)\"\](?=[.\[]|\Z)", re.DOTALL
)

_LIMITS = {
    "greater_than_equal": ("ge", "must be at least {}, but is {}"),
    "greater_than": ("gt", "must be more than {}, but is {}"),
    "less_than_equal": ("le", "must be at most {}, but is {}"),
    "less_than": ("lt", "must be less than {}, but is {}"),
}


MAX_PARSE_PROBLEMS = 100
MAX_PLACES = 5
"""Of a field, that a message names."""
_HARDLY_ANOTHER = 0.9
MAX_SUGGESTED_LENGTH = 64
MAX_CANDIDATES = 256
"""A suggestion costs the length of the word times the length of all candidates."""


class Problem(NamedTuple):
    """Something wrong or doubtful, and where."""

    field: str
    """In API notation: ``spec.slos[0].max``."""
    message: str

    def __str__(self) -> str:
        return f"{self.field}: {self.message}"


class _Above(NamedTuple):
    """A model that contains a field, and where it stands below the manifest."""

    model: type[BaseModel]
    path: tuple[str | int, ...]


def parse_problems(error: ValidationError) -> list[Problem]:
    """One problem for each error of a manifest that did not parse, in the manifest's order: at most
    the first hundred.
    """
    model, prefix = _MODELS.get(error.title, (None, ()))
    errors = error.errors(include_url=False)[:MAX_PARSE_PROBLEMS]
    return [_problem(dict(one), model, prefix) for one in errors]


def field_path(parts: Iterable[str | int]) -> str:
    """``spec.scenarios[0].name`` from its parts; keys that are not plain names are quoted."""
    path = ""
    for part in parts:
        if isinstance(part, int):
            path += f"[{part}]"
        elif re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", part):
            path += f".{part}" if path else part
        else:
            path += f'["{part}"]'
    return path


def field_parts(path: str) -> list[str | int]:
    """The parts of what :func:`field_path` has made; of anything else, as far as it is like it."""
    parts: list[str | int] = []
    at = 0
    while (match := _PART.match(path, at)) is not None:
        name, index, quoted = match.groups()
        parts.append(int(index) if index else name or quoted)
        at = match.end()
    return parts


def suggestion(word: str, known: Iterable[str], likeness: float = 0.6) -> str:
    """``; did you mean "list"?`` for a misspelled word, or an empty string. ``likeness``: from 0 to
    1, as difflib has it."""
    if len(word) > MAX_SUGGESTED_LENGTH:
        return ""
    close = meant(word, islice(known, MAX_CANDIDATES), likeness=likeness)
    return f'; did you mean "{close[0]}"?' if close else ""


def _problem(
    error: dict[str, Any], model: type[BaseModel] | None, prefix: tuple[str, ...]
) -> Problem:
    where: list[str | int] = [part for part in error["loc"] if part != "[key]"]
    message = _message(error, _Above(model, prefix) if model is not None else None)
    if error["type"] == "value_error" and (below := _BELOW.fullmatch(message)) is not None:
        where += below[1].split(".")
        message = below[2]
    return Problem(field_path([*prefix, *where]) or "manifest", message)


def _message(error: dict[str, Any], root: _Above | None) -> str:
    kind, given, context = error["type"], error["input"], error.get("ctx", {})
    last = str(error["loc"][-1]) if error["loc"] else ""
    if kind == "extra_forbidden":
        return f"unknown field{_hint(last, _models_above(root, error['loc']))}"
    if kind == "missing":
        return "this field is required"
    if kind == "value_error":
        return str(error["msg"]).removeprefix("Value error, ")
    if kind == "literal_error":
        known = re.findall(r"'([^']*)'", context["expected"])
        return f"{_shown(given)} is not one of {', '.join(known)}{suggestion(str(given), known)}"
    if kind == "string_pattern_mismatch":
        return f"{_shown(given)} is not valid: {notation(context['pattern'])}"
    if kind in _LIMITS:
        name, text = _LIMITS[kind]
        return text.format(context[name], given)
    if kind in ("too_long", "string_too_long"):
        return f"is too long: at most {context['max_length']} {_units(kind)}"
    if kind in ("too_short", "string_too_short"):
        return f"is too short: at least {context['min_length']} {_units(kind)}"
    return _type_message(kind, given) or str(error["msg"])


def _type_message(kind: str, given: object) -> str | None:
    wanted = {
        "string": "a text",
        "int": "a whole number",
        "float": "a number",
        "bool": "true or false",
        "list": "a list",
        "dict": "a mapping",
        "model": "a mapping",
    }.get(kind.partition("_")[0])
    if wanted is None:
        return None
    hint = "; put it in quotes" if wanted == "a text" and isinstance(given, int | float) else ""
    return f"must be {wanted}, but is {_shown(given)}{hint}"


def _units(kind: str) -> str:
    return "character(s)" if kind.startswith("string") else "item(s)"


def _shown(value: object) -> str:
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    if value is None:
        return "empty"
    text = {True: "true", False: "false"}[value] if isinstance(value, bool) else f"{value!r}"
    return text if len(text) <= 60 else text[:57] + "..."


def _models_above(root: _Above | None, loc: Sequence[str | int]) -> list[_Above]:
    """The models on the way to a field, the one that contains it last; none where the way leads
    through something else."""
    if root is None:
        return []
    found = [root]
    for index, part in enumerate(loc[:-1]):
        if isinstance(part, int):  # an item of the list before
            found[-1] = _Above(found[-1].model, (*found[-1].path, part))
            continue
        annotation = next((its for name, its in _fields(found[-1].model) if name == part), None)
        if (inner := _model_in(annotation)) is None:
            return []
        found.append(_Above(inner, (*root.path, *loc[: index + 1])))
    return found


def _hint(name: str, above: Sequence[_Above]) -> str:
    """Where an unknown field belongs, or which one it is a misspelling of."""
    if not above:
        return ""
    siblings = [known for known, _ in _fields(above[-1].model)]
    if misspelled := suggestion(name, siblings, _HARDLY_ANOTHER):
        return misspelled
    for one in reversed(above):
        if one is not above[-1] and _has(one.model, name):
            places = [one.path]
        else:
            places = [(*one.path, *below) for below in _below(one.model, name)]
        if 0 < len(places) <= MAX_PLACES:
            words = " or ".join(field_path(place) or "the manifest" for place in places)
            return f"; {name} belongs in {words}"
    return suggestion(name, siblings)


def _below(model: type[BaseModel], name: str) -> Sequence[tuple[str, ...]]:
    """Where a model has a field of this name below it: in its mappings, or else in theirs, or else
    in the items of its only list that has it: ``name`` is in many."""
    near = list(_inner(model, lists=False))
    deeper = ((field, one) for field, inner in near for one in _inner(inner, lists=False))
    of_lists = [(field,) for field, inner in _inner(model, lists=True) if _has(inner, name)]
    return (
        [(field,) for field, inner in near if _has(inner, name)]
        or [(field, its) for field, (its, inner) in deeper if _has(inner, name)]
        or of_lists * (len(of_lists) == 1)
    )


def _inner(model: type[BaseModel], *, lists: bool) -> Iterator[tuple[str, type[BaseModel]]]:
    """The fields of a model that are models; with ``lists`` also lists and mappings of them."""
    for field, annotation in _fields(model):
        if (inner := _model_in(annotation, lists=lists)) is not None:
            yield field, inner


def _has(model: type[BaseModel], name: str) -> bool:
    return any(field == name for field, _ in _fields(model))


def _fields(model: type[BaseModel]) -> Iterator[tuple[str, Any]]:
    """The fields as they are written, and their annotations."""
    for name, field in model.model_fields.items():
        yield field.alias or name, field.annotation


def _model_in(annotation: Any, *, lists: bool = True) -> type[BaseModel] | None:
    """The model inside an annotation such as ``Annotated[list[Step], ...] | None``; without
    ``lists`` none that is inside a list or a mapping of them."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    if not lists and get_origin(annotation) in (list, dict, tuple):
        return None
    found = (_model_in(argument, lists=lists) for argument in get_args(annotation))
    return next((model for model in found if model is not None), None)
