"""A document of a file, and where everything in it stands."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

Path = Sequence[str | int]
"""Keys and indexes, from the root of a document."""


class Place(NamedTuple):
    """Where something stands in a text, from 1; columns count characters."""

    line: int
    column: int


def place_of(text: str, offset: int) -> Place:
    """The place of a character."""
    return Place(text.count("\n", 0, offset) + 1, offset - text.rfind("\n", 0, offset))


def where(file: str, place: Place | None) -> str:
    """``api.yaml:3:5``; None: the whole file."""
    return file if place is None else f"{file}:{place.line}:{place.column}"


class Remark(NamedTuple):
    """Something wrong or doubtful in a text."""

    place: Place
    text: str


class YamlError(ValueError):
    """The text is not YAML, or JSON, that can be trusted."""

    def __init__(self, text: str, place: Place) -> None:
        super().__init__(f"line {place.line}, column {place.column}: {text}")
        self.remark = Remark(place, text)


@dataclass(frozen=True, slots=True)
class Document:
    """One document of a file."""

    number: int
    """From 1."""
    value: Any
    """None where there are problems."""
    place: Callable[[Path], Place]
    """Where the member at a path begins: its key, or the item of a list. Where there is no such
    member, the place of the nearest one above it. It takes time, so only messages need it."""
    warnings: tuple[Remark, ...] = ()
    problems: tuple[Remark, ...] = ()
    name: str = ""
    """Where there are problems: its ``metadata.name``."""
