"""Problems of a manifest, in the words that the operator and ``perfrun run`` share."""

import difflib
import re
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any, NamedTuple, get_args

from pydantic import BaseModel, ValidationError

from perfrun.api.notations import notation
from perfrun.api.run.overrides import Overrides
from perfrun.api.run.perfrun import PerfRun
from perfrun.api.test.perftest import PerfTest, PerfTestSpec

_MODELS: dict[str, tuple[type[BaseModel], tuple[str, ...]]] = {
    "PerfTest": (PerfTest, ()),
    "PerfTestSpec": (PerfTestSpec, ("spec",)),
    "PerfRun": (PerfRun, ()),
    "Overrides": (Overrides, ("spec", "overrides")),
}
"""The models that are validated directly, by title, and their place in a manifest."""

# A rule of a model names the field below the model that it is about: ``burst: message``.
_BELOW = re.compile(r"([a-z][A-Za-z0-9]*(?:\.[a-z][A-Za-z0-9]*)*): (.*)", re.DOTALL)

_LIMITS = {
    "greater_than_equal": ("ge", "must be at least {}, but is {}"),
    "greater_than": ("gt", "must be more than {}, but is {}"),
    "less_than_equal": ("le", "must be at most {}, but is {}"),
    "less_than": ("lt", "must be less than {}, but is {}"),
}


MAX_PARSE_PROBLEMS = 100
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


def suggestion(word: str, known: Iterable[str]) -> str:
    """``; did you mean "list"?`` for a misspelled word, or an empty string."""
    if len(word) > MAX_SUGGESTED_LENGTH:
        return ""
    close = difflib.get_close_matches(word, [*islice(known, MAX_CANDIDATES)], n=1)
    return f'; did you mean "{close[0]}"?' if close else ""


def _problem(
    error: dict[str, Any], model: type[BaseModel] | None, prefix: tuple[str, ...]
) -> Problem:
    where: list[str | int] = [part for part in error["loc"] if part != "[key]"]
    message = _message(error, model)
    if error["type"] == "value_error" and (below := _BELOW.fullmatch(message)) is not None:
        where += below[1].split(".")
        message = below[2]
    return Problem(field_path([*prefix, *where]) or "manifest", message)


def _message(error: dict[str, Any], model: type[BaseModel] | None) -> str:
    kind, given, context = error["type"], error["input"], error.get("ctx", {})
    last = str(error["loc"][-1]) if error["loc"] else ""
    if kind == "extra_forbidden":
        return f"unknown field{suggestion(last, _siblings(model, error['loc']))}"
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


def _siblings(model: type[BaseModel] | None, loc: Sequence[str | int]) -> list[str]:
    """The names of fields that are possible at the last part of ``loc``."""
    for part in loc[:-1]:
        if model is None or isinstance(part, int):
            continue
        model = next(
            (
                _model_in(field.annotation)
                for name, field in model.model_fields.items()
                if part in (name, field.alias)
            ),
            None,
        )
    if model is None:
        return []
    return [field.alias or name for name, field in model.model_fields.items()]


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """The model inside an annotation such as ``Annotated[list[Step], ...] | None``."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    found = (_model_in(argument) for argument in get_args(annotation))
    return next((model for model in found if model is not None), None)
