"""Bodies of forms as templates, for OpenAPI documents and recordings."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple
from urllib.parse import quote

from perfrun.cli.init.openapi.styles import as_text, in_query, style_of
from perfrun.cli.init.source import table
from perfrun.cli.init.texts import VaryingText, clean, literal

FORM = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data"
_BOUNDARY = "perfrun-form-boundary"


class FormField(NamedTuple):
    """A part of a multipart body."""

    name: str
    value: str
    """A template."""
    file: str = ""
    """The file name."""
    kind: str = ""
    """Its media type, unless it is plain text."""


def form(value: Mapping[str, Any], encodings: Mapping[str, Any]) -> str:
    """An object as application/x-www-form-urlencoded, as a template."""
    pairs: list[str] = []
    for key, one in value.items():
        style = style_of(table(encodings.get(key)), "form")
        nested = isinstance(one, dict) and style.name == "form" and key not in encodings
        shown = as_text(one) if nested else one
        found = in_query(str(key), shown, style)
        pairs += ["".join(_in_form(part) for part in parts) for parts in found]
    return "&".join(pairs)


def _in_form(part: Any) -> str:
    return part.template(quote) if isinstance(part, VaryingText) else literal(part)


def fields(
    value: Mapping[str, Any], encodings: Mapping[str, Any], files: Iterable[str]
) -> list[FormField]:
    """The parts of an object as multipart/form-data (RFC 7578).

    Those in ``files`` are files, objects become JSON, and a list becomes one part for each item.
    """
    found: list[FormField] = []
    for key, several in value.items():
        stated = table(encodings.get(key)).get("contentType")
        kind = stated.partition(",")[0].strip() if isinstance(stated, str) else ""
        for one in several if isinstance(several, list) else [several]:
            text = one.template() if isinstance(one, VaryingText) else literal(as_text(one))
            if key in files:
                file_kind = kind if _is_one(kind) else "application/octet-stream"
                found.append(FormField(str(key), text, f"{key}.bin", file_kind))
            else:
                kind_of_it = kind if _is_one(kind) else ""
                json = "application/json" if isinstance(one, dict) else ""
                found.append(FormField(str(key), text, kind=kind_of_it or json))
    return found


def _is_one(kind: str) -> bool:
    return bool(kind) and "*" not in kind and kind.isprintable() and kind.isascii()


def multipart(parts: Iterable[FormField]) -> tuple[str, str]:
    """The value of Content-Type, and the body."""
    listed = list(parts)
    boundary = _BOUNDARY
    while any(boundary in one.value for one in listed):
        boundary += "-x"
    lines: list[str] = []
    for one in listed:
        name = f'form-data; name="{_quoted(one.name)}"'
        file = f'; filename="{_quoted(one.file)}"' if one.file else ""
        kind = f"\r\nContent-Type: {one.kind}" if one.kind else ""
        lines.append(f"--{boundary}\r\nContent-Disposition: {name}{file}{kind}\r\n\r\n{one.value}")
    lines.append(f"--{boundary}--\r\n")
    return f"{MULTIPART}; boundary={boundary}", "\r\n".join(lines)


def _quoted(text: str) -> str:
    """Escaped as browsers do it (HTML, multipart form data)."""
    shown = clean(text).replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")
    return literal(shown)
