"""What is examined in a response: read once for checks and extractions alike, and the values that
later steps need, compiled once.
"""

import json
import re
from collections.abc import Callable, Mapping, MutableMapping
from typing import Any, Protocol

from perfrun.api.test.scenario import Extraction
from perfrun.engine.errors import DataError
from perfrun.logic.plan import json_path


class NotJsonError(Exception):
    """The body is not a JSON document."""


class Answer:
    """The content of a final response."""

    __slots__ = ("_document", "_read", "body")

    def __init__(self, body: bytes) -> None:
        self.body = body
        self._read = False
        self._document: Any = None

    def json(self) -> Any:
        """The body parsed as JSON. Raises NotJsonError, and RecursionError if it is nested too
        deeply.
        """
        if not self._read:
            try:
                self._document = json_path.read(self.body)
            except ValueError as error:
                raise NotJsonError from error
            self._read = True
        return self._document

    def text(self) -> str:
        """The body as text; invalid UTF-8 is replaced."""
        return self.body.decode("utf-8", "replace")


def finder(path: str, where: str) -> json_path.Find:
    """Compile a JSONPath. Raises DataError that names ``where``."""
    try:
        return json_path.finder(path)
    except ValueError as error:
        raise DataError(f"{where}: {path} {error}") from error


MAX_LENGTH = 64 * 1024
"""Characters of an extracted value; longer ones count as not found."""


class Head(Protocol):
    """The part of a response that an extraction from headers needs."""

    def header(self, name: bytes) -> bytes | None:
        """The first value of a header; ``name`` in lower case."""


Find = Callable[[Head, Answer], str | None]


class Extractor:
    """The compiled ``extract`` of a step."""

    __slots__ = ("_finds", "needs_body")

    def __init__(self, extractions: Mapping[str, Extraction], where: str) -> None:
        self._finds = [
            (name, _source(extraction), _compiled(extraction, f"{where}.{name}"))
            for name, extraction in extractions.items()
        ]
        self.needs_body = any(extraction.header is None for extraction in extractions.values())

    def __bool__(self) -> bool:
        return bool(self._finds)

    def __call__(self, head: Head, answer: Answer, values: MutableMapping[str, str]) -> str:
        """Put found values into ``values``. Returns what is missing, in words; empty: nothing."""
        for name, source, find in self._finds:
            found = find(head, answer)
            if found is None:
                return f"extract.{name}: {source} was not found in the response"
            if len(found) > MAX_LENGTH:
                return f"extract.{name}: {source} has more than {MAX_LENGTH} characters"
            values[name] = found
        return ""


def _source(extraction: Extraction) -> str:
    if extraction.header is not None:
        return f"the header {extraction.header}"
    return extraction.json_ or f"a match of {extraction.regex}"


def _compiled(extraction: Extraction, where: str) -> Find:
    if extraction.header is not None:
        return _of_header(extraction.header.lower().encode())
    if extraction.regex is not None:
        return _of_regex(extraction.regex, f"{where}.regex")
    assert extraction.json_ is not None
    return _of_json(extraction.json_, f"{where}.json")


def _of_header(name: bytes) -> Find:
    def find(head: Head, _answer: Answer) -> str | None:
        value = head.header(name)
        return None if value is None else value.decode("utf-8", "replace")

    return find


def _of_regex(pattern: str, where: str) -> Find:
    try:
        compiled = re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        raise DataError(f"{where}: {pattern} is not a regular expression: {error}") from error
    group = 1 if compiled.groups else 0

    def find(_head: Head, answer: Answer) -> str | None:
        found = compiled.search(answer.text())
        return None if found is None else found[group]

    return find


def _of_json(path: str, where: str) -> Find:
    values = finder(path, where)

    def find(_head: Head, answer: Answer) -> str | None:
        try:
            found = values(answer.json())
        except NotJsonError:
            return None
        return _as_text(found[0]) if found else None

    return find


def _as_text(value: object) -> str:
    """A string as it is, anything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))
