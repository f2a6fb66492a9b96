"""How values are written in paths, queries, headers and forms: the styles of OpenAPI (RFC 6570)."""

import json
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple
from urllib.parse import quote

from perfrun.api import Json
from perfrun.cli.init.source import text_of
from perfrun.cli.init.texts import Part, VaryingText, clean, encoded_value, header_template

_DELIMITERS = {"spaceDelimited": "%20", "pipeDelimited": "%7C", "tabDelimited": "%09"}
_RESERVED = "~-._/:?@!$'()*,;"


class Style(NamedTuple):
    """The style of a parameter or of a field of a form."""

    name: str
    explode: bool
    reserved: bool = False


def style_of(node: Json, otherwise: str) -> Style:
    """The style that a parameter or an encoding asks for."""
    name = text_of(node.get("style")) or otherwise
    explode = node.get("explode")
    return Style(
        name,
        explode if isinstance(explode, bool) else name in ("form", "deepObject", "cookie"),
        node.get("allowReserved") is True,
    )


def as_text(value: Any) -> str:
    """A value, written as in a path or a form."""
    if isinstance(value, str):
        return value
    return json.dumps(_fixed(value))


def _fixed(value: Any) -> Any:
    """With a sample in place of each generated value: JSON in a string cannot contain templates."""
    if isinstance(value, VaryingText):
        return value.choices[0] if value.choices else "example"
    if isinstance(value, dict):
        return {key: _fixed(one) for key, one in value.items()}
    return [_fixed(one) for one in value] if isinstance(value, list) else value


def in_query(name: str, value: Any, style: Style) -> list[list[Part]]:
    """The pairs of a query or a form, each as the parts of ``name=value``."""
    key = encoded_value(clean(name))
    encode = _reserved if style.reserved else encoded_value
    if isinstance(value, dict) and style.name == "deepObject":
        return [[f"{at}=", _shown(one, encode)] for at, one in _deep(key, value, 0)]
    if isinstance(value, dict) and style.explode:
        return [
            [f"{encoded_value(clean(str(at)))}=", _shown(one, encode)] for at, one in value.items()
        ]
    if isinstance(value, list) and style.explode:
        return [[f"{key}=", _shown(one, encode)] for one in value]
    delimiter = _DELIMITERS.get(style.name, ",")
    return [[f"{key}=", *_joined(_flat(value, None), delimiter, encode)]]


def in_path(name: str, value: Any, style: Style) -> list[Part]:
    """The replacement of ``{name}``."""
    key = encoded_value(clean(name))
    simple = _joined(_flat(value, "=" if style.explode else None), ",", encoded_value)
    several = style.explode and isinstance(value, dict | list)
    if style.name == "label":
        pieces = _flat(value, "=" if style.explode else None)
        return [".", *_joined(pieces, "." if style.explode else ",", encoded_value)]
    if style.name == "matrix":
        if not several:
            return [f";{key}=", *simple]
        if isinstance(value, list):
            return [part for one in value for part in (f";{key}=", _shown(one, encoded_value))]
        return [";", *_joined(_flat(value, "="), ";", encoded_value)]
    return simple


def in_header(value: Any, style: Style) -> str:
    """The template of a header's value."""
    return header_template(_joined(_flat(value, "=" if style.explode else None), ",", str))


def _deep(key: str, value: Any, depth: int) -> Iterator[tuple[str, Any]]:
    """``a[b][c]`` and its value; lists, which OpenAPI does not define, by index."""
    if depth < 8 and isinstance(value, dict | list):
        pairs = value.items() if isinstance(value, dict) else enumerate(value)
        for at, one in pairs:
            yield from _deep(f"{key}[{encoded_value(clean(str(at)))}]", one, depth + 1)
    else:
        yield key, value


def _flat(value: Any, equals: str | None) -> list[list[Any]]:
    """Pieces between delimiters, each made of one or several values."""
    if isinstance(value, list):
        return [[one] for one in value]
    if isinstance(value, dict):
        if equals is not None:
            return [[f"{key}", equals, one] for key, one in value.items()]
        return [[piece] for pair in value.items() for piece in pair]
    return [[value]]


def _joined(pieces: list[list[Any]], delimiter: str, encode: Callable[[str], str]) -> list[Part]:
    parts: list[Part] = []
    for index, piece in enumerate(pieces):
        parts += [delimiter] if index else []
        parts += [one if one == "=" else _shown(one, encode) for one in piece]
    return parts


def _shown(value: Any, encode: Callable[[str], str]) -> Part:
    return value if isinstance(value, VaryingText) else encode(as_text(value))


def _reserved(text: str) -> str:
    return quote(clean(text), safe=_RESERVED)
