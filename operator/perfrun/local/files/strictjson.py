"""JSON as the API server reads it, but strict: a key that is given twice is refused."""

import json
import math
import re
from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any, NamedTuple, NoReturn

from perfrun.local.files.document import Document, Path, Place, YamlError, place_of
from perfrun.local.files.scalars import kubernetes_float, kubernetes_int

MAX_DEPTH = 64
TOO_DEEP = f"nested more than {MAX_DEPTH} levels deep"
_SPACE = re.compile(r"[ \t\r\n]*(?:---[ \t\r]*\n[ \t\r\n]*)?")
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{},:]|[^\s\[\]{},:"]+', re.DOTALL)


class _RefusedError(ValueError):
    """A part of a text that is no JSON for a server; ``token`` is how it is written, empty: a key
    that is given twice."""

    def __init__(self, text: str, token: str = "") -> None:
        super().__init__(text)
        self.token = token


def json_documents(text: str) -> Iterator[Document]:
    """Objects one after the other. Raises JSONDecodeError where it is something else, and
    YamlError."""
    at, number = _after_space(text, 0), 0
    while at < len(text):
        number += 1
        try:
            value, end = _DECODER.raw_decode(text, at)
            _check(value, 0)
        except RecursionError:
            raise YamlError(TOO_DEEP, place_of(text, at)) from None
        except _RefusedError as error:
            raise YamlError(str(error), place_of(text, _refused_at(text, at, error))) from None
        yield Document(number, value, _finder(text, at, end))
        at = _after_space(text, end)


def _finder(text: str, at: int, end: int) -> Callable[[Path], Place]:
    @cache
    def offsets() -> dict[tuple[str | int, ...], int]:
        return {member.path: member.at for member in _members(text, at, end)}

    def find(path: Path) -> Place:
        if not path:
            return place_of(text, at)
        known, wanted = offsets(), tuple(path)
        while wanted and wanted not in known:
            wanted = wanted[:-1]
        return place_of(text, known.get(wanted, at))

    return find


class _Member(NamedTuple):
    path: tuple[str | int, ...]
    at: int
    """Of its key; of an item of a list, of the value."""
    token: str
    """The value, or the bracket that it begins with."""
    value_at: int


def _members(text: str, at: int, end: int | None = None) -> Iterator[_Member]:
    """All values of a JSON text, in order."""
    path: list[str | int | None] = []
    """By open bracket: the key (None: it comes next), or the index."""
    key_at = at
    for match in _TOKEN.finditer(text, at, len(text) if end is None else end):
        mark, here = match[0], match.start()
        if mark == ":":
            continue
        if mark == ",":
            path[-1] = path[-1] + 1 if isinstance(path[-1], int) else None
        elif mark in "}]":
            path.pop()
            if not path:
                return
        elif path and path[-1] is None:
            path[-1], key_at = json.loads(mark), here
        else:
            in_list = not path or isinstance(path[-1], int)
            names = tuple(part for part in path if part is not None)
            yield _Member(names, here if in_list else key_at, mark, here)
            if mark in "{[":
                path.append(None if mark == "{" else 0)


def _refused_at(text: str, at: int, error: _RefusedError) -> int:
    seen: set[tuple[str | int, ...]] = set()
    for member in _members(text, at):
        if error.token and member.token == error.token:
            return member.value_at
        if not error.token and member.path in seen:
            return member.at
        seen.add(member.path)
    return at


def _after_space(text: str, at: int) -> int:
    match = _SPACE.match(text, at)
    return match.end() if match else at


def _check(value: object, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise RecursionError
    if isinstance(value, str) and not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            shown = f"{value[:20]!r} contains half of a surrogate pair"
            raise _RefusedError(shown, json.dumps(value)) from None
    elif isinstance(value, dict):
        for key, one in value.items():
            _check(key, depth)
            _check(one, depth + 1)
    elif isinstance(value, list):
        for one in value:
            _check(one, depth + 1)


def _pairs(found: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(found)
    if len(made) < len(found):
        twice = Counter(key for key, _ in found).most_common(1)[0][0]
        raise _RefusedError(f"the key {twice} appears twice: remove one")
    return made


def _constant(name: str) -> NoReturn:
    raise _RefusedError(f"{name} is not a JSON number", name)


def _fraction(digits: str) -> int | float:
    if not math.isfinite(number := float(digits)):
        raise _RefusedError(f"{digits[:60]} is too large for a number", digits)
    return kubernetes_float(number)


def _whole(digits: str) -> int | float:
    return kubernetes_int(int(digits)) if len(digits) < 20 else _fraction(digits)


_DECODER = json.JSONDecoder(
    object_pairs_hook=_pairs, parse_constant=_constant, parse_float=_fraction, parse_int=_whole
)
