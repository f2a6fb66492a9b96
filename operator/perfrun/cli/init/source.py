"""Reads the sources that a user names: with size limits, and a sentence for every problem."""

import io
import json
import math
import os
import re
import sys
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO, NoReturn, Self, cast

from typing_extensions import override

from perfrun.api.sentence import json_problem
from perfrun.cli.init.draft import SourceError
from perfrun.local.files.document import Place, YamlError, where
from perfrun.local.files.strictyaml import LocatedObject, load_foreign, load_located

MIB = 1024 * 1024
MAX_YAML = 16 * MIB
MAX_JSON = 256 * MIB
_HEAD = 64 * 1024
_WIDE = (b"\xff\xfe", b"\xfe\xff")
_LIKE_JSON = re.compile(r'\s*[{\[]\s*["{\[]')
_TOKENS = re.compile(r'"(?:[^"\\\n]|\\.)*"|[{}\n]')
"""Tokens of a JSON text: strings, which may contain the others; beginnings and ends of objects;
line breaks."""


class SourceFile:
    """A file that a user names: read once, so that it may be standard input. A context manager.
    Raises SourceError."""

    def __init__(self, file: str) -> None:
        self.name = file
        self.stream: BinaryIO
        """From the first byte."""
        self.size = 0
        """In bytes; 0 if it is not known."""
        try:
            if file == "-":
                self._opened: BinaryIO = sys.stdin.buffer
            else:
                self._opened = Path(file).open("rb")  # noqa: SIM115 - closed by __exit__
                self.size = os.fstat(self._opened.fileno()).st_size
            self.head = self._opened.read(_HEAD)
        except OSError as error:
            raise self._unreadable(error) from None
        self.stream = cast(BinaryIO, io.BufferedReader(_Resumed(self.head, self._opened)))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.name != "-":
            self._opened.close()

    @property
    def shown(self) -> str:
        """How comments and messages call it."""
        return "standard input" if self.name == "-" else Path(self.name).name

    @property
    def position(self) -> int:
        """How many bytes of a file were read so far."""
        return self._opened.tell()

    @property
    def stem(self) -> str:
        """The name without its suffixes; empty for standard input."""
        return "" if self.name == "-" else Path(self.name).name.partition(".")[0]

    @property
    def is_archive(self) -> bool:
        """Whether it is a tar file, as k6 archives are."""
        return self.head[257:262] == b"ustar"

    def head_text(self) -> str:
        """The beginning as a text, whatever it contains."""
        wide = self.head[:2] in _WIDE
        return self.head.decode("utf-16" if wide else "utf-8-sig", "replace")

    @cached_property
    def data(self) -> bytes:
        """The whole contents. Raises SourceError if they are too large."""
        try:
            data = self.stream.read(MAX_JSON + 1)
        except OSError as error:
            raise self._unreadable(error) from None
        if len(data) > MAX_JSON:
            limit = MAX_JSON // MIB
            raise SourceError(f"{self.name}: more than {limit} MiB: take a smaller part of it")
        return data

    @cached_property
    def text(self) -> str:
        """The whole contents as a text. Raises SourceError."""
        data = self.data
        try:
            # Shells of Windows write UTF-16 into files.
            return data.decode("utf-16" if data[:2] in _WIDE else "utf-8-sig")
        except UnicodeDecodeError:
            raise SourceError(f"{self.name}: not UTF-8 text") from None

    @cached_property
    def document(self) -> Any:
        """The first JSON or YAML document. Raises SourceError."""
        text = self.text
        no_json: SourceError | None = None
        if text.lstrip()[:1] in ("{", "["):
            try:
                return json.loads(text)
            except RecursionError:
                raise SourceError(f"{self.name}: nested too deeply") from None
            except ValueError as error:
                # YAML may begin with a brace too, but a large file will not be such YAML.
                no_json = self._unparsed(error) if _LIKE_JSON.match(text) else None
        if len(text) > MAX_YAML:
            large = f"{self.name}: more than {MAX_YAML // MIB} MiB of YAML: convert it to JSON"
            raise no_json or SourceError(large)
        try:
            return load_foreign(text)
        except YamlError as error:
            raise no_json or self._unparsed(error) from None

    def located_json(self) -> Any:
        """A JSON document whose objects have their line numbers. Raises SourceError."""
        text = self.text
        lines = _lines_of_objects(text)
        try:
            return json.loads(
                text, object_pairs_hook=lambda pairs: LocatedObject(pairs, line=next(lines, 0))
            )
        except RecursionError:
            raise SourceError(f"{self.name}: nested too deeply") from None
        except ValueError as error:
            raise self._unparsed(error) from None

    def located_documents(self) -> list[Any]:
        """The YAML or JSON documents of a file; objects have their line numbers. Raises
        SourceError."""
        if len(self.text) > MAX_YAML:
            raise SourceError(f"{self.name}: more than {MAX_YAML // MIB} MiB of YAML")
        try:
            return load_located(self.text)
        except YamlError as error:
            raise self._unparsed(error) from None

    def _unparsed(self, error: ValueError) -> SourceError:
        """What is wrong with the text, and where, as far as that is known."""
        if isinstance(error, YamlError):
            place, text = error.remark
            return SourceError(f"{where(self.name, place)}: error: {text}")
        if isinstance(error, json.JSONDecodeError):
            place = Place(error.lineno, error.colno)
            return SourceError(f"{where(self.name, place)}: error: not JSON: {json_problem(error)}")
        return SourceError(f"{self.name}: error: not JSON: {error}")

    def _unreadable(self, error: OSError) -> SourceError:
        return SourceError(f"{self.name}: cannot be read: {error.strerror or error}")


