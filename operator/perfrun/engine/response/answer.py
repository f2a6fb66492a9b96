"""What is looked at of a response, read once for checks and extractions alike."""

from typing import Any

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
        """The document that the body is.

        Raises NotJsonError, and RecursionError for one that is nested too deeply.
        """
        if not self._read:
            try:
                self._document = json_path.read(self.body)
            except ValueError as error:
                raise NotJsonError from error
            self._read = True
        return self._document

    def text(self) -> str:
        """The body as text; what is not UTF-8 is replaced."""
        return self.body.decode("utf-8", "replace")


def finder(path: str, where: str) -> json_path.Find:
    """A JSONPath, compiled. Raises DataError that names ``where``."""
    try:
        return json_path.finder(path)
    except ValueError as error:
        raise DataError(f"{where}: {path} {error}") from error
