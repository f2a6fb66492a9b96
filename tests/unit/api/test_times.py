"""Times as Kubernetes writes them."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from perfrun.api.times import Time, format_moment, format_time, parse_time

TIMES = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))
IN_AN_OBJECT: TypeAdapter[str] = TypeAdapter(Time)


@given(TIMES)
def test_a_time_comes_back(time: datetime) -> None:
    assert parse_time(format_time(time)) == parse_time(format_moment(time)) == time


@given(TIMES, TIMES)
def test_moments_sort_as_texts(one: datetime, other: datetime) -> None:
    assert (format_moment(one) < format_moment(other)) == (one < other)


@given(TIMES)
def test_what_perfrun_writes_it_reads_in_an_object_too(time: datetime) -> None:
    for text in (format_time(time), format_moment(time)):
        assert IN_AN_OBJECT.validate_python(text) == text


def test_any_zone_is_written_in_utc() -> None:
    time = datetime(2026, 11, 22, 3, 0, 3, tzinfo=timezone(timedelta(hours=1)))
    assert format_time(time) == "2026-11-22T02:00:03Z"
    assert format_moment(time) == "2026-11-22T02:00:03.000000Z"


@pytest.mark.parametrize("text", ["", "yesterday", "2026-11-22T02:00:03"])
def test_what_names_no_moment_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        parse_time(text)
