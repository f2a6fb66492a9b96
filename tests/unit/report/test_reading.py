"""Runs from files and objects that others may have written."""

import base64
import copy
import gzip
import hashlib
import json
from typing import Any

import pytest

from perfrun.api.run.perfrun import ResultRef, Verdict
from perfrun.measure.result import RunResult
from perfrun.report.document import run_object
from perfrun.report.reading import MAX_BYTES, MAX_RUNS, join_result, read_document, read_run
from tests import hostile
from tests.unit.coordinator.conftest import UID, make_plan, make_report
from tests.unit.report.sample import a_run, warned


def a_result(**more: Any) -> RunResult:
    return RunResult(
        plan=make_plan(),
        start_time="2026-11-22T02:00:03Z",
        report=make_report(),
        status=warned()["status"],
        **more,
    )


def text(document: object) -> bytes:
    return json.dumps(document).encode()


def test_a_result_is_a_run_with_all_that_was_measured():
    (one,) = read_document(a_result().to_bytes())
    assert (one.run.metadata.name, one.run.metadata.namespace) == ("api-1", "shop")
    assert one.run.spec.test_ref.name == "api"
    assert one.run.status.verdict is Verdict.WARN
    assert one.result == a_result()


def test_a_result_that_a_cluster_kept_knows_when_it_began():
    status = {name: warned()["status"][name] for name in ("verdict", "message", "summary")}
    (one,) = read_document(a_result().model_copy(update={"status": status}).pack())
    assert one.run.status.start_time == "2026-11-22T02:00:03Z"
    assert one.run.status.phase == "Done"


@pytest.mark.parametrize("kind", ["List", "PerfRunList"])
def test_a_list_of_perfruns_is_read_as_its_items(kind: str):
    document = {"kind": kind, "items": [run_object(a_run()), warned()]}
    assert [one.result for one in read_document(text(document))] == [None, None]


def test_an_array_of_results_is_read_in_its_order():
    first = json.loads(a_result().to_bytes())
    second = copy.deepcopy(first)
    second["plan"]["run"] = "api-2"
    runs = read_document(text([first, second]))
    assert [one.run.metadata.name for one in runs] == ["api-1", "api-2"]


def changed(**plan: Any) -> bytes:
    document = json.loads(a_result().to_bytes())
    document["plan"] |= plan
    return text(document)


def with_status(**status: Any) -> bytes:
    document = warned()
    document["status"] |= status
    return text(document)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "not JSON: a value is expected here"),
        (b"apiVersion: v1\n", "use a file of perfrun run --result or --json, or of kubectl get -o"),
        (b'"\xff"', "JSON that is not UTF-8"),
        (b"[" * 100_000, "too many levels"),
        (b"1" * 10_000, "more than 40 digits"),
        (b'{"plan": NaN}', "JSON with NaN, which is not a JSON number"),
        (b"[]", "it has no run"),
        (b"[1]", "neither a result"),
        (b'{"kind": "List"}', "it is a List without items"),
        (b'{"kind": "Pod"}', "a Pod, but a PerfRun is expected"),
        (b'{"kind": "PerfRun"}', "not a PerfRun: metadata: this field is required (and 1 more)"),
        (b'{"plan": {}}', "not a result of this version of perfrun: "),
        (b'{"plan": 3}', "not a result of this version of perfrun: "),
        (text([{}] * (MAX_RUNS + 1)), "501 runs in one file; at most 500 are allowed"),
        (b"\x1f\x8b\x08\x00garbage", "gzip"),
        pytest.param(gzip.compress(b"x" * 40_000_000, mtime=0), "more than", id="inflated"),
        (changed(run="../../etc/passwd"), "metadata.name: ../../etc/passwd is not a valid name"),
        (changed(namespace="x" * 300), "is not a valid namespace of an object"),
        (changed(test="Not A Name"), "spec.testRef.name"),
        (
            with_status(startTime="soon"),
            "status.startTime: 'soon' is not valid: write a time in UTC, as in 2026",
        ),
        (with_status(completionTime="0001-01-01T00:00:00+23:59"), "write a time in UTC"),
        (with_status(completionTime="2026-13-01T00:00:00Z"), "status.completionTime: month must"),
        (
            with_status(capacity={"holds": [{"rate": "2/s", "startTime": "x"}]}),
            "holds[0].startTime",
        ),
        (with_status(verdict="Great"), "status.verdict"),
        (with_status(message="x" * 5000), "status.message: is too long"),
        (with_status(steps=[{"name": "x"}] * 200), "status.steps: is too long"),
    ],
)
def test_what_is_no_run_is_one_sentence(data: bytes, reason: str):
    with pytest.raises(ValueError) as found:
        read_document(data)
    assert reason in str(found.value)
    assert len(str(found.value)) < 700


