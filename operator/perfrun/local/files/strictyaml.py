"""YAML and JSON as kubectl reads them, but strict: instead of guessing, it names what is ambiguous.

A key given twice, a key that is not a string (``on:`` is true in YAML 1.1), aliases that unfold
into too much: refused. A plain ``no`` or ``010`` that is read as something else: a warning.
Documents that are not manifests (OpenAPI) are read by the core schema of YAML 1.2 instead, and
their keys and numbers keep their notation.
"""

import json
import math
import re
from collections.abc import Callable, Hashable, Iterable, Iterator
from typing import Any, NamedTuple, NoReturn, Protocol

import yaml
from typing_extensions import override

from perfrun.local.files.scalars import (
    CORE_BOOLEANS,
    INFINITE,
    core_number,
    kubernetes_boolean,
    kubernetes_float,
    kubernetes_int,
    kubernetes_number,
)

MAX_NODES = 100_000
"""Values of one document, with aliases unfolded."""
MAX_DEPTH = 64

_BOOL = "tag:yaml.org,2002:bool"
_INT = "tag:yaml.org,2002:int"
_FLOAT = "tag:yaml.org,2002:float"
_NULL = "tag:yaml.org,2002:null"
_STR = "tag:yaml.org,2002:str"
_MERGE = "tag:yaml.org,2002:merge"
_PLAIN_TAGS = frozenset(
    (_BOOL, _INT, _FLOAT, _NULL, _STR, _MERGE, "tag:yaml.org,2002:seq", "tag:yaml.org,2002:map")
)
_NUMBER_STARTS = "-+.0123456789"
_LEADING_ZERO = re.compile(r"[-+]?0[0-9_oO]")
_JSON_SPACE = re.compile(r"[ \t\r\n]*(?:---[ \t\r]*\n[ \t\r\n]*)?")
_BEHIND_SEPARATOR = re.compile(r"^---[ \t]+[^ \t\r\n#]", re.MULTILINE)


class YamlError(ValueError):
    """The text is not YAML that can be trusted; the message names the line."""


class Document(NamedTuple):
    """One document of a file, numbered from 1, and warnings about it."""

    number: int
    value: Any
    warnings: tuple[str, ...]


# libyaml's parser is ten times as fast; the pure one gives the same result if it is not built in.
_Base: Any = yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader


class _Loader(_Base):  # type: ignore[misc]
    """As Kubernetes reads YAML: 1.1, with octal numbers, and without dates and base 60."""


class _CoreLoader(_Base):  # type: ignore[misc]
    """The core schema of YAML 1.2, which OpenAPI requires: ``no`` is a string, 010 is not octal.

    Scalars with tags outside the core schema are strings.
    """


class LocatedObject(dict[str, Any]):
    """An object of a document, and the line on which it begins."""

    def __init__(self, pairs: Iterable[tuple[str, Any]] = (), *, line: int = 0) -> None:
        super().__init__(pairs)
        self.line = line


class _LocatedLoader(_CoreLoader):
    """The same, with objects that know their lines."""


def _located(loader: Any, node: yaml.MappingNode) -> Iterator[LocatedObject]:
    made = LocatedObject(line=node.start_mark.line + 1)
    yield made
    made.update(loader.construct_mapping(node))


class _Reads(NamedTuple):
    """Replaces a pattern that decides about a tag."""

    function: Callable[[str], object]

    def match(self, text: str) -> bool:
        """Whether the text is a value of the tag."""
        return self.function(text) is not None


def _resolvers(
    booleans: Callable[[str], object], numbers: Callable[[str], object]
) -> dict[str, list[tuple[str, Any]]]:
    """What determines the tag of a plain scalar, by its first character."""
    nulls = _Reads(lambda text: text in ("", "~", "null", "Null", "NULL") or None)
    found: dict[str, list[tuple[str, Any]]] = {first: [(_NULL, nulls)] for first in ("~", "n", "N")}
    found[""] = [(_NULL, nulls)]
    for first in "yYnNtTfFoO":
        found.setdefault(first, []).append((_BOOL, _Reads(booleans)))
    for first in _NUMBER_STARTS:
        found.setdefault(first, []).append((_FLOAT, _Reads(numbers)))
        if numbers is kubernetes_number:
            found[first].append((_FLOAT, INFINITE))
    found["<"] = [(_MERGE, re.compile(r"<<\Z"))]
    return found


