"""Records and reports: conservation laws, merging, and the way over the wire."""

import gzip
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perfrun.measure.histogram import Histogram
from perfrun.measure.record import (
    ConservationError,
    GeneratorRecord,
    Outcome,
    PhaseRecord,
    ScenarioRecord,
    StepRecord,
    Timing,
)
from perfrun.measure.report import WorkerReport, merge
from perfrun.measure.series import Second, Series
from perfrun.measure.sketch import Sketch

MS = 1_000_000


def step(name: str, succeeded: int, timeouts: int, failed: int, censored: int) -> StepRecord:
    record = StepRecord(
        scenario="default",
        step=name,
        sent=succeeded + timeouts + failed + censored,
        succeeded=succeeded,
        failed=timeouts + failed,
        censored=censored,
        attempts=succeeded + failed,
        bytes_received=10 * succeeded,
        errors={key: n for key, n in (("Timeout", timeouts), ("Status5xx", failed)) if n},
    )
    for outcome, count in (
        (Outcome.SUCCESS, succeeded),
        (Outcome.TIMEOUT, timeouts),
        (Outcome.CENSORED, censored),
    ):
        record.histogram(Timing.LATENCY, outcome).fold([5 * MS] * count)
    return record


def series(steps: list[StepRecord]) -> Series:
    """All in the first second."""
    whole, latencies = Series(), Histogram()
    for record in steps:
        latencies.add(record.histogram(Timing.LATENCY, Outcome.SUCCESS))
        new = Second(
            planned=record.sent,
            started=record.sent,
            succeeded=record.succeeded,
            failed=record.failed,
            errors=record.errors,
            in_flight=record.censored,
            lag=MS * record.censored,
        )
        whole.put(0, new)
    whole.put(0, Second(latency=Sketch.of(latencies)))
    return whole


def report(steps: list[StepRecord], **generator: Any) -> WorkerReport:
    health = GeneratorRecord.empty()
    for name, value in generator.items():
        setattr(health, name, value)
    started = sum(record.sent for record in steps)
    finished = sum(record.succeeded for record in steps)
    return WorkerReport(
        warmup=PhaseRecord(),
        window=PhaseRecord(
            steps=steps,
            scenarios=[
                ScenarioRecord(
                    scenario="default",
                    planned=started + 1,
                    started=started,
                    dropped=1,
                    finished=finished,
                    failed=started - finished,
                )
            ],
        ),
        generator=health,
        series=series(steps),
        window_time=1000 * MS,
        load_time=1000 * MS,
    )


counts = st.integers(0, 5)
steps = st.builds(step, st.sampled_from(["list", "read"]), counts, counts, counts, counts)
reports = st.builds(
    lambda one, stall, at: report([one], longest_stall=stall, started_at=[float(at)]),
    steps,
    st.integers(0, 10),
    st.integers(0, 10),
)


def canonical(whole: WorkerReport) -> dict[str, Any]:
    """A report without the order of its lists, which says nothing."""
    document = whole.model_dump(mode="json")
    document["window"]["steps"].sort(key=lambda record: record["step"])
    document["generator"]["startedAt"].sort()
    return document


@settings(max_examples=25, deadline=None)
@given(reports, reports, reports)
def test_merging_is_associative_and_commutative(
    a: WorkerReport, b: WorkerReport, c: WorkerReport
) -> None:
    assert canonical(merge([merge([a, b]), c])) == canonical(merge([c, merge([b, a])]))


@settings(max_examples=25, deadline=None)
@given(st.lists(reports, min_size=1, max_size=4))
def test_a_merge_holds_what_its_parts_hold_and_leaves_them_alone(parts: list[WorkerReport]) -> None:
    before = [part.to_bytes() for part in parts]
    whole = merge(parts)
    assert whole.workers == len(parts)
    assert sum(record.sent for record in whole.window.steps) == sum(
        record.sent for part in parts for record in part.window.steps
    )
    assert [part.to_bytes() for part in parts] == before


@settings(max_examples=25, deadline=None)
@given(reports)
def test_a_report_comes_back_from_its_packed_bytes_unchanged(whole: WorkerReport) -> None:
    assert WorkerReport.unpack(whole.pack()).to_bytes() == whole.to_bytes()
    assert whole.pack() == whole.pack()


@pytest.mark.parametrize(
    "packed",
    [
        b"",
        b"not gzip",
        gzip.compress(b"{}", mtime=0),
        gzip.compress(b"\xff", mtime=0),
        gzip.compress(b"{}", mtime=0)[:-4],
    ],
)
def test_what_is_no_packed_report_is_refused(packed: bytes) -> None:
    with pytest.raises(ValueError):
        WorkerReport.unpack(packed)


def test_a_report_that_unpacks_to_too_much_is_refused() -> None:
    with pytest.raises(ValueError, match="more than 16 MiB"):
        WorkerReport.unpack(gzip.compress(b" " * (64 * 1024 * 1024 + 1)))


def test_a_field_that_is_not_known_is_refused() -> None:
    document = report([]).to_bytes().replace(b'"version":1', b'"version":1,"more":2')
    with pytest.raises(ValueError, match="Extra inputs"):
        WorkerReport.unpack(gzip.compress(document))


@pytest.mark.parametrize(
    ("change", "law"),
    [
        ({"sent": 9}, "sent = succeeded"),
        ({"errors": {}}, "failed = sum of errors"),
        ({"succeeded": 3, "failed": 1, "errors": {"Timeout": 1}}, "one latency sample per success"),
    ],
)
def test_counts_that_do_not_add_up_are_a_defect(change: dict[str, Any], law: str) -> None:
    record = step("list", 2, 1, 1, 0)
    with pytest.raises(ConservationError, match=law):
        record.model_copy(update=change).check()


