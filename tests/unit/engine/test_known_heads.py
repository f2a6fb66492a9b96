"""A response that is recognised by its head means what the parser would have said."""

import itertools
from time import monotonic_ns

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perfrun.engine.errors import ErrorClass
from perfrun.engine.http.http1 import Connection
from perfrun.engine.response.read_plan import ReadMode, ReadPlan

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nDate: now\r\n\r\nok"


class _Home:
    def forget(self, connection: Connection) -> None:
        pass


class _Wire:
    """A transport that goes nowhere."""

    def __init__(self) -> None:
        self.closed = False

    def write(self, data: bytes) -> None:
        pass

    def abort(self) -> None:
        self.closed = True


class _Exchange:
    def __init__(self) -> None:
        self.outcomes: list[object] = []

    def responded(self, connection: Connection, now: int) -> None:
        body = b"".join(connection.body)
        self.outcomes.append(
            (connection.status, connection.received, body, connection.header(b"date"))
        )

    def broken(self, error: ErrorClass, said: str = "") -> None:
        self.outcomes.append(error)


def exchange(
    read_plan: ReadPlan, parts: list[bytes], connection: Connection | None = None
) -> tuple[Connection, list[object]]:
    """Send a request over a connection (or a new one), and let it receive."""
    if connection is None:
        connection = Connection(_Home())  # type: ignore[arg-type]
        connection.connection_made(_Wire())  # type: ignore[arg-type]
    waiting = _Exchange()
    connection.send(waiting, b"GET / HTTP/1.1\r\n\r\n", read_plan)  # type: ignore[arg-type]
    for part in parts:
        connection.data_received(part)
    return connection, waiting.outcomes


def learnt(message: bytes, reading: ReadMode = ReadMode.BODY, limit: int = 100) -> ReadPlan:
    """What is known after one response, on a connection of its own."""
    read_plan = ReadPlan(reading, limit)
    exchange(read_plan, [message])
    return read_plan


def test_a_message_with_a_length_is_known_from_then_on() -> None:
    read_plan = learnt(OK)
    connection, outcomes = exchange(read_plan, [OK])
    assert outcomes == [(200, len(OK), b"ok", b"now")]
    # No parser was needed: another body of the same length is told apart from the head.
    _, outcomes = exchange(read_plan, [OK.replace(b"ok", b"no")], connection)
    assert outcomes == [(200, len(OK), b"no", b"now")]


@pytest.mark.parametrize(
    "message",
    [
        pytest.param(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
            id="chunked",
        ),
        pytest.param(
            b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok", id="close"
        ),
        pytest.param(b"HTTP/1.1 100 Continue\r\n\r\n" + OK, id="with an interim response"),
        pytest.param(OK + b"HTTP/1.1 200 OK\r\n\r\n", id="with one that nobody asked for"),
        pytest.param(b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", id="HTTP/1.0"),
    ],
)
def test_a_message_that_does_not_end_by_its_length_is_not_learnt(message: bytes) -> None:
    assert learnt(message).length == -1


def test_a_body_over_the_limit_is_not_learnt() -> None:
    assert learnt(OK, limit=1).length == -1
    assert learnt(OK, ReadMode.STATUS, limit=0).length == len(OK)


def test_a_head_that_is_another_one_each_time_is_learnt_now_and_then() -> None:
    read_plan = learnt(OK)
    before = read_plan.head
    for number in range(50):
        exchange(read_plan, [OK.replace(b"now", b"%03d" % number)])
    # A millisecond has to pass; the parser has read those in between.
    assert read_plan.learn_at <= monotonic_ns() + 1_000_000
    assert before in (read_plan.head, OK[:-2]) or read_plan.head.startswith(b"HTTP/1.1 200")


_MESSAGES = [
    OK,
    OK.replace(b"200", b"503"),
    OK.replace(b"ok", b"no"),
    OK.replace(b"now", b"x-1"),
    b"HTTP/1.1 204 No\r\nDate: now\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nDate: now\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nDate: now\r\ncontent-length:12\r\n\r\n\r\n\r\nsurprise",
    b"HTTP/1.1 103 Hints\r\n\r\n" + OK,
]


@given(
    script=st.lists(
        st.tuples(st.sampled_from(_MESSAGES), st.lists(st.integers(1, 60), max_size=3)),
        min_size=1,
        max_size=8,
    ),
    reading=st.sampled_from([ReadMode.STATUS, ReadMode.BODY]),
)
def test_whatever_was_learnt_the_outcome_is_the_parsers(
    script: list[tuple[bytes, list[int]]], reading: ReadMode
) -> None:
    read_plan = ReadPlan(reading, 100)
    connection: Connection | None = None
    for message, cuts in script:
        read_plan.learn_at = 0
        places = sorted({0, len(message), *(cut for cut in cuts if cut < len(message))})
        parts = [message[a:b] for a, b in itertools.pairwise(places)]
        connection, got = exchange(read_plan, parts, connection)
        _, expected = exchange(ReadPlan(reading, 100), [message])
        assert got == expected


def test_the_first_of_two_responses_is_the_answer_and_nothing_follows_on_the_connection() -> None:
    connection, outcomes = exchange(
        ReadPlan(ReadMode.BODY, 100), [OK + OK.replace(b"200 OK", b"500 NO")]
    )
    (outcome,) = outcomes
    assert isinstance(outcome, tuple)
    assert outcome[0] == 200
    assert not connection.keep_alive
