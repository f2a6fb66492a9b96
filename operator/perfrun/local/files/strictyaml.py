"""YAML and JSON as kubectl reads them, but strict: instead of guessing, it names what is ambiguous.

A key given twice, a key that is not a string (``on:`` is true in YAML 1.1), aliases that unfold
into too much: refused. A plain ``no`` or ``010`` that is read as something else: a warning.
Documents that are not manifests (OpenAPI) are read by the core schema of YAML 1.2 instead, and
their keys and numbers keep their notation.
"""

import json
import re
from collections.abc import Callable, Hashable, Iterable, Iterator
from functools import partial
from itertools import islice
from typing import Any, NamedTuple

import yaml
from typing_extensions import override

from perfrun.api.sentence import json_problem
from perfrun.local.files.document import Document, Path, Place, Remark, YamlError, place_of
from perfrun.local.files.scalars import (
    CORE_BOOLEANS,
    INFINITE,
    core_number,
    kubernetes_boolean,
    kubernetes_number,
)
from perfrun.local.files.strictjson import MAX_DEPTH, TOO_DEEP, json_documents

MAX_NODES = 100_000
"""Values of one document, with aliases unfolded."""

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
_BEHIND_SEPARATOR = re.compile(r"^---[ \t]+[^ \t\r\n#]", re.MULTILINE)


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
        self.lines: dict[str, int] = {}
        """Of YAML: the line of each key."""


class _LocatedLoader(_CoreLoader):
    """The same, with objects that know their lines."""


def _located(loader: Any, node: yaml.MappingNode) -> Iterator[LocatedObject]:
    made = LocatedObject(line=node.start_mark.line + 1)
    made.lines = {str(key.value): key.start_mark.line + 1 for key, _ in node.value}
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
        shown = text[:60] or "an empty string"
        raise YamlError(f"{shown} is not a valid {kind}", _place(node.start_mark))
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
    """The documents of a file, empty ones left out. Raises YamlError for the first problem."""
    found = list(read_documents(text))
    for document in found:
        for problem in document.problems:
            raise YamlError(problem.text, problem.place)
    return found


def read_documents(text: str) -> Iterator[Document]:
    """The documents of a file, empty ones left out, and what is wrong with each.

    Raises YamlError where the rest of the file cannot be read.
    """
    no_json: YamlError | None = None
    if (begin := text.lstrip())[:1] == "{":
        try:
            found = list(json_documents(text))
        except json.JSONDecodeError as error:  # YAML may begin with a brace too
            if begin[1:].lstrip()[:1] == '"':
                no_json = YamlError(f"not JSON: {json_problem(error)}", place_of(text, error.pos))
        else:
            yield from found
            return
    try:
        yield from _manifests(text)
    except YamlError:
        if no_json is not None:
            raise no_json from None
        raise


def _manifests(text: str) -> Iterator[Document]:
    _check_events(text, _Loader)
    if (found := _BEHIND_SEPARATOR.search(text)) is not None:
        raise YamlError(
            "kubectl accepts nothing after ---: write it on the next line",
            place_of(text, found.end() - 1),
        )
    yield from _documents(text, _Loader)


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
                    raise YamlError(TOO_DEEP, _place(event.start_mark))
            elif isinstance(event, yaml.CollectionEndEvent):
                depth -= 1
            elif kind is _Loader and getattr(event, "version", None) not in (None, (1, 1)):
                what = "kubectl reads only YAML 1.1: remove the %YAML line"
                raise YamlError(what, _place(event.start_mark))
    except yaml.YAMLError:
        return  # the message is better when the document is read


def _documents(text: str, kind: Any) -> Iterator[Document]:
    loader = kind(text)  # only safe tags, see _Base
    number = 0
    begun = Place(1, 1)
    try:
        while loader.check_node():
            number += 1
            node = loader.get_node()
            begun = _place(node.start_mark)
            check = _Check() if kind is _Loader else _Foreign()
            check.document(node)
            where, warnings = partial(_member_place, node), tuple(check.warnings)
            if check.problems:
                problems, name = tuple(check.problems), _name(node)
                yield Document(number, None, where, warnings, problems, name)
            elif (value := loader.construct_document(node)) is not None:
                yield Document(number, value, where, warnings)
    except yaml.MarkedYAMLError as error:
        raise _syntax_error(text, error) from error
    except yaml.reader.ReaderError as error:
        if (odd := yaml.reader.Reader.NON_PRINTABLE.search(text)) is None:
            raise YamlError(f"not YAML: {str(error).splitlines()[0]}", begun) from error
        what = f"not YAML: the character U+{ord(odd[0]):04X} is not allowed"
        raise YamlError(what, place_of(text, odd.start())) from error
    except YamlError:
        raise
    except ValueError as error:
        raise YamlError(str(error), begun) from error
    finally:
        loader.dispose()


