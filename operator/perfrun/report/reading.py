"""Reads finished runs from files of ``perfrun run`` and from objects of a cluster.

Somebody else may have written them: anything unexpected raises a ValueError that names it.
"""

import base64
import binascii
import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import ValidationError

from perfrun.api import Json
from perfrun.api.names import DNS_LABEL
from perfrun.api.run.perfrun import PerfRun, Phase, ResultRef
from perfrun.api.sentence import json_problem
from perfrun.logic.comparison.model import Reported
from perfrun.logic.problems import parse_problems
from perfrun.measure.result import MAX_RESULT_BYTES, MAX_RESULT_VALUES, RunResult
from perfrun.measure.wire import parse_json, unzip

MAX_BYTES = 64 * 1024 * 1024
MAX_RUNS = 500
"""The maximum number of runs in one file."""
_GZIP = b"\x1f\x8b"
_RESULT_KEY = "result.json.gz"
_LISTS = ("List", "PerfRunList")
_MAX_NAME_LENGTH = 253
_LABEL = re.compile(DNS_LABEL)


class SyntaxProblemError(ValueError):
    """A text that is no JSON, and where that is seen."""

    def __init__(self, error: json.JSONDecodeError) -> None:
        super().__init__(
            f"not JSON: {json_problem(error)}; use a file of perfrun run --result or --json, or of "
            "kubectl get -o json"
        )
        self.line, self.column = error.lineno, error.colno


def read_document(data: bytes) -> list[Reported]:
    """The runs of a file: a result or an array of results, a PerfRun or a List. At least one."""
    document = _parsed(data)
    found = list(_runs(document))
    if not found:
        raise ValueError("it has no run")
    return found


def read_run(body: Json, result: RunResult | None = None) -> Reported:
    """A run from a cluster, and its stored result."""
    if body.get("kind", "PerfRun") != "PerfRun":
        raise ValueError(f"a {_short(body['kind'])}, but a PerfRun is expected")
    try:
        run = PerfRun.parse(body)
    except ValidationError as error:
        raise ValueError(f"not a PerfRun: {_first(error)}") from error
    _check(run)
    if result is not None and result.plan.uid != run.metadata.uid:
        raise ValueError(f"the result belongs to a different run than {run.metadata.name}")
    return Reported(run, result)


def join_result(ref: ResultRef, pieces: Mapping[str, Json]) -> RunResult:
    """The full result that a status names, from its ConfigMaps by name."""
    whole = b""
    for name in ref.config_maps:
        if name not in pieces:
            raise ValueError(f"the ConfigMap {name} was deleted")
        try:
            whole += base64.b64decode(pieces[name]["binaryData"][_RESULT_KEY], validate=True)
        except (KeyError, TypeError, binascii.Error) as error:
            raise ValueError(f"the ConfigMap {name} does not contain a part of a result") from error
    if hashlib.sha256(whole).hexdigest() != ref.sha256:
        raise ValueError(
            "the result in the ConfigMaps is damaged: its hash does not match the recorded one"
        )
    return _result(_parsed(whole))


def _parsed(data: bytes) -> Any:
    if len(data) > MAX_BYTES:
        raise ValueError(f"more than {MAX_BYTES // 1024**2} MiB: not a result")
    if data.startswith(_GZIP):
        data = unzip(data, MAX_RESULT_BYTES)
    try:
        return parse_json(data, MAX_RESULT_VALUES)
    except json.JSONDecodeError as error:
        raise SyntaxProblemError(error) from error


def _runs(document: Any) -> Iterator[Reported]:
    items: Any = document if isinstance(document, list) else [document]
    if isinstance(document, dict) and document.get("kind") in _LISTS:
        items = document.get("items")
        if not isinstance(items, list):
            raise ValueError("it is a List without items")
    if len(items) > MAX_RUNS:
        raise ValueError(f"{len(items)} runs in one file; at most {MAX_RUNS} are allowed")
    for number, item in enumerate(items):
        try:
            yield _run(item)
        except ValueError as error:
            where = f"number {number + 1} of {len(items)}: " if len(items) > 1 else ""
            raise ValueError(f"{where}{error}") from error


def _run(item: Any) -> Reported:
    if isinstance(item, dict) and "kind" in item:
        return read_run(item)
    if isinstance(item, dict) and "plan" in item:
        return _of_result(_result(item))
    raise ValueError(
        "neither a result (perfrun run --result) nor a PerfRun (perfrun run --json, or kubectl "
        "get prun -o json)"
    )


def _result(item: Any) -> RunResult:
    try:
        return RunResult.read(item)
    except ValidationError as error:
        raise ValueError(f"not a result of this version of perfrun: {_first(error)}") from error


def _of_result(result: RunResult) -> Reported:
    """A result with the PerfRun that follows from its plan and its status."""
    plan, status = result.plan, dict(result.status)
    status.setdefault("phase", Phase.DONE.value)
    if result.start_time:
        status.setdefault("startTime", result.start_time)
    body = {
        "metadata": {"name": plan.run, "namespace": plan.namespace, "uid": plan.uid},
        "spec": {"testRef": {"name": plan.test}},
        "status": status,
    }
    return read_run(body, result)


def _check(run: PerfRun) -> None:
    """Checks that the models do not make: names become file names."""
    name, namespace = run.metadata.name, run.metadata.namespace
    for what, text in (("name", name), ("namespace", namespace)):
        if len(text) > _MAX_NAME_LENGTH or not _LABEL.fullmatch(text.replace(".", "-")):
            raise ValueError(f"metadata.{what}: {_short(text)} is not a valid {what} of an object")


def _first(error: ValidationError) -> str:
    first, *others = parse_problems(error)
    more = f" (and {len(others)} more)" if others else ""
    return f"{_short(first.field)}: {_short(first.message)}{more}"


def _short(text: object) -> str:
    shown = str(text)
    return shown if len(shown) <= 200 else shown[:199] + "…"