class _Resumed(io.RawIOBase):
    """A stream whose beginning was already read."""

    def __init__(self, head: bytes, rest: BinaryIO) -> None:
        self._head = head
        self._rest = rest

    @override
    def readable(self) -> bool:
        return True

    @override
    def readinto(self, buffer: Any) -> int:
        data = self._head[: len(buffer)] or self._rest.read(len(buffer))
        self._head = self._head[len(data) :]
        buffer[: len(data)] = data
        return len(data)


def _lines_of_objects(text: str) -> Iterator[int]:
    """The lines on which the objects of a JSON text begin, in the order in which they end: the
    order in which a decoder calls its hook."""
    line, begun = 1, []
    for token in _TOKENS.finditer(text):
        match token[0]:
            case "\n":
                line += 1
            case "{":
                begun.append(line)
            case "}" if begun:
                yield begun.pop()


def line_of(value: object) -> int:
    """The line on which an object begins; 0 if it is not known."""
    return value.line if isinstance(value, LocatedObject) else 0


def line_of_key(value: object, key: str) -> int:
    """The line of a key of an object; that of the object, or 0, where it is not known."""
    return value.lines.get(key, value.line) if isinstance(value, LocatedObject) else 0


def table(value: object) -> dict[str, Any]:
    """The object that is expected there; empty if it is something else."""
    return value if isinstance(value, dict) else {}


def rows(value: object) -> list[Any]:
    """The list that is expected there; empty if it is something else."""
    return value if isinstance(value, list) else []


def text_of(value: object) -> str:
    """The text that is expected there; empty if it is something else."""
    return value if isinstance(value, str) else ""


def number_of(value: object) -> float:
    """The finite number that is expected there; 0 if it is something else."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return 0.0
    return float(value) if abs(value) < 1e15 else 0.0


def no_number(name: str) -> NoReturn:
    """For ``json.loads``: NaN and infinities are not JSON."""
    raise ValueError(f"{name} is not JSON")


def finite_number(text: str) -> float:
    """For ``json.loads``: refuses numbers that are too large for a float."""
    found = float(text)
    return found if math.isfinite(found) else no_number(text)
