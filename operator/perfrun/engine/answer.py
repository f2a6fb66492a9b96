"""What is looked at of a response, read once for checks and extractions alike."""

import json
import re
from collections.abc import Callable
from typing import Any

import jsonpath

from perfrun.engine.errors import DataError

Find = Callable[[Any], list[object]]
"""All values that a path finds in a document."""

_PLAIN = re.compile(r"\$((?:\.[A-Za-z_][A-Za-z0-9_]*|\[(?:0|[1-9][0-9]*)\])*)\Z")
_PART = re.compile(r"\.([A-Za-z_][A-Za-z0-9_]*)|\[([0-9]+)\]")


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
        """The document that the body is. Raises NotJsonError."""
        if not self._read:
            try:
                self._document = json.loads(self.body)
            except (ValueError, RecursionError) as error:
                raise NotJsonError from error
            self._read = True
        return self._document

    def text(self) -> str:
        """The body as text; what is not UTF-8 is replaced."""
        return self.body.decode("utf-8", "replace")


def finder(path: str, where: str) -> Find:
    """A JSONPath (RFC 9535), compiled. Raises DataError that names ``where``.

    A path of names and indexes alone is walked directly: at thousands of responses a second a
    query engine would cost more than the rest of the request.
    """
    try:
        whole = jsonpath.compile(path).findall
    except Exception as error:
        raise DataError(f"{where}: {path} is not a JSONPath (RFC 9535): {error}") from error
    if (plain := _PLAIN.match(path)) is None:
        return whole
    keys = [name or int(index) for name, index in _PART.findall(plain[1])]

    def walk(document: Any) -> list[object]:
        for key in keys:
            kind = dict if isinstance(key, str) else list
            if not isinstance(document, kind):
                return []
            try:
                document = document[key]
            except (KeyError, IndexError):
                return []
        return [document]

    return walk