def test_a_series_that_does_not_add_up_is_a_defect() -> None:
    whole = report([step("list", 2, 1, 1, 0)])
    whole.check()
    whole.series.failed = [1]
    with pytest.raises(ConservationError, match="point 0: failed = sum of errors: 1 is not 2"):
        merge([whole])


def test_a_report_from_before_its_series_had_latencies_is_read() -> None:
    whole = report([step("list", 2, 1, 1, 0)])
    document = json.loads(whole.to_bytes())
    for name in ("errors", "inFlight", "lag", "latency"):
        del document["series"][name]
    old = WorkerReport.unpack(gzip.compress(json.dumps(document).encode()))
    old.check()
    assert (old.series.succeeded, old.series.failed) == ([2], [2])
    assert (old.series.latency, old.series.errors) == ([], {})


@pytest.mark.parametrize(
    ("change", "law"),
    [
        ({"planned": 9}, "planned = started"),
        ({"censored": 1}, "started = finished"),
    ],
)
def test_iterations_that_do_not_add_up_are_a_defect(change: dict[str, int], law: str) -> None:
    record = ScenarioRecord(scenario="s", planned=3, started=2, dropped=1, finished=2)
    with pytest.raises(ConservationError, match=law):
        record.model_copy(update=change).check()


@pytest.mark.parametrize(
    ("change", "law"),
    [
        ({"late_sends": 1}, "1 late sends of 0 samples of lag"),
        ({"periods": 4, "throttled_periods": 5}, "5 throttled periods of 4 periods"),
        ({"throttled_periods": 1}, "1 throttled periods of 0 periods"),
        ({"first_send": 2, "last_send": 1}, "first send at 2 ns, last one at 1 ns"),
    ],
)
def test_a_generator_with_more_parts_than_its_whole_is_a_defect(
    change: dict[str, int], law: str
) -> None:
    with pytest.raises(ConservationError, match=law):
        merge([report([step("list", 1, 0, 0, 0)], **change)])


def test_the_first_send_of_several_workers_is_the_earliest_that_sent() -> None:
    idle, busy = GeneratorRecord.empty(), GeneratorRecord.empty()
    busy.lag.fold([1000])
    busy.first_send, busy.last_send = 7, 9
    idle.add(busy)
    assert (idle.first_send, idle.last_send) == (7, 9)


def test_the_start_skew_is_between_the_first_and_the_last_worker() -> None:
    health = GeneratorRecord.empty()
    assert health.start_skew == 0
    health.started_at = [100.0, 100.25, 99.75]
    assert health.start_skew == 500_000_000


def of_hold(number: int, succeeded: int) -> WorkerReport:
    one = report([step("get", succeeded, 0, 0, 0)], longest_stall=number)
    one.hold, one.window_time = number, 10 * MS
    return one


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_the_window_of_a_search_is_the_last_hold_s(order: tuple[int, ...]) -> None:
    parts = [of_hold(7, 100), of_hold(6, 30), of_hold(7, 200)]
    whole = merge([parts[index] for index in order])
    assert (whole.hold, whole.workers, whole.window_time) == (7, 3, 10 * MS)
    assert whole.window.steps[0].succeeded == 300
    assert whole.warmup.steps[0].succeeded == 30
    assert whole.generator.longest_stall == 7


def coded(codes: dict[str, int], examples: dict[str, str] | None = None) -> StepRecord:
    record = step("list", sum(codes.values()), 0, 0, 0)
    record.status_codes, record.examples = codes, examples or {}
    return record


def test_status_codes_of_workers_add_up_and_the_first_example_stays() -> None:
    whole = coded({"200": 5, "404": 1}, {"404": "GET /a: mine"})
    whole.add(coded({"404": 2, "429": 3}, {"404": "GET /b: theirs", "429": "GET /c: theirs"}))
    assert whole.status_codes == {"200": 5, "404": 3, "429": 3}
    assert whole.examples == {"404": "GET /a: mine", "429": "GET /c: theirs"}
    whole.check()


def test_status_codes_beyond_the_limit_become_one() -> None:
    whole = coded({str(code): 1 for code in range(400, 419)})
    theirs = {"500": 1, "501": 7, "502": 2, "Other": 4}
    whole.add(coded(theirs, {"500": "GET /a: theirs", "501": "GET /b: theirs"}))
    assert len(whole.status_codes) == 21
    assert (whole.status_codes["501"], whole.status_codes["Other"]) == (7, 6)
    assert {"400", "401"}.isdisjoint(whole.status_codes)
    assert whole.examples == {"500": "GET /a: theirs", "501": "GET /b: theirs"}
    whole.check()
    assert WorkerReport.unpack(report([whole]).pack()).window.steps[0] == whole


def test_of_the_status_codes_of_all_workers_the_rarest_become_one() -> None:
    whole = coded({str(code): 1 for code in range(400, 420)})
    whole.add(coded({"500": 9000}, {"500": "GET /a: theirs"}))
    assert (whole.status_codes["500"], whole.status_codes["Other"]) == (9000, 1)
    assert whole.examples == {"500": "GET /a: theirs"}


def test_more_answers_than_attempts_are_refused() -> None:
    record = coded({"200": 5})
    record.attempts = 4
    with pytest.raises(ConservationError, match="step default/list: 5 answers to 4 attempts"):
        record.check()


@pytest.mark.parametrize(
    "codes", [{"20": 1}, {"other": 1}, {"2000": 1}, {str(code): 1 for code in range(400, 422)}]
)
def test_status_codes_that_no_worker_counts_are_refused(codes: dict[str, int]) -> None:
    packed = report([coded(codes)]).pack()
    with pytest.raises(ValueError, match="statusCodes"):
        WorkerReport.unpack(packed)