def _built(loader: Any, node: yaml.ScalarNode) -> Any:
    """A scalar with an explicit tag becomes what the tag says, as far as possible."""
    text = str(loader.construct_scalar(node))
    found = loader.booleans(text) if node.tag == _BOOL else loader.numbers(text)
    if found is None or (node.tag == _INT and not isinstance(found, int)):
        kind = node.tag.rpartition(":")[2]
        raise YamlError(
            f"{_where(node.start_mark)}{text[:60] or 'an empty text'} is not a valid {kind}"
        )
    return found


for _class, _booleans, _numbers in (
    (_Loader, kubernetes_boolean, kubernetes_number),
    (_CoreLoader, CORE_BOOLEANS.get, core_number),
    (_LocatedLoader, CORE_BOOLEANS.get, core_number),
):
    _class.booleans = staticmethod(_booleans)
    _class.numbers = staticmethod(_numbers)
    _class.yaml_implicit_resolvers = _resolvers(_booleans, _numbers)
    for _tag in (_BOOL, _INT, _FLOAT):
        _class.add_constructor(_tag, _built)
_LocatedLoader.add_constructor("tag:yaml.org,2002:map", _located)


def load_documents(text: str) -> list[Document]:
    """The documents of a file, empty ones left out. Raises YamlError."""
    if text.lstrip()[:1] == "{":
        try:
            return list(_json_documents(text))
        except json.JSONDecodeError:
            pass  # YAML may begin with a brace too
    _check_events(text, _Loader)
    if (found := _BEHIND_SEPARATOR.search(text)) is not None:
        line = text.count("\n", 0, found.start()) + 1
        raise YamlError(
            f"line {line}: kubectl accepts nothing after ---: write it on the next line"
        )
    return list(_documents(text, _Loader))


def load_foreign(text: str) -> Any:
    """The first document of a file that is not a manifest, by the core schema of YAML 1.2.

    Keys are strings, and may occur twice; numbers are WrittenInt and WrittenFloat; depth and
    aliases are limited. Raises YamlError.
    """
    _check_events(text, _CoreLoader)
    return next((one.value for one in _documents(text, _CoreLoader)), None)


def load_located(text: str) -> list[Any]:
    """All documents of such a file, without empty ones: their objects are LocatedObject. Raises
    YamlError.
    """
    _check_events(text, _LocatedLoader)
    return [one.value for one in _documents(text, _LocatedLoader)]


def _json_documents(text: str) -> Iterator[Document]:
    """JSON objects, one after the other. Raises JSONDecodeError for anything else."""

    def pairs(found: list[tuple[str, Any]]) -> dict[str, Any]:
        made = dict(found)
        if len(made) < len(found):
            keys = [key for key, _ in found]
            twice = next(key for key in keys if keys.count(key) > 1)
            raise YamlError(f"the key {twice} appears twice: remove one")
        return made

    def constant(name: str) -> NoReturn:
        raise YamlError(f"{name} is not a JSON number")

    def fraction(digits: str) -> int | float:
        if not math.isfinite(number := float(digits)):
            raise YamlError(f"{digits[:60]} is too large for a number")
        return kubernetes_float(number)

    def whole(digits: str) -> int | float:
        return kubernetes_int(int(digits)) if len(digits) < 20 else fraction(digits)

    decoder = json.JSONDecoder(
        object_pairs_hook=pairs, parse_constant=constant, parse_float=fraction, parse_int=whole
    )
    at, number = _after_space(text, 0), 0
    while at < len(text):
        number += 1
        try:
            value, end = decoder.raw_decode(text, at)
        except RecursionError:
            raise YamlError(f"nested more than {MAX_DEPTH} levels deep") from None
        except YamlError as error:
            raise _with_line(error, text, number) from None
        _check_json(value, 0)
        yield Document(number, value, ())
        at = _after_space(text, end)


def _with_line(error: YamlError, text: str, number: int) -> YamlError:
    """The same error with its line, if the YAML reader finds it too."""
    try:
        _check_events(text, _Loader)
        list(_documents(text, _Loader))
    except YamlError as other:
        if str(other).endswith(str(error)):
            return other
    return YamlError(f"document {number}: {error}")


def _after_space(text: str, at: int) -> int:
    match = _JSON_SPACE.match(text, at)
    return match.end() if match else at


