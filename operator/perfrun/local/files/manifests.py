"""From files to tests: read, parse strictly, and say what is wrong where."""

import json
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import ValidationError

from perfrun.api import API_VERSION, GROUP
from perfrun.api.names import DNS_LABEL, TEST_NAME_MAX
from perfrun.api.policy import PerfPolicy
from perfrun.api.run.overrides import Overrides
from perfrun.api.sentence import printable
from perfrun.api.spelling import meant
from perfrun.api.test.perftest import PerfTest
from perfrun.local.files.budget import OverBudgetError, cpu_budget
from perfrun.local.files.document import Document, Place, Remark, YamlError, where
from perfrun.local.files.selector import Selector
from perfrun.local.files.strictyaml import read_documents
from perfrun.local.values import KINDS as KINDS_OF_VALUES
from perfrun.local.values import Held, parse_held
from perfrun.logic.accept.budgets import too_deep, too_large
from perfrun.logic.accept.spec import check
from perfrun.logic.problems import Problem, field_parts, field_path, parse_problems

MAX_FILE = 1024 * 1024
"""Bytes. The API server does not accept larger objects either (its limit is 1.5 MiB)."""
_KIND = "PerfTest"
_POLICY = "PerfPolicy"
_OUR_KINDS = (_KIND, "PerfRun", _POLICY)
_ALIKE = 0.8
_MAX_WORD = 64
_LIKE_A_URL = re.compile(r"https?://|[A-Za-z0-9.-]+:[0-9]+(/|\Z)")
_PARSED = ("metadata", "spec")
_TOP = ("apiVersion", "kind", "metadata", "spec", "status")


class FileRemark(NamedTuple):
    """Something wrong or doubtful in a file, and where."""

    file: str
    place: Place | None
    """None: it is about the whole file."""
    name: str
    """Of the object, as in metadata.name; empty: it has none."""
    field: str
    """``spec.slos[0].max``; empty: the whole object, or its text."""
    message: str

    @property
    def text(self) -> str:
        """``spec.slos[0].max: message``."""
        return f"{self.field}: {self.message}" if self.field else self.message

    def line(self, kind: str) -> str:
        """``api.yaml:3:5: error: api: spec.slos[0].max: message``, as compilers write it; ``kind``
        is error or warning."""
        name = f"{self.name}: " if self.name else ""
        return f"{where(self.file, self.place)}: {kind}: {name}{self.text}"


@dataclass(frozen=True, slots=True)
class Manifest:
    """The result for one object: test, values, policy or problems; nothing for other kinds."""

    source: str
    """``FILE:LINE:COLUMN``, where it begins, or ``FILE`` for the whole file; ``-`` is stdin."""
    test: PerfTest | None = None
    held: Held | None = None
    """A Secret or ConfigMap."""
    policy: PerfPolicy | None = None
    problems: tuple[FileRemark, ...] = ()
    """With any of them there may still be a test."""
    warnings: tuple[FileRemark, ...] = ()
    in_cluster: tuple[FileRemark, ...] = ()
    """The warnings that apply only to runs in a cluster."""
    overrides: Overrides | None = None
    """What a command has changed in the test."""
    skipped: str = ""
    """If set: not for perfrun; the text says what it is."""

    @property
    def folder(self) -> Path:
        """Where its file is: the current folder for stdin."""
        return Path(re.sub(r"(:\d+){1,2}$", "", self.source)).parent

    def remark(self, message: str) -> FileRemark:
        """A remark about all of it."""
        name = self.test.metadata.name if self.test is not None else ""
        return FileRemark(self.source, None, name, "", message)


@dataclass(frozen=True, slots=True)
class _Object:
    """An object of a file, and its place there."""

    file: str
    document: Document
    path: tuple[str | int, ...]
    """In its document: of an item of a List ``items`` and its index."""
    value: Any
    warnings: tuple[Remark, ...] = ()
    """Of how the text was read."""

    @property
    def name(self) -> str:
        """Of ``metadata.name``, whatever that is; empty: there is none."""
        metadata = self.value.get("metadata") if isinstance(self.value, dict) else None
        name = metadata.get("name") if isinstance(metadata, dict) else None
        return printable(name, TEST_NAME_MAX) if isinstance(name, str) else ""

    def remark(self, problem: Problem) -> FileRemark:
        """With its place."""
        place = self.document.place((*self.path, *field_parts(problem.field)))
        return FileRemark(self.file, place, self.name, problem.field, problem.message)

    def manifest(
        self,
        problems: Iterable[Problem] = (),
        warnings: Iterable[Problem] = (),
        in_cluster: Iterable[Problem] = (),
        **found: Any,
    ) -> Manifest:
        """The result of looking at it."""
        read = (FileRemark(self.file, one.place, self.name, "", one.text) for one in self.warnings)
        return Manifest(
            where(self.file, self.document.place(self.path)),
            problems=_in_order(map(self.remark, problems)),
            warnings=_in_order([*read, *map(self.remark, warnings)]),
            in_cluster=tuple(map(self.remark, in_cluster)),
            **found,
        )


