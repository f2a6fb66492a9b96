"""Rows of k6, as its JSON output writes them: what they count as, and what is unreadable."""

import json
from typing import Any

import pytest

from perfrun.engine.script.lines import MAX_LINE
from perfrun.engine.script.recorder import SampleRecorder
from perfrun.engine.script.tool import SETUP
from perfrun.engine.script.tools.k6_samples import K6Decoder
from perfrun.measure.script import ToolCheck

TAGS = {"expected_response": "true", "group": "", "name": "home", "scenario": "a", "status": "200"}
T = "2026-11-30T21:36:38.092183152Z"
T_NS = 1796074598092183000


def kind(name: str, of: str) -> bytes:
    data: dict[str, Any] = {
        "name": name,
        "type": of,
        "contains": "time",
        "thresholds": [],
        "submetrics": None,
    }
    return json.dumps(
        {"type": "Metric", "data": data, "metric": name}, separators=(",", ":")
    ).encode()


def row(metric: str, value: Any, /, **tags: str) -> bytes:
    data = {"time": T, "value": value, "tags": tags or TAGS}
    one = {"metric": metric, "type": "Point", "data": data}
    return json.dumps(one, separators=(",", ":")).encode()


def decoded(*lines: bytes, thresholds: tuple[str, ...] = (), chunk: int = 10**6) -> SampleRecorder:
    recorder = SampleRecorder("k6")
    decoder = K6Decoder(recorder)
    decoder.select(thresholds)
    data = b"\n".join([kind("http_req_duration", "trend"), *lines, b""])
    for start in range(0, len(data), chunk):
        decoder.feed(data[start : start + chunk])
    decoder.end()
    return recorder


def failed(code: int, status: str = "0", **more: str) -> bytes:
    tags = {**TAGS, "expected_response": "false", "error_code": str(code), "status": status, **more}
    return row("http_req_duration", 7.0, **tags)


@pytest.mark.parametrize("chunk", [1, 7, 100, 10**6])
def test_a_request_is_one_row_however_it_is_cut(chunk: int) -> None:
    found = decoded(
        row("http_reqs", 1),
        row("http_req_duration", 22.180319),
        row("http_req_blocked", 1.5),
        row("http_req_failed", 0),
        row("http_req_duration", 0.5),
        chunk=chunk,
    )
    [step] = found.window().steps
    assert (step.scenario, step.step, step.sent, step.attempts) == ("a", "home", 2, 2)
    latency = step.timings["latency/success"]
    assert (latency.total, latency.least, latency.greatest) == (22_680_319, 500_000, 22_180_319)
    assert step.status_codes == {"200": 2}
    assert found.last_end == T_NS
    script = found.record()
    assert script.unreadable == 0
    assert script.metrics["http_req_duration"].total == 22.680319
    assert script.metrics["http_reqs"].total == 2.0
    assert (
        script.metrics["http_req_failed"].samples,
        script.metrics["http_req_failed"].passed,
    ) == (
        2,
        0,
    )


@pytest.mark.parametrize(
    ("code", "status", "name"),
    [
        (1050, "0", "Timeout"),
        (1101, "0", "DNS"),
        (1111, "0", "Policy"),
        (1212, "0", "Connect"),
        (1211, "0", "Connect"),
        (1220, "0", "Reset"),
        (1310, "0", "TLS"),
        (1404, "404", "Status4xx"),
        (1503, "503", "Status5xx"),
        (1610, "0", "Protocol"),
        (0, "302", "Status3xx"),
        (1000, "0", "Other"),
    ],
)
def test_error_codes_are_classes(code: int, status: str, name: str) -> None:
    found = decoded(failed(code, status, error="it broke"))
    [step] = found.window().steps
    assert step.errors == {name: 1}
    assert step.messages == {name: "it broke"}
    assert step.attempts == (name not in ("DNS", "Connect", "TLS", "Policy"))
    step.check()
    assert found.record().metrics["http_req_failed"].passed == 1


def test_a_timeout_has_a_latency() -> None:
    [step] = decoded(failed(1050)).window().steps
    assert step.timings["latency/timeout"].total == 7_000_000


def test_without_a_callback_only_errors_fail() -> None:
    plain = {"name": "home", "scenario": "a", "status": "200"}
    found = decoded(
        row("http_req_duration", 1.0, **plain),
        row("http_req_duration", 1.0, **{**plain, "status": "500", "error_code": "1500"}),
    )
    whole = found.totals()
    assert (whole.succeeded, whole.errors) == (1, {"Status5xx": 1})
    assert "http_req_failed" not in found.record().metrics


def test_setup_and_teardown_are_no_load() -> None:
    setup = {**TAGS, "group": "::setup"}
    found = decoded(row("http_req_duration", 1.0, **setup), row("http_req_duration", 2.0))
    assert [step.sent for step in found.window().steps] == [1]
    [step] = found.phase(SETUP).steps
    assert (step.scenario, step.step, step.sent) == ("setup", "home", 1)
    assert found.totals().sent == 1


def test_checks_iterations_and_users() -> None:
    found = decoded(
        kind("checks", "rate"),
        row("checks", 1, check="is 200", scenario="a"),
        row("checks", 0, check="is 200", scenario="a"),
        kind("iterations", "counter"),
        row("iterations", 1, scenario="a"),
        kind("dropped_iterations", "counter"),
        row("dropped_iterations", 3, scenario="a"),
        kind("vus", "gauge"),
        row("vus", 4, scenario=""),
        row("vus", 2, scenario=""),
    )
    script = found.record()
    assert script.checks == {"is 200": ToolCheck(passed=1, failed=1)}
    assert (script.metrics["checks"].samples, script.metrics["checks"].passed) == (2, 1)
    assert (script.dropped_iterations, script.vus_max) == (3, 4)
    [scenario] = found.window().scenarios
    assert (scenario.planned, scenario.started, scenario.dropped) == (4, 1, 3)
    assert script.metrics["vus"].last == 2.0