def _check_json(value: object, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise YamlError(f"nested more than {MAX_DEPTH} levels deep")
    if isinstance(value, str) and not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            raise YamlError(f"{value[:20]!r} contains half of a surrogate pair") from None
    elif isinstance(value, dict):
        for key, one in value.items():
            _check_json(key, depth)
            _check_json(one, depth + 1)
    elif isinstance(value, list):
        for one in value:
            _check_json(one, depth + 1)


def _check_events(text: str, kind: Any) -> None:
    """Refuse nesting that is too deep, because libyaml's composer recurses until it crashes, and
    other versions of YAML, which kubectl does not accept.
    """
    depth = 0
    try:
        for event in yaml.parse(text, Loader=kind):
            if isinstance(event, yaml.CollectionStartEvent):
                depth += 1
                if depth > MAX_DEPTH:
                    raise YamlError(
                        f"{_where(event.start_mark)}nested more than {MAX_DEPTH} levels deep"
                    )
            elif isinstance(event, yaml.CollectionEndEvent):
                depth -= 1
            elif kind is _Loader and getattr(event, "version", None) not in (None, (1, 1)):
                where = _where(event.start_mark)
                raise YamlError(f"{where}kubectl reads only YAML 1.1: remove the %YAML line")
    except yaml.YAMLError:
        return  # the message is better when the document is read


def _documents(text: str, kind: Any) -> Iterator[Document]:
    loader = kind(text)  # only safe tags, see _Base
    number = 0
    try:
        while loader.check_node():
            number += 1
            node = loader.get_node()
            warnings = (_Check() if kind is _Loader else _Foreign()).document(node)
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
    """A position; libyaml's mark and the pure one have no common class."""

    line: int


class _Check:
    """One walk over the nodes of a document, before objects are created from them."""

    most = MAX_NODES

    def __init__(self) -> None:
        self._sizes: dict[int, int] = {}
        self._open: set[int] = set()
        self._warnings: list[str] = []

    def document(self, node: yaml.Node) -> tuple[str, ...]:
        """Warnings about the document. Raises YamlError."""
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
        self._tag(node)
        if isinstance(node, yaml.MappingNode):
            self._keys(node)
            for key, value in node.value:
                size += self._size(value) + (1 if key.tag == _MERGE else self._size(key))
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
                raise YamlError(f"{where}the key {shown} is not read as a string: quote it")
            if key.value in seen:
                raise YamlError(f"{where}the key {key.value} appears twice: remove one")
            seen.add(key.value)

    def _tag(self, node: yaml.Node) -> None:
        """Refuse what JSON cannot represent: dates, sets, bytes, objects of a language."""
        if node.tag not in _PLAIN_TAGS:
            tag = str(node.tag).replace("tag:yaml.org,2002:", "!!")
            raise YamlError(
                f"{_where(node.start_mark)}the tag {tag[:60]} is not supported: remove it"
            )

    def _scalar(self, node: yaml.ScalarNode) -> None:
        if node.tag == _MERGE:  # not a key
            node.tag = _STR
        if node.style:  # quoted, or a block; plain is None or empty
            return
        text = node.value
        if node.tag == _BOOL and text.lower() not in ("true", "false"):
            meaning = "true" if kubernetes_boolean(text) else "false"
        elif node.tag == _FLOAT and INFINITE.match(text):
            raise YamlError(f"{_where(node.start_mark)}{text} is not a JSON number")
        elif node.tag in (_INT, _FLOAT) and _reads_otherwise(text):
            meaning = f"{kubernetes_number(text)}"
        else:
            return
        self._warnings.append(
            f"{_where(node.start_mark)}{text[:60]} is read as {meaning} (YAML 1.1): write "
            f"{meaning}, or quote it if you mean the string"
        )


def _reads_otherwise(text: str) -> bool:
    """Whether a number is probably not what was meant: an octal one, or one that loses digits."""
    number = kubernetes_number(text)
    if number is None:
        return False
    lossy = text.lstrip("+-").isdecimal() and isinstance(number, float)
    return lossy or _LEADING_ZERO.match(text) is not None


class _Foreign(_Check):
    """Checks the size, and turns keys and scalars with an explicit tag into strings."""

    most = 3_000_000

    @override
    def _keys(self, node: yaml.MappingNode) -> None:
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.tag != _MERGE:
                key.tag = _STR

    @override
    def _tag(self, node: yaml.Node) -> None:
        if node.tag not in _PLAIN_TAGS:
            is_list = isinstance(node, yaml.SequenceNode)
            kind = "map" if isinstance(node, yaml.MappingNode) else "seq" if is_list else "str"
            node.tag = f"tag:yaml.org,2002:{kind}"

    @override
    def _scalar(self, node: yaml.ScalarNode) -> None:
        if node.tag == _MERGE:
            node.tag = _STR


def _where(mark: _Mark | None) -> str:
    return f"line {mark.line + 1}: " if mark is not None else ""