def _in_order(remarks: Iterable[FileRemark]) -> tuple[FileRemark, ...]:
    return tuple(sorted(remarks, key=lambda one: one.place or (0, 0)))


def read_manifests(files: Iterable[str]) -> list[Manifest]:
    """All documents of files, of ``*.yaml`` and ``*.yml`` in folders, and of ``-`` (stdin)."""
    return [manifest for file in files for manifest in _read(file)]


def selected(
    manifests: Sequence[Manifest], selector: Selector | None
) -> tuple[list[Manifest], str | None]:
    """Without the PerfTests whose labels do not match, and with a sentence if none is left.

    Errors are kept: a test that could not be read may be one that was meant.
    """
    if selector is None:
        return list(manifests), None
    kept = [
        one for one in manifests if one.test is None or selector.holds(one.test.metadata.labels)
    ]
    tests = sum(one.test is not None for one in manifests)
    if tests and not any(one.test or one.problems for one in kept):
        few = "the PerfTest does not have" if tests == 1 else f"none of {tests} PerfTests has"
        return kept, f"--selector {selector.text}: {few} these labels (metadata.labels)"
    return kept, None


def _read(file: str) -> Iterator[Manifest]:
    path = Path(file)
    if _LIKE_A_URL.match(file) and not path.exists():
        advice = f"to put load on it: perfrun quick {file}; download a manifest before you run it"
        yield _unreadable(file, f"is a URL, not a file; {advice}")
        return
    if file == "-":
        yield from parse_manifests("-", sys.stdin.buffer.read(MAX_FILE + 1))
    elif path.is_dir():
        found = sorted(entry for entry in path.iterdir() if entry.suffix in (".yaml", ".yml"))
        if not found:
            yield _unreadable(file, "the folder has no *.yaml files")
        for entry in found:
            yield from _read_file(entry)
    else:
        yield from _read_file(path)


def _unreadable(file: str, message: str, place: Place | None = None) -> Manifest:
    """What comes of a file, or of the rest of one, that no object can be read from."""
    remark = FileRemark(file, place, "", "", message)
    return Manifest(where(file, place), problems=(remark,))


def _read_file(path: Path) -> Iterator[Manifest]:
    try:
        with path.open("rb") as stream:
            data = stream.read(MAX_FILE + 1)
    except OSError as error:
        yield _unreadable(str(path), f"cannot be read: {error.strerror}")
        return
    yield from parse_manifests(str(path), data)


def parse_manifests(file: str, data: bytes) -> Iterator[Manifest]:
    """The objects of one file. Never raises: problems are in the result."""
    if len(data) > MAX_FILE:
        yield _unreadable(file, f"is larger than {MAX_FILE // 1024} KiB, too large for a manifest")
        return
    empty = True
    try:
        for document in read_documents(data.decode("utf-8-sig")):
            empty = False
            yield from _manifests(file, document)
    except UnicodeDecodeError:
        yield _unreadable(file, "is not UTF-8 text")
    except YamlError as error:
        yield _unreadable(file, error.remark.text, error.remark.place)
    else:
        if empty:
            yield _unreadable(file, "has no document")


def _manifests(file: str, document: Document) -> Iterator[Manifest]:
    """The object of a document, or those of a List, which is what kubectl prints."""
    value = document.value
    if document.problems:
        name = printable(document.name, TEST_NAME_MAX)
        wrong = (FileRemark(file, one.place, name, "", one.text) for one in document.problems)
        yield Manifest(where(file, document.place(())), problems=_in_order(wrong))
        return
    whole = _Object(file, document, (), value, document.warnings)
    if not (isinstance(value, dict) and _is_list(value)):
        yield _manifest(whole)
        return
    items = value.get("items")
    if not isinstance(items, list) or not items:
        yield whole.manifest([Problem("items", "a list of objects is required")])
        return
    warnings = document.warnings
    for index, item in enumerate(items):
        yield _manifest(_Object(file, document, ("items", index), item, warnings))
        warnings = ()