def test_too_large_a_file_is_not_even_parsed():
    with pytest.raises(ValueError, match="more than 64 MiB"):
        read_document(b" " * (MAX_BYTES + 1))


def test_the_one_that_is_wrong_of_several_is_named():
    with pytest.raises(ValueError, match="number 2 of 2: neither a result"):
        read_document(text([json.loads(a_result().to_bytes()), {}]))


def test_a_result_cannot_make_more_histograms_than_its_plan_has_steps():
    document = json.loads(a_result().to_bytes())
    record = {"scenario": "x", "step": "y", "timings": {}, "errors": {}}
    document["report"]["window"]["steps"] = [record] * 10_000
    with pytest.raises(ValueError, match="steps that are not in its plan or occur twice"):
        read_document(text(document))


@pytest.mark.parametrize("value", [None, [], {}, "many", -1e400])
def test_a_histogram_of_something_else_than_numbers_is_none(value: Any):
    document = json.loads(a_result().to_bytes())
    document["report"]["generator"]["lag"]["least"] = value
    with pytest.raises(ValueError, match=r"generator\.lag|is not a JSON number"):
        read_document(text(document))


@pytest.mark.parametrize("path", ["report", "plan", "status", "slos"])
@pytest.mark.parametrize("value", [3, "x", [], {"x": 1}, True, [[]], {"": {"": []}}])
def test_any_part_that_is_something_else_is_a_value_error_or_passed_over(path: str, value: Any):
    document = json.loads(a_result().to_bytes())
    document[path] = value
    try:
        read_document(text(document))
    except ValueError as error:
        assert str(error)


def pieces(packed: bytes, size: int = 100) -> tuple[ResultRef, dict[str, dict[str, Any]]]:
    parts = [packed[start : start + size] for start in range(0, len(packed), size)]
    maps = {
        f"pr-x-result-{number}": {"binaryData": {"result.json.gz": base64.b64encode(part).decode()}}
        for number, part in enumerate(parts)
    }
    digest = hashlib.sha256(packed).hexdigest()
    return ResultRef(config_maps=list(maps), sha256=digest, bytes=len(packed)), maps


def test_a_result_is_put_together_from_its_pieces_in_their_order():
    ref, maps = pieces(a_result().pack(), 400)
    assert len(maps) > 2
    assert join_result(ref, dict(reversed(maps.items()))) == a_result()


def test_pieces_that_are_gone_or_changed_are_no_result():
    ref, maps = pieces(a_result().pack(), 400)
    first = ref.config_maps[0]
    for body, reason in (
        (None, f"the ConfigMap {first} was deleted"),
        ({}, f"the ConfigMap {first} does not contain a part"),
        (
            {"binaryData": {"result.json.gz": "%%%"}},
            f"the ConfigMap {first} does not contain a part",
        ),
        ({"binaryData": {"result.json.gz": 7}}, f"the ConfigMap {first} does not contain a part"),
        ({"binaryData": {"result.json.gz": ""}}, "its hash does not match"),
    ):
        other = {**maps, first: body} if body is not None else maps.keys() - {first}
        held = other if isinstance(other, dict) else {name: maps[name] for name in other}
        with pytest.raises(ValueError) as found:
            join_result(ref, held)
        assert reason in str(found.value)


def test_a_result_of_another_run_is_not_taken():
    body = warned()
    body["metadata"]["uid"] = "another"
    with pytest.raises(
        ValueError, match="the result belongs to a different run than api-under-load-rab3de4fgh5"
    ):
        read_run(body, a_result())
    body["metadata"]["uid"] = UID
    assert read_run(body, a_result()).result == a_result()


def test_a_file_of_a_stranger_is_bounded_before_it_is_decoded():
    document = json.loads(a_result().to_bytes())
    document["report"]["generator"]["lag"]["hdr"] = hostile.hdr(bytes(hostile.MiB), 60)
    with pytest.raises(ValueError, match="after decompression"):
        read_document(text(document))
    with pytest.raises(ValueError, match="JSON with more than 2000000 values"):
        read_document(b"[" + b"[]," * 3_000_000 + b"[]]")
    with pytest.raises(ValueError, match="32 MiB after decompression"):
        read_document(hostile.gzipped(bytes(hostile.MiB), 100))
