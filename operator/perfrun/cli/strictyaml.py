"""YAML as kubectl reads it, but strict: what would be guessed elsewhere is named here.

A key given twice, a key that is no text (``on:`` is true in YAML 1.1), aliases that unfold into
too much: refused. A plain ``no`` or ``010`` that is read as something else: a warning.
"""

import re
from collections.abc import Hashable, Iterator
from typing import Any, NamedTuple, Protocol

import yaml
from typing_extensions import override

MAX_NODES = 100_000
"""Of one document, aliases unfolded."""
MAX_DEPTH = 64

_BOOL = "tag:yaml.org,2002:bool"
_INT = "tag:yaml.org,2002:int"
_FLOAT = "tag:yaml.org,2002:float"
_TIMESTAMP = "tag:yaml.org,2002:timestamp"
_STR = "tag:yaml.org,2002:str"
_MERGE = "tag:yaml.org,2002:merge"
_OCTAL = re.compile(r"[-+]?0[0-7_]+\Z")


class YamlError(ValueError):
    """The text is not YAML that can be trusted; the message names the line."""


class Document(NamedTuple):
    """One document of a file, numbered from 1, and what to be told about it."""

    number: int
    value: Any
    warnings: tuple[str, ...]


# libyaml's parser is ten times as fast; the pure one gives the same where it is not built in.
_Base: Any = yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader


class _Loader(_Base):  # type: ignore[misc]
    """Kubernetes reads 2026-11-22 and 1:30 as texts: no dates, no base 60."""


def _resolvers() -> dict[str, list[tuple[str, re.Pattern[str]]]]:
    dropped = {_TIMESTAMP, _FLOAT, _INT}
    kept = {
        first: [(tag, pattern) for tag, pattern in resolvers if tag not in dropped]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }
    for tag, pattern in (
        (_INT, r"[-+]?(?:0x[0-9a-fA-F_]+|0b[01_]+|0[0-7_]*|[1-9][0-9_]*)\Z"),
        (
            _FLOAT,
            r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?\Z"
            r"|[-+]?\.(?:inf|Inf|INF)\Z|\.(?:nan|NaN|NAN)\Z",
        ),
    ):
        for first in "-+.0123456789":
            kept.setdefault(first, []).append((tag, re.compile(pattern)))
    return kept


_Loader.yaml_implicit_resolvers = _resolvers()


def load_documents(text: str) -> list[Document]:
    """The documents of a file, empty ones left out. Raises YamlError."""
    _check_depth(text)
    return list(_documents(text))


def load_foreign(text: str) -> Any:
    """The first document of a file that is no manifest: keys may be anything, and given twice;
    neither depth nor aliases do harm. Raises YamlError."""
    _check_depth(text)
    return next((one.value for one in _documents(text, _Foreign)), None)


def _check_depth(text: str) -> None:
    """Refuse what is nested too deeply: libyaml's composer recurses until it crashes."""
    depth = 0
    try:
        for event in yaml.parse(text, Loader=_Loader):
            if isinstance(event, yaml.CollectionStartEvent):
                depth += 1
                if depth > MAX_DEPTH:
                    raise YamlError(f"{_where(event.start_mark)}nested more than {MAX_DEPTH} deep")
            elif isinstance(event, yaml.CollectionEndEvent):
                depth -= 1
    except yaml.YAMLError:
        return  # said better when the document is read


def _documents(text: str, check: "type[_Check] | None" = None) -> Iterator[Document]:
    # A loader of safe tags only, see _Base.
    loader = _Loader(text)
    number = 0
    try:
        while loader.check_node():
            number += 1
            node = loader.get_node()
            warnings = (check or _Check)().document(node)
            value = loader.construct_document(node)
            if value is not None:
                yield Document(number, value, warnings)
    except yaml.MarkedYAMLError as error:
        raise YamlError(f"{_where(error.problem_mark)}{error.problem or error}") from error
    except yaml.reader.ReaderError as error:
        raise YamlError(f"not YAML: {str(error).splitlines()[0]}") from error
    except YamlError:
        raise
    except ValueError as error:
        raise YamlError(f"document {number}: {error}") from error
    finally:
        loader.dispose()


class _Mark(Protocol):
    """Where something stands; libyaml's mark and the pure one have no class in common."""

    line: int


class _Check:
    """One walk over the nodes of a document, before anything is made of them."""

    most = MAX_NODES

    def __init__(self) -> None:
        self._sizes: dict[int, int] = {}
        self._open: set[int] = set()
        self._warnings: list[str] = []

    def document(self, node: yaml.Node) -> tuple[str, ...]:
        """What to warn of. Raises YamlError."""
        self._size(node)
        return tuple(self._warnings)

    def _size(self, node: yaml.Node) -> int:
        known = self._sizes.get(id(node))
        if known is not None:
            return known
        if id(node) in self._open:
            raise YamlError(f"{_where(node.start_mark)}an alias that contains itself")
        self._open.add(id(node))
        size = 1
        if isinstance(node, yaml.MappingNode):
            self._keys(node)
            size += sum(self._size(key) + self._size(value) for key, value in node.value)
        elif isinstance(node, yaml.SequenceNode):
            size += sum(self._size(item) for item in node.value)
        elif isinstance(node, yaml.ScalarNode):
            self._scalar(node)
        if size > self.most:
            raise YamlError(f"{_where(node.start_mark)}more than {self.most} values")
        self._open.discard(id(node))
        self._sizes[id(node)] = size
        return size

    def _keys(self, node: yaml.MappingNode) -> None:
        seen: set[Hashable] = set()
        for key, _ in node.value:
            if key.tag == _MERGE:
                continue
            where = _where(key.start_mark)
            if key.tag != _STR:
                shown = key.value if isinstance(key, yaml.ScalarNode) else "this"
                raise YamlError(f"{where}the key {shown} is not read as a text: quote it")
            if key.value in seen:
                raise YamlError(f"{where}the key {key.value} is there twice: remove one")
            seen.add(key.value)

    def _scalar(self, node: yaml.ScalarNode) -> None:
        if node.style:  # quoted, or a block; plain is None or empty
            return
        text = node.value
        if node.tag == _BOOL and text.lower() not in ("true", "false"):
            meaning = "true" if text.lower() in ("yes", "on") else "false"
        elif node.tag == _INT and _OCTAL.match(text):
            try:
                meaning = str(int(text.replace("_", ""), 8))
            except ValueError:
                return
        else:
            return
        self._warnings.append(
            f"{_where(node.start_mark)}{text} is read as {meaning} (YAML 1.1): "
            f"write {meaning}, or quote it to mean the text"
        )


class _Foreign(_Check):
    """Looks at the size alone."""

    most = 3_000_000

    @override
    def _keys(self, node: yaml.MappingNode) -> None:
        """Whatever they are."""

    @override
    def _scalar(self, node: yaml.ScalarNode) -> None:
        """Whatever it is."""


def _where(mark: _Mark | None) -> str:
    return f"line {mark.line + 1}: " if mark is not None else ""