def _is_list(value: dict[str, Any]) -> bool:
    return value.get("kind") == "List" and value.get("apiVersion") == "v1"


def _manifest(it: _Object) -> Manifest:
    value = it.value
    if not isinstance(value, dict):
        return it.manifest([Problem("", "not an object: apiVersion, kind, metadata and spec")])
    if (problem := _identity_problem(value)) is not None:
        return it.manifest([problem])
    kind, api = value.get("kind"), value.get("apiVersion")
    if api == "v1" and kind in KINDS_OF_VALUES:
        held, wrong = parse_held(value)
        return it.manifest(wrong, held=held)
    if kind == _POLICY and _group(api) == GROUP:
        return _policy(it)
    if kind != _KIND or _group(api) != GROUP:
        skipped = f"{kind or 'no kind'} ({api or 'no apiVersion'})"
        return Manifest(it.manifest().source, skipped=skipped)
    return _test(it)


def _test(it: _Object) -> Manifest:
    value = it.value
    problems = [*_envelope_problems(value), *_name_problems(value)]
    if (unfit := _unfit(value.get("spec"))) is not None:
        return it.manifest([*problems, unfit])
    try:
        with cpu_budget():
            test = PerfTest.parse({name: value[name] for name in _PARSED if name in value})
            acceptance = check(test.spec)
    except ValidationError as error:
        return it.manifest([*problems, *parse_problems(error)])
    except OverBudgetError as error:
        return it.manifest([*problems, Problem("spec", str(error))])
    return it.manifest(
        [*problems, *acceptance.problems],
        acceptance.warnings,
        acceptance.in_cluster,
        test=test,
    )


def _unfit(spec: object) -> Problem | None:
    """Why a cluster would refuse to check a spec."""
    if (deep := too_deep(spec)) is not None:
        return deep
    return too_large(len(json.dumps(spec, ensure_ascii=False, default=str).encode()))


def _policy(it: _Object) -> Manifest:
    value = it.value
    from perfrun.logic.schedule.policy import policy_problems  # few files have one

    problems = list(_envelope_problems(value))
    try:
        policy = PerfPolicy.parse({name: value[name] for name in _PARSED if name in value})
    except ValidationError as error:
        return it.manifest([*problems, *parse_problems(error)])
    return it.manifest([*problems, *policy_problems(policy.spec)], policy=policy)


def _group(api: object) -> str:
    return str(api).partition("/")[0]


def _identity_problem(value: dict[str, Any]) -> Problem | None:
    """Problems of a document that is probably meant for perfrun, but has a wrong kind or
    apiVersion."""
    kind, api = value.get("kind"), value.get("apiVersion")
    group = _group(api)
    if group == GROUP:
        if not kind:
            return Problem("kind", f"missing; write {_KIND}")
        if kind in _OUR_KINDS:
            return None
        ours = meant(str(kind)[:_MAX_WORD], _OUR_KINDS, likeness=_ALIKE)
        hint = f'did you mean "{ours[0]}"?' if ours else f"there are: {', '.join(_OUR_KINDS)}"
        return Problem("kind", f"{group} has no kind {str(kind)[:60]}; {hint}")
    if not meant(str(kind)[:_MAX_WORD], (_KIND,), likeness=_ALIKE):
        return None
    if not api:
        return Problem("apiVersion", f"missing; write {API_VERSION}")
    if meant(group[:_MAX_WORD], (GROUP,), likeness=_ALIKE):
        what = f'{str(api)[:60]} is not served; did you mean "{API_VERSION}"?'
        return Problem("apiVersion", what)
    return None


def _envelope_problems(value: dict[str, Any]) -> Iterator[Problem]:
    """The API server's errors about everything except the spec."""
    if value["apiVersion"] != API_VERSION:
        what = f"{value['apiVersion']} is not served; write {API_VERSION}"
        yield Problem("apiVersion", what)
    for field in value:
        if field not in _TOP:
            what = f"unknown field; use one of: {', '.join(_TOP)}"
            yield Problem(field_path([str(field)]), what)


def _name_problems(value: dict[str, Any]) -> Iterator[Problem]:
    metadata = value.get("metadata")
    name = metadata.get("name") if isinstance(metadata, dict) else None
    if isinstance(name, str) and (len(name) > TEST_NAME_MAX or not re.match(DNS_LABEL, name)):
        wanted = f"at most {TEST_NAME_MAX} lowercase letters, digits and '-'"
        yield Problem("metadata.name", f"{name[:60]} is not a name: {wanted}")
