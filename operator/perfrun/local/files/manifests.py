"""From files to tests: read, parse strictly, and say what is wrong where."""

import difflib
import json
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from perfrun.api import API_VERSION, GROUP
from perfrun.api.names import DNS_LABEL, TEST_NAME_MAX
from perfrun.api.policy import PerfPolicy
from perfrun.api.run.overrides import Overrides
from perfrun.api.test.perftest import PerfTest
from perfrun.local.files.budget import OverBudgetError, cpu_budget
from perfrun.local.files.selector import Selector
from perfrun.local.files.strictyaml import Document, YamlError, load_documents
from perfrun.local.values import KINDS as KINDS_OF_VALUES
from perfrun.local.values import Held, parse_held
from perfrun.logic.accept.examine import too_deep, too_large
from perfrun.logic.accept.spec import check
from perfrun.logic.problems import Problem, parse_problems
from perfrun.logic.schedule.policy import policy_problems

MAX_FILE = 1024 * 1024
"""Bytes. The API server does not accept larger objects either (its limit is 1.5 MiB)."""
_KIND = "PerfTest"
_POLICY = "PerfPolicy"
_OUR_KINDS = (_KIND, "PerfRun", _POLICY)
_ALIKE = 0.8
_LIKE_A_URL = re.compile(r"https?://|[A-Za-z0-9.-]+:[0-9]+(/|\Z)")
_PARSED = ("metadata", "spec")
_TOP = ("apiVersion", "kind", "metadata", "spec", "status")


@dataclass(frozen=True, slots=True)
class Manifest:
    """The result for one document: test, values, policy or problems; nothing for other kinds."""

    source: str
    """``FILE:DOCUMENT`` (of a List ``FILE:DOCUMENT.items[0]``), or ``FILE`` for the whole file."""
    test: PerfTest | None = None
    held: Held | None = None
    """A Secret or ConfigMap."""
    policy: PerfPolicy | None = None
    problems: tuple[str, ...] = ()
    """``spec.field: message``; with any of them there may still be a test."""
    warnings: tuple[str, ...] = ()
    in_cluster: tuple[str, ...] = ()
    """The warnings that apply only to runs in a cluster."""
    overrides: Overrides | None = None
    """What a command has changed in the test."""
    skipped: str = ""
    """If set: not for perfrun; the text says what it is."""


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
        advice = f"to put load on it: perfrun quick {file}; a manifest is to be downloaded first"
        yield Manifest(file, problems=(f"is a URL, not a file; {advice}",))
        return
    if file == "-":
        yield from parse_manifests("stdin", sys.stdin.buffer.read(MAX_FILE + 1))
    elif path.is_dir():
        found = sorted(entry for entry in path.iterdir() if entry.suffix in (".yaml", ".yml"))
        if not found:
            yield Manifest(file, problems=("the folder has no *.yaml files",))
        for entry in found:
            yield from _read_file(entry)
    else:
        yield from _read_file(path)


def _read_file(path: Path) -> Iterator[Manifest]:
    try:
        with path.open("rb") as stream:
            data = stream.read(MAX_FILE + 1)
    except OSError as error:
        yield Manifest(str(path), problems=(f"cannot be read: {error.strerror}",))
        return
    yield from parse_manifests(str(path), data)


def parse_manifests(name: str, data: bytes) -> Iterator[Manifest]:
    """The documents of one file. Never raises: problems are in the result."""
    if len(data) > MAX_FILE:
        yield Manifest(
            name, problems=(f"is larger than {MAX_FILE // 1024} KiB, too large for a manifest",)
        )
        return
    try:
        documents = load_documents(data.decode("utf-8-sig"))
    except UnicodeDecodeError:
        yield Manifest(name, problems=("is not UTF-8 text",))
        return
    except YamlError as error:
        yield Manifest(name, problems=(str(error),))
        return
    if not documents:
        yield Manifest(name, problems=("has no document",))
    for document in documents:
        yield from _manifests(f"{name}:{document.number}", document)


def _manifests(source: str, document: Document) -> Iterator[Manifest]:
    """The object of a document, or those of a List, which is what kubectl prints."""
    value = document.value
    if not (isinstance(value, dict) and _is_list(value)):
        yield _manifest(source, value, document.warnings)
        return
    items = value.get("items")
    if not isinstance(items, list) or not items:
        yield Manifest(source, problems=("items: a list of objects is required",))
        return
    warnings = document.warnings
    for index, item in enumerate(items):
        yield _manifest(f"{source}.items[{index}]", item, warnings)
        warnings = ()


def _is_list(value: dict[str, Any]) -> bool:
    return value.get("kind") == "List" and value.get("apiVersion") == "v1"


