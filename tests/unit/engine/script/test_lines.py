"""Lines of bytes that are cut anywhere."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from perfrun.engine.script.lines import MAX_LINE, LineBuffer


@given(st.binary(max_size=200), st.lists(st.integers(0, 200), max_size=10))
def test_cuts_change_nothing(data: bytes, cuts: list[int]) -> None:
    buffer = LineBuffer()
    found: list[bytes] = []
    places = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    for begin, end in pairwise(places):
        lines, too_long = buffer.feed(data[begin:end])
        assert not too_long
        found += lines
    assert [*found, buffer.end()] == data.split(b"\n")


def test_a_line_that_is_too_long_is_counted_once_and_those_around_it_are_kept() -> None:
    buffer = LineBuffer()
    assert buffer.feed(b"one\ntwo") == ([b"one"], 0)
    assert buffer.feed(b"x" * MAX_LINE) == ([], 1)
    assert buffer.feed(b"x" * MAX_LINE * 2) == ([], 0)
    assert buffer.feed(b"still it\nthree\n") == ([b"three"], 0)
    assert buffer.end() == b""


def test_the_rest_of_a_line_that_is_too_long_is_no_line_of_its_own() -> None:
    buffer = LineBuffer()
    assert buffer.feed(b"x" * MAX_LINE * 2) == ([], 1)
    assert buffer.feed(b"still it") == ([], 0)
    assert buffer.end() == b""
