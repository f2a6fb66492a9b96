"""Single figures: what is known of them, and what is not."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perfrun.logic.plan.run_plan import make_plan
from perfrun.logic.verdict.objectives import samples_needed
from perfrun.logic.verdict.readings import Distribution, NoReading, Reading, read, scope
from perfrun.measure.histogram import Histogram
from perfrun.measure.record import Outcome, Timing
from tests.unit.logic.build import MS, S, iterations, report, spec, step

LIST = {"name": "list", "class": "Read"}
SHOP = spec(
    scenarios=[
        {"name": "browse", "steps": [LIST, {"name": "show", "class": "Read"}]},
        {"name": "buy", "steps": [{"name": "order", "class": "Write"}]},
    ]
)
PLAN = make_plan(SHOP, uid="u", namespace="n", test="t", run="r")


def of(values: Sequence[int]) -> Histogram:
    histogram = Histogram()
    histogram.fold(list(values))
    return histogram


@pytest.mark.parametrize(
    ("exact", "bounds", "statistic", "text"),
    [
        # All known.
        ([10 * MS] * 200, [], "p95", "10ms"),
        ([10 * MS] * 200, [], "avg", "10ms"),
        # 5% timed out: the p95 lies just below them, the p99 among them.
        ([10 * MS] * 950, [5 * S] * 50, "p95", "10ms"),
        ([10 * MS] * 949, [5 * S] * 51, "p95", "≥5s"),
        ([10 * MS] * 950, [5 * S] * 50, "p99", "≥5s"),
        # A bound below a known value casts doubt on all above it.
        ([10 * MS] * 101 + [80 * MS] * 99, [50 * MS], "p50", "10ms"),
        ([10 * MS] * 100 + [80 * MS] * 100, [50 * MS], "p75", "≥80ms"),
        # The average is a bound as soon as one sample is one.
        ([10 * MS], [30 * MS], "avg", "≥20ms"),
        ([10 * MS], [30 * MS], "min", "10ms"),
        ([10 * MS], [30 * MS], "max", "≥30ms"),
        ([40 * MS], [30 * MS], "max", "≥40ms"),
        ([40 * MS], [30 * MS], "min", "≥30ms"),
        ([], [30 * MS], "min", "≥30ms"),
    ],
)
def test_a_bound_is_never_told_as_a_value(
    exact: list[int], bounds: list[int], statistic: str, text: str
) -> None:
    measured = Distribution([of(exact)], [of(bounds)]).statistic(statistic)
    assert isinstance(measured, Reading)
    assert measured.text(f"latency.{statistic}", []) == text


def test_a_percentile_in_the_first_bounds_bucket_is_not_more_than_the_bound() -> None:
    # The bucket of 5.000 s reaches to 5.0033 s: its middle would claim more than was seen.
    measured = Distribution([], [of([5 * S] * 1000)]).statistic("p50")
    assert measured == Reading(5 * S, float("inf"), 1000)


@pytest.mark.parametrize(
    ("statistic", "enough"),
    [("p50", 20), ("p75", 40), ("p90", 100), ("p95", 200), ("p99", 1000), ("p999", 10_000)],
)
def test_a_percentile_needs_ten_samples_beyond_it(statistic: str, enough: int) -> None:
    assert samples_needed(f"latency.{statistic}") == enough
    assert isinstance(Distribution([of([MS] * enough)]).statistic(statistic), Reading)
    few = Distribution([of([MS] * (enough - 1))]).statistic(statistic)
    assert few == NoReading(
        f"needs {enough} samples, but there were {enough - 1}", enough - 1, True
    )


@pytest.mark.parametrize("statistic", ["avg", "min", "max"])
def test_the_other_statistics_need_one_sample(statistic: str) -> None:
    assert samples_needed(f"latency.{statistic}") == 1
    assert isinstance(Distribution([of([MS])]).statistic(statistic), Reading)
    assert Distribution([]).statistic(statistic) == NoReading("has no samples")


@given(
    st.lists(st.integers(MS, 10 * S), max_size=300),
    st.lists(st.integers(MS, 10 * S), max_size=300),
    st.lists(st.integers(0, 10 * S), min_size=300, max_size=300),
    st.sampled_from(["avg", "p50", "p90", "p95"]),
)
def test_whatever_the_bounds_would_have_become_a_figure_stays_true(
    exact: list[int], bounds: list[int], more: list[int], statistic: str
) -> None:
    told = Distribution([of(exact)], [of(bounds)]).statistic(statistic)
    truth = [bound + extra for bound, extra in zip(bounds, more, strict=False)]
    real = Distribution([of(exact + truth)]).statistic(statistic)
    if not isinstance(told, Reading):
        return
    assert isinstance(real, Reading)
    slack = 0.002 * real.low  # two buckets
    assert told.low - slack <= real.low <= told.high + slack


def shop(of: str) -> tuple[list[str], list[str], bool]:
    named = (("list", "browse"), ("show", "browse"), ("order", "buy"))
    steps = [step([MS], name=name, scenario=where) for name, where in named]
    phase = report(
        *steps, scenarios=[iterations(steps[0], 0, "browse"), iterations(steps[2], 0, "buy")]
    ).window
    part = scope(PLAN, phase, of, S)
    return (
        [record.step for record in part.steps],
        [record.scenario for record in part.scenarios],
        part.journeys,
    )


@pytest.mark.parametrize(
    ("of", "steps", "scenarios", "journeys"),
    [
        ("", ["list", "show", "order"], ["browse", "buy"], False),
        ("show", ["show"], ["browse"], False),
        ("browse", ["list", "show"], ["browse"], True),  # latency is its journeys'
        ("class/Read", ["list", "show"], ["browse"], False),
        ("class/Health", [], [], False),
    ],
)
def test_what_an_objective_speaks_of(
    of: str, steps: list[str], scenarios: list[str], journeys: bool
) -> None:
    assert shop(of) == (steps, scenarios, journeys)


def test_the_latency_of_a_scenario_is_from_its_arrival_to_the_end_of_its_last_step() -> None:
    steps = [step([10 * MS] * 40, name=name, scenario="browse") for name in ("list", "show")]
    journeys = iterations(steps[0], 0, "browse")
    journeys.journeys = {Outcome.SUCCESS.value: of([25 * MS] * 40)}
    phase = report(*steps, scenarios=[journeys]).window
    for name, ms in (("browse", 25), ("list", 10), ("", 10)):
        measured = read("latency.p50", scope(PLAN, phase, name, S))
        assert isinstance(measured, Reading)
        assert measured.low == pytest.approx(ms * MS, rel=0.001)


@pytest.mark.parametrize(
    ("metric", "low", "high"),
    [
        ("throughput", 8.0, 8.0),  # successes a second of the window
        ("transactions", 8.0, 8.0),
        ("successRate", 0.8, 0.9),  # a request that was open at the end may have become anything
        ("errorRate", 0.1, 0.2),
        ("timeoutRate", 0.05, 0.15),
        ("checkRate", 0.75, 0.75),
        ("dropped", 3, 3),
        ("bytes.received", 500, 500),
    ],
)
def test_counted_metrics(metric: str, low: float, high: float) -> None:
    record = step(
        [MS] * 80,
        timeouts=[5 * S] * 5,
        failed=5,
        censored=[S] * 10,
        checks_passed=30,
        checks_failed=10,
        bytes_received=500,
    )
    phase = report(record, dropped=3).window
    measured = read(metric, scope(PLAN, phase, "", 10 * S))
    assert isinstance(measured, Reading)
    assert [measured.low, measured.high] == pytest.approx([low, high])


@pytest.mark.parametrize(
    "metric",
    [
        "throughput",
        "successRate",
        "errorRate",
        "checkRate",
        "dropped",
        "bytes.received",
        "latency.avg",
        "connect.p50",
        "ttfb.max",
    ],
)
def test_there_is_no_figure_without_samples(metric: str) -> None:
    phase = report(step([])).window
    assert isinstance(read(metric, scope(PLAN, phase, "", S)), NoReading)


def test_fast_failures_do_not_make_the_service_look_fast() -> None:
    record = step([100 * MS] * 20, failed=20)
    record.histogram(Timing.LATENCY, Outcome.FAILURE).fold([MS] * 20)
    measured = read("latency.avg", scope(PLAN, report(record).window, "", S))
    assert measured == Reading.exact(100 * MS, 20)