def _manifest(source: str, value: object, warnings: tuple[str, ...]) -> Manifest:
    if not isinstance(value, dict):
        return Manifest(source, problems=("not an object: apiVersion, kind, metadata and spec",))
    if (problem := _identity_problem(value)) is not None:
        return Manifest(source, problems=(problem,), warnings=warnings)
    kind, api = value.get("kind"), value.get("apiVersion")
    if api == "v1" and kind in KINDS_OF_VALUES:
        held, wrong = parse_held(value)
        return Manifest(source, held=held, problems=tuple(wrong), warnings=warnings)
    if kind == _POLICY and _group(api) == GROUP:
        return _policy(source, value, warnings)
    if kind != _KIND or _group(api) != GROUP:
        return Manifest(source, skipped=f"{kind or 'no kind'} ({api or 'no apiVersion'})")
    problems = [*_envelope_problems(value), *_name_problems(value)]
    if (unfit := _unfit(value.get("spec"))) is not None:
        return Manifest(source, problems=(*problems, _sentence(unfit)), warnings=warnings)
    try:
        with cpu_budget():
            test = PerfTest.parse({name: value[name] for name in _PARSED if name in value})
            acceptance = check(test.spec)
    except ValidationError as error:
        problems += [_sentence(problem) for problem in parse_problems(error)]
        return Manifest(source, problems=tuple(problems), warnings=warnings)
    except OverBudgetError as error:
        return Manifest(source, problems=(*problems, f"spec: {error}"), warnings=warnings)
    problems += [_sentence(problem) for problem in acceptance.problems]
    warnings += tuple(_sentence(warning) for warning in acceptance.warnings)
    return Manifest(
        source,
        test,
        problems=tuple(problems),
        warnings=warnings,
        in_cluster=tuple(_sentence(warning) for warning in acceptance.in_cluster),
    )


def _unfit(spec: object) -> Problem | None:
    """Why a cluster would refuse to check a spec."""
    if (deep := too_deep(spec)) is not None:
        return deep
    return too_large(len(json.dumps(spec, ensure_ascii=False, default=str).encode()))


def _policy(source: str, value: dict[str, Any], warnings: tuple[str, ...]) -> Manifest:
    problems = list(_envelope_problems(value))
    try:
        policy = PerfPolicy.parse({name: value[name] for name in _PARSED if name in value})
    except ValidationError as error:
        problems += [_sentence(problem) for problem in parse_problems(error)]
        return Manifest(source, problems=tuple(problems), warnings=warnings)
    problems += [_sentence(problem) for problem in policy_problems(policy.spec)]
    return Manifest(source, policy=policy, problems=tuple(problems), warnings=warnings)


def _group(api: object) -> str:
    return str(api).partition("/")[0]


def _identity_problem(value: dict[str, Any]) -> str | None:
    """Problems of a document that is probably meant for perfrun, but has a wrong kind or
    apiVersion."""
    kind, api = value.get("kind"), value.get("apiVersion")
    group = _group(api)
    if group == GROUP:
        if not kind:
            return f"kind: missing; write {_KIND}"
        if kind in _OUR_KINDS:
            return None
        meant = _alike(str(kind), _OUR_KINDS)
        hint = f'did you mean "{meant}"?' if meant else f"there are: {', '.join(_OUR_KINDS)}"
        return f"kind: {group} has no kind {str(kind)[:60]}; {hint}"
    if _alike(str(kind), (_KIND,)) is None:
        return None
    if not api:
        return f"apiVersion: missing; write {API_VERSION}"
    if _alike(group, (GROUP,)) is not None:
        return f'apiVersion: {str(api)[:60]} is not served; did you mean "{API_VERSION}"?'
    return None


def _alike(word: str, known: Iterable[str]) -> str | None:
    """The known word that another one is a misspelling of."""
    by_lower = {one.lower(): one for one in known}
    close = difflib.get_close_matches(word.lower(), by_lower, n=1, cutoff=_ALIKE)
    return by_lower[close[0]] if close else None


def _envelope_problems(value: dict[str, Any]) -> Iterator[str]:
    """The API server's errors about everything except the spec."""
    if value["apiVersion"] != API_VERSION:
        yield f"apiVersion: {value['apiVersion']} is not served; write {API_VERSION}"
    for field in value:
        if field not in _TOP:
            yield f"{field}: unknown field; use one of: {', '.join(_TOP)}"


def _name_problems(value: dict[str, Any]) -> Iterator[str]:
    metadata = value.get("metadata")
    name = metadata.get("name") if isinstance(metadata, dict) else None
    if isinstance(name, str) and (len(name) > TEST_NAME_MAX or not re.match(DNS_LABEL, name)):
        yield (
            f"metadata.name: {name[:60]} is not a name: at most {TEST_NAME_MAX} lowercase "
            f"letters, digits and '-'"
        )


def _sentence(problem: Any) -> str:
    return f"{problem.field}: {problem.message}" if problem.field else str(problem.message)
