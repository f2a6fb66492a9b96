"""XML from any source: without document types and entities, with size limits and line numbers."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NoReturn
from xml.parsers import expat

from perfrun.cli.init.draft import SourceError

MAX_DEPTH = 200
MAX_ELEMENTS = 500_000
MAX_BYTES = 64 * 1024 * 1024


@dataclass(slots=True)
class XmlElement:
    """An element, its text and its children."""

    tag: str
    attributes: dict[str, str]
    line: int
    text: str = ""
    children: list["XmlElement"] = field(default_factory=list)

    def below(self, tag: str) -> Iterator["XmlElement"]:
        """The children with that name."""
        return (one for one in self.children if one.tag == tag)


def read_xml(data: bytes, source: str) -> XmlElement:
    """The root of a document. Raises SourceError with the line.

    Entities and external files are never read: a document type is refused first.
    """
    if len(data) > MAX_BYTES:
        raise SourceError(f"{source}: more than {MAX_BYTES // 1024**2} MiB of XML")
    reader = _Reader(source)
    try:
        reader.parser.Parse(data, True)
    except expat.ExpatError as error:
        what = expat.ErrorString(error.code) or "not XML"
        raise SourceError(f"{source}: line {error.lineno}: not XML: {what}") from None
    except (LookupError, ValueError) as error:
        raise SourceError(f"{source}: not XML: {error}") from None
    assert reader.root is not None  # or it is not well-formed
    return reader.root


class _Reader:
    def __init__(self, source: str) -> None:
        self._source = source
        self._open: list[XmlElement] = []
        self._texts: list[list[str]] = []
        self._elements = 0
        self.root: XmlElement | None = None
        self.parser = expat.ParserCreate()
        self.parser.buffer_text = True
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._text
        self.parser.StartDoctypeDeclHandler = self._doctype

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        self._elements += 1
        if len(self._open) == MAX_DEPTH:
            self._refuse(f"nested more than {MAX_DEPTH} levels deep")
        if self._elements > MAX_ELEMENTS:
            self._refuse(f"more than {MAX_ELEMENTS:,} elements")
        element = XmlElement(tag, attributes, self.parser.CurrentLineNumber)
        if self._open:
            self._open[-1].children.append(element)
        else:
            self.root = element
        self._open.append(element)
        self._texts.append([])

    def _end(self, _tag: str) -> None:
        self._open.pop().text = "".join(self._texts.pop())

    def _text(self, text: str) -> None:
        self._texts[-1].append(text)

    def _doctype(self, *_: object) -> None:
        self._refuse("a document type (DOCTYPE) is not accepted: remove it")

    def _refuse(self, why: str) -> NoReturn:
        raise SourceError(f"{self._source}: line {self.parser.CurrentLineNumber}: {why}")
