"""What k6 accepts as a threshold is read as k6 reads it, and the rest is refused with its text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perfrun.logic.plan.thresholds import (
    OPERATORS,
    MetricSelector,
    parse_expression,
    parse_selector,
    stop_condition,
)
from perfrun.measure.script import ToolThreshold


@pytest.mark.parametrize(
    ("text", "method", "percentile", "sign", "limit"),
    [
        ("p(95)<500", "p", 95, "<", 500),
        (" p(99.9) <= 1e3 ", "p", 99.9, "<=", 1000),
        ("p(0)>=1", "p", 0, ">=", 1),
        ("med>10.5", "med", None, ">", 10.5),
        ("avg<.5", "avg", None, "<", 0.5),
        ("rate<0.01", "rate", None, "<", 0.01),
        ("count==0", "count", None, "==", 0),
        ("count === 0", "count", None, "===", 0),
        ("value!=-3", "value", None, "!=", -3),
        ("min>+2.", "min", None, ">", 2),
        ("max<100", "max", None, "<", 100),
    ],
)
def test_an_expression(
    text: str, method: str, percentile: float | None, sign: str, limit: float
) -> None:
    read = parse_expression(text)
    assert (read.method, read.percentile, read.operator, read.limit) == (
        method,
        percentile,
        sign,
        limit,
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "'' is not a statistic, a comparison and a number"),
        ("p(95)", "'p(95)' is not a statistic, a comparison and a number"),
        ("p(95)<", "'p(95)<' is not a statistic, a comparison and a number"),
        ("p95<500", "'p95' is not a statistic: avg, min, max, med, p(N), rate, count, value"),
        ("p<500", "'p' is not a statistic: avg, min, max, med, p(N), rate, count, value"),
        ("<500", "'' is not a statistic: avg, min, max, med, p(N), rate, count, value"),
        ("p(101)<5", "'p(101)' is not a percentile from 0 to 100"),
        ("p(-1)<5", "'p(-1)' is not a percentile from 0 to 100"),
        ("p(x)<5", "'x' is not a number"),
        ("avg<500ms", "'500ms' is not a number"),
        ("avg<inf", "'inf' is not a number"),
        ("avg<1e999", "'1e999' is not a number"),
        ("avg<1_000", "'1_000' is not a number"),
        ("avg=>5", "'avg=' is not a statistic: avg, min, max, med, p(N), rate, count, value"),
    ],
)
def test_what_is_no_expression(text: str, message: str) -> None:
    with pytest.raises(ValueError) as error:
        parse_expression(text)
    assert str(error.value) == message


@pytest.mark.parametrize(
    ("name", "metric", "tags"),
    [
        ("http_req_duration", "http_req_duration", ()),
        ("http_req_duration{name:checkout}", "http_req_duration", (("name", "checkout"),)),
        ("checks{ a : 'b' , c:\"d\" }", "checks", (("a", "b"), ("c", "d"))),
        ("a{url:http://x/{id}}", "a", (("url", "http://x/{id}"),)),
        ("a{name:GET:x}", "a", (("name", "GET:x"),)),
    ],
)
def test_a_selector(name: str, metric: str, tags: tuple[tuple[str, str], ...]) -> None:
    assert parse_selector(name) == MetricSelector(metric, tags)


@pytest.mark.parametrize("name", ["a{", "a}", "a}{", "a{}", "a{b}", "a{b:}", "a{b:c}d", "a{b:c,}"])
def test_what_is_no_selector(name: str) -> None:
    with pytest.raises(ValueError):
        parse_selector(name)


def test_a_selector_selects_samples_with_all_of_its_tags() -> None:
    selector = parse_selector("http_reqs{status:200,name:a}")
    assert selector.selects({"status": "200", "name": "a", "method": "GET"})
    assert not selector.selects({"status": "200", "name": "b"})
    assert not selector.selects({"status": "200"})
    assert selector.shown == "name:a,status:200"
    assert MetricSelector("http_reqs").selects({})


numbers = st.integers(-3, 3).map(float)


@given(st.sampled_from(sorted(OPERATORS)), numbers, numbers, numbers)
def test_a_value_in_a_range_may_hold_or_must(sign: str, limit: float, a: float, b: float) -> None:
    low, high = min(a, b), max(a, b)
    # Quarters: those between whole numbers too.
    values = [low + step / 4 for step in range(int((high - low) * 4) + 1)]
    held = [OPERATORS[sign](value, limit) for value in values]
    expression = parse_expression(f"value{sign}{limit}")
    assert expression.may_hold(low, high) == any(held)
    assert expression.must_hold(low, high) == all(held)


@pytest.mark.parametrize(
    ("metric", "source", "delay", "expected"),
    [
        ("http_req_failed", "rate<0.1", 0, ("errorRate", "10%", 10)),
        ("http_req_failed", "rate<=0.0005", 1, ("errorRate", "0.05%", 1)),
        ("http_req_duration", "p(95)<2000", 30 * 10**9, ("latency.p95", "2s", 30)),
        ("http_req_duration{expected_response:true}", "med<1.5", 0, ("latency.p50", "1500us", 10)),
        ("http_req_duration", "p(99.9)<100", 0, ("latency.p999", "100ms", 10)),
        ("http_req_duration", "max<100", 0, ("latency.max", "100ms", 10)),
    ],
)
def test_a_threshold_that_aborts_is_a_stop_condition(
    metric: str, source: str, delay: int, expected: tuple[str, str, int]
) -> None:
    threshold = ToolThreshold(metric=metric, source=source, abort=True, delay=delay)
    condition = stop_condition(threshold)
    assert condition is not None
    assert (condition.metric, condition.above, condition.for_ // 10**9) == expected


@pytest.mark.parametrize(
    ("metric", "source"),
    [
        ("http_req_failed", "rate>0.1"),
        ("http_req_failed", "rate<1"),
        ("http_req_failed{name:a}", "rate<0.1"),
        ("http_req_duration", "p(42)<100"),
        ("http_req_duration", "p(95)>100"),
        ("http_req_duration", "p(95)<1e9"),
        ("http_req_duration", "p95<100"),
        ("http_req_duration{", "p(95)<100"),
        ("checks", "rate<0.1"),
        ("mine", "avg<5"),
    ],
)
def test_other_thresholds_are_none(metric: str, source: str) -> None:
    assert stop_condition(ToolThreshold(metric=metric, source=source, abort=True)) is None