def test_custom_metrics_have_the_kind_that_the_tool_says() -> None:
    found = decoded(
        kind("queue", "gauge"), row("queue", 5, x="y"), kind("waits", "trend"), row("waits", -1.5)
    )
    script = found.record()
    assert (script.metrics["queue"].kind, script.metrics["queue"].last) == ("Gauge", 5.0)
    waits = script.metrics["waits"]
    assert (waits.kind, waits.least, waits.samples) == ("Trend", -1.5, 1)
    script.check()


def test_a_threshold_with_a_selector_has_its_own_metric() -> None:
    found = decoded(
        row("http_req_duration", 1.0),
        row("http_req_duration", 9.0, **{**TAGS, "name": "pay"}),
        row("http_req_duration", 5.0, **{**TAGS, "name": "pay", "status": "201"}),
        thresholds=("http_req_duration", "http_req_duration{name:pay,status: 201}"),
    )
    metrics = found.record().metrics
    assert metrics["http_req_duration"].samples == 3
    assert metrics["http_req_duration{name:pay,status: 201}"].total == 5.0


def test_a_skipped_metric_is_read_where_a_threshold_is_about_it() -> None:
    lines = (kind("http_req_waiting", "trend"), row("http_req_waiting", 3.0))
    assert "http_req_waiting" not in decoded(*lines).record().metrics
    found = decoded(*lines, thresholds=("http_req_waiting{name:home}",)).record()
    assert found.metrics["http_req_waiting{name:home}"].total == 3.0


def test_requests_that_a_threshold_counts_are_not_counted_twice() -> None:
    lines = (kind("http_reqs", "counter"), row("http_reqs", 1), row("http_req_duration", 1.0))
    found = decoded(*lines, thresholds=("http_reqs",)).record()
    assert found.metrics["http_reqs"].total == 1.0


@pytest.mark.parametrize(
    "line",
    [
        b"rubbish",
        b'{"metric":"http_req_duration","type":"Point","data":{"time":"x","value":abc,"tags":{}}}',
        b'{"metric":"http_req_duration","type":"Point","data":{"time":"x","value":1,"tags":[]}}',
        b'{"metric":"http_req_duration","type":"Point","data":{"time":"x","value":1,"ta',
        b'{"metric":"never_told","type":"Point","data":{"time":"x","value":1,"tags":{}}}',
        b'{"type":"Metric","data":{"name":"x","type":"unheard of"}}',
        b'{"metric":"http_req_duration"}',
        b"\xff\xfe\x00",
        b'{"metric":"',
        b'{"metric":"http_req_duration","type":"Point","data":{"time":"x","value":1,"tags":'
        + b"[" * 60_000,
        b'{"type":"Metric","data":' + b"[" * 60_000,
    ],
    ids=lambda line: line[:90].decode(errors="replace"),
)
def test_rubbish_is_counted_and_nothing_else(line: bytes) -> None:
    found = decoded(line, row("http_req_duration", 1.0))
    assert found.record().unreadable == 1
    assert [step.sent for step in found.window().steps] == [1]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e300, -1e300])
def test_values_beyond_all_bounds_break_nothing(value: float) -> None:
    found = decoded(row("http_req_duration", value), kind("x", "trend"), row("x", value))
    found.record().check()
    for step in found.window().steps:
        step.check()


@pytest.mark.parametrize("tag", ["status", "error_code"])
def test_a_tag_with_more_digits_than_a_number_has_is_none(tag: str) -> None:
    tags = {**TAGS, "expected_response": "false", tag: "5" * 5000}
    found = decoded(row("http_req_duration", 1.0, **tags), row("http_req_duration", 1.0))
    [step] = found.window().steps
    assert (step.sent, step.failed) == (2, 1)
    step.check()


@pytest.mark.parametrize("metric", ["iterations", "dropped_iterations"])
def test_more_iterations_than_a_number_can_have_break_nothing(metric: str) -> None:
    found = decoded(
        kind(metric, "counter"), row(metric, 1e308), row(metric, 1e308), row("http_req_duration", 1)
    )
    for scenario in found.window().scenarios:
        scenario.check()
    assert found.totals().sent == 1


def test_a_row_without_an_end_is_dropped_at_its_bound() -> None:
    recorder = SampleRecorder("k6")
    decoder = K6Decoder(recorder)
    for _ in range(5):
        decoder.feed(b"x" * MAX_LINE)
    decoder.feed(b"x\n" + kind("http_req_duration", "trend") + b"\n" + row("http_req_duration", 1))
    assert recorder.record().unreadable == 1
    decoder.feed(b"\n")
    decoder.end()
    assert recorder.record().unreadable == 1
    assert [step.sent for step in recorder.window().steps] == [1]


def test_what_is_left_at_the_end_is_no_row() -> None:
    recorder = SampleRecorder("k6")
    decoder = K6Decoder(recorder)
    decoder.feed(row("http_req_duration", 1))
    decoder.end()
    assert recorder.record().unreadable == 1


def test_each_address_is_another_series_and_their_number_is_bounded() -> None:
    lines = [row("http_req_duration", 1.0, **{**TAGS, "name": f"/{n}"}) for n in range(5000)]
    found = decoded(*lines)
    window, script = found.window(), found.record()
    assert len(window.steps) == 201
    assert sum(step.sent for step in window.steps) == 5000
    assert script.renamed == 4800
    assert script.metrics["http_req_duration"].samples == 5000