def _name(node: yaml.Node) -> str:
    for part in ("metadata", "name"):
        pairs = node.value if isinstance(node, yaml.MappingNode) else ()
        node = next((value for key, value in pairs if key.value == part), node)
    return node.value if isinstance(node, yaml.ScalarNode) else ""


def _syntax_error(text: str, error: yaml.MarkedYAMLError) -> YamlError:
    place = _place(error.problem_mark or error.context_mark)
    line = next(islice(text.splitlines(), place.line - 1, None), "")
    indent = line[: len(line) - len(line.lstrip())]
    if (tab := indent.find("\t")) >= 0:
        what = "a tab: YAML is indented with spaces only, replace the tab"
        return YamlError(what, place._replace(column=tab + 1))
    what = str(error.problem or error)
    if error.context and error.context_mark is not None:
        what += f", {error.context} that begins on line {error.context_mark.line + 1}"
    return YamlError(what, place)


def _member_place(root: yaml.Node, path: Path) -> Place:
    """See :attr:`Document.place`."""
    node, place = root, _place(root.start_mark)
    for part in path:
        if isinstance(node, yaml.MappingNode):
            # The last one counts: those of a merge key stand before its own.
            pairs = [(key, value) for key, value in node.value if key.value == part]
            if not pairs:
                break
            key, node = pairs[-1]
            place = _place(key.start_mark)
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int):
            if part >= len(node.value):
                break
            node = node.value[part]
            place = _place(node.start_mark)
        else:
            break
    return place


def _place(mark: Any) -> Place:
    """Of libyaml's mark, or the pure one; they have no common class. None: the beginning."""
    return Place(1, 1) if mark is None else Place(mark.line + 1, mark.column + 1)


class _Check:
    """One walk over the nodes of a document, before objects are created from them."""

    most = MAX_NODES

    def __init__(self) -> None:
        self._sizes: dict[int, int] = {}
        self._open: set[int] = set()
        self.warnings: list[Remark] = []
        self.problems: list[Remark] = []

    def document(self, node: yaml.Node) -> None:
        """Check all of it. Raises YamlError if it is too large to be checked."""
        self._size(node)

    def _size(self, node: yaml.Node) -> int:
        known = self._sizes.get(id(node))
        if known is not None:
            return known
        if id(node) in self._open:
            raise YamlError("an alias that contains itself", _place(node.start_mark))
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
            raise YamlError(f"more than {self.most} values", _place(node.start_mark))
        self._open.discard(id(node))
        self._sizes[id(node)] = size
        return size

    def _keys(self, node: yaml.MappingNode) -> None:
        seen: set[Hashable] = set()
        for key, _ in node.value:
            if key.tag == _MERGE:
                continue
            if key.tag != _STR:
                shown = key.value if isinstance(key, yaml.ScalarNode) else "this"
                self._wrong(key, f"the key {shown} is not read as a string: quote it")
            elif key.value in seen:
                self._wrong(key, f"the key {key.value} appears twice: remove one")
            else:
                seen.add(key.value)

    def _tag(self, node: yaml.Node) -> None:
        """Refuse what JSON cannot represent: dates, sets, bytes, objects of a language."""
        if node.tag not in _PLAIN_TAGS:
            tag = str(node.tag).replace("tag:yaml.org,2002:", "!!")
            self._wrong(node, f"the tag {tag[:60]} is not supported: remove it")

    def _scalar(self, node: yaml.ScalarNode) -> None:
        if node.tag == _MERGE:  # not a key
            node.tag = _STR
        if node.style:  # quoted, or a block; plain is None or empty
            return
        text = node.value
        if node.tag == _BOOL and text.lower() not in ("true", "false"):
            meaning = "true" if kubernetes_boolean(text) else "false"
        elif node.tag == _FLOAT and INFINITE.match(text):
            self._wrong(node, f"{text} is not a JSON number")
            return
        elif node.tag in (_INT, _FLOAT) and _reads_otherwise(text):
            meaning = f"{kubernetes_number(text)}"
        else:
            return
        self.warnings.append(
            Remark(
                _place(node.start_mark),
                f"{text[:60]} is read as {meaning} (YAML 1.1): write {meaning}, or quote it if "
                "you mean the string",
            )
        )

    def _wrong(self, node: yaml.Node, what: str) -> None:
        self.problems.append(Remark(_place(node.start_mark), what))


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
