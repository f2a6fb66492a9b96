"""Durations, rates, percentages and sizes: text to number and back."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from perfrun.api import quantities as q
from perfrun.api.test.metric import METRICS, Notation
from perfrun.api.test.slo import format_measured, parse_limit


class Quantities(BaseModel):
    duration: q.Duration
    rate: q.Rate
    percent: q.Percent


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("0s", 0),
        ("1ns", 1),
        ("500ms", 500_000_000),
        ("1.5s", 1_500_000_000),
        ("1h30m", 5_400_000_000_000),  # several units in one text
        ("0.000001ms", 1),
        ("1.234567891s", 1_234_567_891),
    ],
)
def test_a_duration_is_whole_nanoseconds(text: str, ns: int) -> None:
    assert q.parse_duration(text) == ns


@pytest.mark.parametrize(
    "text",
    ["", "5", "s", "-1s", "1 s", "1d", "1e3s", "1s ", "NaNs", "٣s", "1s2s3s4s5s", 5, None, True],
)
def test_what_is_no_duration_is_refused_with_an_example(text: object) -> None:
    with pytest.raises(ValueError, match=r"500ms, 5s"):
        q.parse_duration(text)


@pytest.mark.parametrize(
    ("text", "rate"), [("1000/s", 1000.0), ("30/m", 0.5), ("3600/h", 1.0), ("0.5/s", 0.5)]
)
def test_a_rate_is_per_second(text: str, rate: float) -> None:
    assert q.parse_rate(text) == rate


@pytest.mark.parametrize("text", ["", "5", "5/d", "/s", "-1/s", "1/s/s", 5])
def test_what_is_no_rate_is_refused_with_an_example(text: object) -> None:
    with pytest.raises(ValueError, match="100/s or 30/m"):
        q.parse_rate(text)


@pytest.mark.parametrize(("text", "ratio"), [("0%", 0.0), ("99.94%", 0.9994), ("100%", 1.0)])
def test_a_percentage_is_the_ratio_that_its_decimals_say(text: str, ratio: float) -> None:
    assert q.parse_percent(text) == ratio


@pytest.mark.parametrize("text", ["", "1", "101%", "-1%", "100.1%", 0.5])
def test_what_is_no_percentage_is_refused_with_an_example(text: object) -> None:
    with pytest.raises(ValueError, match=r"0% to 100%"):
        q.parse_percent(text)


@pytest.mark.parametrize(
    ("text", "size"),
    [("1500", 1500), (1500, 1500), ("64Ki", 65_536), ("1.5k", 1500), ("1Gi", 2**30)],
)
def test_a_size_is_bytes(text: object, size: int) -> None:
    assert q.parse_bytes(text) == size


@pytest.mark.parametrize(
    ("ns", "text"),
    [
        (30_100_000, "30.1ms"),
        (1_210_000_000, "1.21s"),
        (210_000, "0.21ms"),
        (330_000_000_000, "330s"),
        (5_000_000_000, "5s"),
        (0, "0ms"),
        (4_000, "0.004ms"),
    ],
)
def test_a_measured_duration_has_three_digits(ns: int, text: str) -> None:
    assert q.format_duration(ns) == text


@pytest.mark.parametrize(
    ("ratio", "text"),
    [
        (0.9994, "99.94%"),
        (1.0, "100%"),
        (0.0, "0%"),
        (1 - 1e-6, "99.9999%"),  # not a false 100%
        (1e-6, "0.0001%"),  # not a false 0%
    ],
)
def test_a_measured_percentage_is_never_a_false_0_or_100(ratio: float, text: str) -> None:
    assert q.format_percent(ratio) == text


def test_a_measured_duration_just_above_its_limit_does_not_read_as_the_limit() -> None:
    assert q.format_duration(500_400_000, [500_000_000]) == "500.4ms"


durations = st.integers(0, 2**53)  # 104 days: above it a float has no space for single ns
numbers = st.from_regex(re.compile(r"[0-9]{1,9}(\.[0-9]{1,6})?", re.ASCII), fullmatch=True)


@given(durations)
def test_the_spec_notation_of_a_duration_parses_back(ns: int) -> None:
    text = q.format_exact_duration(ns)
    assert re.match(q.DURATION_PATTERN, text)
    assert q.parse_duration(text) == ns


@given(numbers, st.sampled_from("smh"))
def test_a_rate_comes_back_from_its_notation_unchanged(number: str, unit: str) -> None:
    text = f"{number}/{unit}"
    told = Quantities.model_validate({"duration": "0s", "rate": text, "percent": "1%"})
    assert Quantities.model_validate_json(told.model_dump_json()).rate == q.parse_rate(text)


@given(st.integers(0, 10**8))
def test_a_percentage_comes_back_from_its_notation_unchanged(millionths: int) -> None:
    text = f"{millionths / 10**6:.6f}%"
    told = Quantities.model_validate({"duration": "0s", "rate": "1/s", "percent": text})
    back = Quantities.model_validate_json(told.model_dump_json())
    assert back.percent == told.percent == pytest.approx(millionths / 10**8)


def side(value: float, limit: float) -> int:
    return (value > limit) - (value < limit)


@given(st.integers(0, 10**13), st.integers(-(10**6), 10**6))
def test_rounding_never_takes_a_duration_across_its_limit(limit: int, off: int) -> None:
    value = max(0, limit + off)
    text = q.format_duration(value, [limit])
    assert side(q.parse_duration(text), limit) == side(value, limit)


@given(st.integers(0, 10**8), st.integers(1, 10**8))
def test_rounding_never_takes_a_percentage_across_its_limit(count: int, whole: int) -> None:
    ratio, limit = min(count, whole) / whole, 0.999
    text = q.format_percent(ratio, [limit])
    assert side(float(text[:-1]), 99.9) == side(ratio, limit)


@given(st.floats(-1e-3, 1e-3), st.sampled_from([0.5, 1.0, 100.0, 1000.0]))
def test_rounding_never_takes_a_rate_across_its_limit(off: float, limit: float) -> None:
    rate = limit + off
    assert side(float(q.format_rate(rate, [limit])[:-2]), limit) == side(rate, limit)


@given(st.integers(-(10**6), 10**6), st.sampled_from([1500, 65_536, 10 * 2**20, 2**30, 10**11]))
def test_rounding_never_takes_a_size_across_its_limit(off: int, limit: int) -> None:
    size = max(0, limit + off)
    text = format_measured("bytes.received", size, [limit])
    assert side(q.parse_bytes(text), limit) == side(size, limit)


@pytest.mark.parametrize("metric", METRICS)
def test_every_metric_reads_and_writes_its_own_notation(metric: str) -> None:
    example: dict[Notation, str | int] = {
        Notation.DURATION: "500ms",
        Notation.RATE: "100/s",
        Notation.PERCENT: "99.9%",
        Notation.COUNT: 7,
        Notation.BYTES: "64Ki",
        Notation.CORES: "800m",
        Notation.NUMBER: "-0.53",
    }
    text = example[METRICS[metric].kind]
    assert format_measured(metric, parse_limit(metric, text), []) == str(text)
