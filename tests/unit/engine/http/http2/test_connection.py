"""HTTP/2 with a peer of another implementation: streams, windows, breaches, and what follows."""

import asyncio
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perfrun.engine.errors import ErrorClass, OpenError
from perfrun.engine.http.http2.connection import LAST_ID, Http2Connection
from perfrun.engine.http.http2.frames import (
    HEAD_LENGTH,
    Code,
    Flag,
    FrameError,
    FrameType,
    encoder,
    frame,
    goaway,
    number,
    reset,
    unpadded,
)
from perfrun.engine.http.http2.stream import Stream
from perfrun.engine.response.read_plan import ReadMode, ReadPlan
from perfrun.engine.run import Engine
from perfrun.measure.plan import RunPlan
from perfrun.reach.values import Values
from tests.unit.engine.conftest import Run
from tests.unit.engine.server import burst, plan, running, step
from tests.unit.engine.server2 import Asked, Peer, later, running2, say


def h2(url: str, load: dict[str, object], *steps: dict[str, object], **http: object) -> RunPlan:
    return plan(url, load, *steps, protocol="HTTP/2", **http)


async def test_many_streams_share_one_connection(run: Run) -> None:
    async with running2(x=later(0.1, say())) as server:
        report = await run(h2(server.url, burst(200, 50), step("/x")))
    (got,) = report.window.steps
    assert (got.succeeded, got.attempts, report.generator.connections) == (200, 200, 1)
    assert len(server.peers) == 1
    assert server.busiest > 1
    assert {asked.fields["user-agent"].partition("/")[0] for asked in server.log} == {"perfrun"}
    assert {asked.fields[":authority"] for asked in server.log} == {server.url[7:]}
    assert "host" not in server.log[0].fields


async def test_no_more_streams_are_open_than_the_peer_allows(run: Run) -> None:
    async with running2(most_streams=10, x=later(0.05, say())) as server:
        report = await run(h2(server.url, burst(100, 35), step("/x")))
    assert report.window.steps[0].succeeded == 100
    assert server.busiest <= 10
    assert len(server.peers) == 4


@pytest.mark.parametrize(("connections", "opened"), [("PerUser", 3), ("PerRequest", 9)])
async def test_users_can_have_connections_of_their_own(
    run: Run, connections: str, opened: int
) -> None:
    async with running2() as server:
        asked = h2(server.url, burst(9, 3), step("/x"), connections=connections)
        report = await run(asked)
    assert report.window.steps[0].succeeded == 9
    assert len(server.peers) == opened


async def test_a_body_larger_than_every_window_arrives_whole(run: Run) -> None:
    body = "x" * 200_000
    async with running2() as server:
        report = await run(h2(server.url, burst(4, 4), step("/x", method="POST", body=body)))
    assert report.window.steps[0].succeeded == 4
    assert {asked.body for asked in server.log} == {body.encode()}
    assert {asked.fields["content-length"] for asked in server.log} == {"200000"}


async def test_a_large_response_is_read_whole_and_counted(run: Run) -> None:
    def large(peer: Peer, stream: int, _: Asked) -> None:
        peer.h2.send_headers(stream, [(":status", "200")])
        for place in range(40):
            peer.h2.send_data(stream, b"y" * 10_000, end_stream=place == 39, pad_length=7)

    async with running2(x=large) as server:
        report = await run(h2(server.url, burst(2), step("/x", expect={"maxBytes": 400_000})))
    (got,) = report.window.steps
    assert got.succeeded == 2
    assert got.bytes_received >= 800_000


async def test_checks_extractions_redirects_and_cookies_are_as_in_http1(run: Run) -> None:
    moved = say(303, b"", location="/orders/7", set_cookie="sid=1")
    order = say(200, b'{"id": 7, "state": "new"}', x_next="/n")
    create: dict[str, Any] = {
        **step("/create", "create", method="POST", json={"a": "$(uuid())"}),
        "expect": {"json": {"$.state": "new"}},
        "extract": {"id": {"json": "$.id"}, "next": {"header": "X-Next"}},
    }
    async with running2(create=moved) as server:
        server.answers["/orders/7"] = order
        asked = h2(server.url, burst(2), create, step("/a$(next)/$(id)", "next"), cookies=True)
        report = await run(asked)
    assert [got.succeeded for got in report.window.steps] == [2, 2]
    assert [asked.fields[":path"] for asked in server.log][:3] == ["/create", "/orders/7", "/a/n/7"]
    assert server.log[1].fields[":method"] == "GET"
    assert server.log[1].fields["cookie"] == "sid=1"


async def test_head_and_bodiless_answers_are_complete(run: Run) -> None:
    async with running2(x=say(200, b"long"), y=say(204, b"")) as server:
        asked = h2(server.url, burst(2), step("/x", "a", method="HEAD"), step("/y", "b"))
        report = await run(asked)
    assert [got.succeeded for got in report.window.steps] == [2, 2]


def _reset(peer: Peer, stream: int, _: Asked) -> None:
    peer.h2.reset_stream(stream, 2)


def _lie(peer: Peer, stream: int, _: Asked) -> None:
    # Written by hand: the peer's own library would not lie.
    peer.h2.send_headers(stream, [(":status", "200"), ("content-length", "9")])
    peer.flush()
    peer.transport.write(frame(FrameType.DATA, Flag.END_STREAM, stream, b"ok"))


def _hang_up(peer: Peer, stream: int, _: Asked) -> None:
    peer.transport.abort()


def _garbage(peer: Peer, stream: int, _: Asked) -> None:
    peer.transport.write(b"\x00" * 3 + b"\x01\x04" + b"\x00" * 4 + b"garbage" * 30)


def _push(peer: Peer, stream: int, _: Asked) -> None:
    peer.transport.write(frame(FrameType.PUSH_PROMISE, Flag.END_HEADERS, stream, b"\0\0\0\2\x88"))


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        pytest.param(_reset, "Reset", id="RST_STREAM"),
        pytest.param(_lie, "Protocol", id="a lie about the length"),
        pytest.param(_hang_up, "Reset", id="hangs up"),
        pytest.param(_garbage, "Protocol", id="garbage"),
        pytest.param(_push, "Protocol", id="a push"),
        pytest.param(lambda *_: None, "Timeout", id="silence"),
        pytest.param(say(503), "Status5xx", id="503"),
        pytest.param(say(200, b"x" * 2000), "Size", id="too large"),
    ],
)
async def test_what_goes_wrong_has_a_class_and_the_next_request_goes_well(
    run: Run, answer: Any, error: str
) -> None:
    async with running2(bad=answer) as server:
        asked = h2(
            server.url,
            burst(4),
            step("/good$(int(0, 0))", "good"),
            step("/bad", "bad", expect={"maxBytes": 1000}),
            timeout="1s" if error == "Timeout" else "10s",  # others may have the machine
        )
        report = await run(asked)
    good, bad = report.window.steps
    assert good.succeeded == bad.sent == bad.failed == 4
    assert set(bad.errors) == {error} or error in ("Protocol", "Reset")


async def test_a_timeout_ends_one_stream_and_not_the_others(run: Run) -> None:
    async with running2(slow=lambda *_: None, x=later(0.2, say())) as server:
        asked = RunPlan.model_validate(
            {
                **h2(server.url, burst(20, 10), timeout="500ms").model_dump(),
                "scenarios": [
                    {"name": "a", "steps": [step("/x", "quick")]},
                    {"name": "b", "steps": [step("/slow", "slow")]},
                ],
            }
        )
        report = await run(asked)
    quick, slow = report.window.steps
    assert (quick.succeeded, slow.errors) == (10, {"Timeout": 10})
    assert len(server.peers) == 1


async def test_after_goaway_the_next_request_takes_a_new_connection(run: Run) -> None:
    def last(peer: Peer, stream: int, asked: Asked) -> None:
        say()(peer, stream, asked)
        peer.h2.close_connection()

    async with running2(x=last) as server:
        report = await run(h2(server.url, burst(5), step("/x")))
    assert report.window.steps[0].succeeded == 5
    assert len(server.peers) == 5


async def test_a_server_that_speaks_http1_is_named_before_the_start() -> None:
    async with running() as server:
        with pytest.raises(OpenError, match="does not speak HTTP/2"):
            await Engine(h2(server.url, burst(1)), 0, Values()).check()


# --- bytes ------------------------------------------------------------------------------------


class _Wire:
    def __init__(self) -> None:
        self.sent = b""
        self.closed = False

    def write(self, data: bytes) -> None:
        if not self.closed:
            self.sent += data

    def close(self) -> None:
        self.closed = True


class _Home:
    def forget(self, link: object) -> None:
        pass


class _Exchange:
    def __init__(self) -> None:
        self.outcomes: list[object] = []
        self.keep_alive: bool | None = None
        self.said = ""

    def responded(self, link: Stream, now: int) -> None:
        self.keep_alive = link.keep_alive
        self.outcomes.append((link.status, b"".join(link.body), link.received))

    def broken(self, error: ErrorClass, said: str = "") -> None:
        self.outcomes.append(error)
        self.said = said

    def refused(self) -> None:
        self.outcomes.append("refused")


SETTINGS = frame(FrameType.SETTINGS, 0, 0)


def answer_on(stream: int) -> bytes:
    """A whole response: 200, "ok"."""
    head = frame(FrameType.HEADERS, Flag.END_HEADERS, stream, b"\x88")
    return head + frame(FrameType.DATA, Flag.END_STREAM, stream, b"ok")


def _head(*fields: tuple[bytes, bytes], status: bytes = b"\x88", after: bytes = b"") -> bytes:
    """HEADERS that end stream 1: literals that are never indexed, around what is indexed."""
    literals = [b"\x10%c%s%c%s" % (len(name), name, len(value), value) for name, value in fields]
    return frame(FrameType.HEADERS, 5, 1, status + b"".join(literals) + after)


def opened(
    data: bytes = SETTINGS, body: bytes = b"", asked: int = 3
) -> tuple[Http2Connection, _Wire, list[_Exchange]]:
    """A connection without a socket, with requests in progress: streams 1, 3, 5 and so on."""
    connection, wire = Http2Connection(_Home()), _Wire()
    connection.connection_made(wire)  # type: ignore[arg-type]
    connection.data_received(data)
    waiting = [_Exchange() for _ in range(asked)]
    request = encoder("http")(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" + body)
    for exchange in waiting:
        stream = connection.stream()
        stream.send(exchange, request, ReadPlan(ReadMode.BODY, 1000))  # type: ignore[arg-type]
    wire.sent = b""
    return connection, wire, waiting


def outcomes(waiting: list[_Exchange]) -> list[object]:
    return [outcome for exchange in waiting for outcome in exchange.outcomes]


_ANSWERED = (200, b"ok", 2 * HEAD_LENGTH + 3)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(frame(FrameType.DATA, 0, 0, b"x"), id="DATA of the connection"),
        pytest.param(
            frame(FrameType.HEADERS, 4, 2, b"\x88"), id="HEADERS on a stream of the peer's"
        ),
        pytest.param(
            frame(FrameType.HEADERS, 5, 9, b"\x88"), id="HEADERS on a stream not yet opened"
        ),
        pytest.param(frame(FrameType.HEADERS, 5, 1, b"\xbe"), id="a table that is not there"),
        pytest.param(
            frame(FrameType.HEADERS, 0, 1) + frame(FrameType.PING, 0, 0, b"8" * 8),
            id="not continued",
        ),
        pytest.param(
            frame(FrameType.CONTINUATION, 4, 1), id=("a CONTINUATION without headers before it")
        ),
        pytest.param(
            frame(FrameType.HEADERS, 0, 1) + frame(9, 4, 3), id="continued on another stream"
        ),
        pytest.param(
            frame(FrameType.HEADERS, 0, 1) + frame(9, 0, 1, b"x" * 16_000) * 5,
            id="headers without end",
        ),
        pytest.param(frame(FrameType.SETTINGS, 0, 1), id="SETTINGS on a stream"),
        pytest.param(frame(FrameType.SETTINGS, 0, 0, b"12345"), id="SETTINGS of a wrong length"),
        pytest.param(
            frame(FrameType.SETTINGS, 1, 0, b"123456"), id="an acknowledgement with settings"
        ),
        pytest.param(frame(FrameType.SETTINGS, 0, 0, b"\0\2\0\0\0\1"), id="ENABLE_PUSH"),
        pytest.param(frame(FrameType.SETTINGS, 0, 0, b"\0\5\0\0\0\1"), id="frames of one byte"),
        pytest.param(frame(FrameType.PING, 0, 0, b"short"), id="PING of the wrong length"),
        pytest.param(frame(FrameType.WINDOW_UPDATE, 0, 0, b"\0\0\0\0"), id="a window widened by 0"),
        pytest.param(
            frame(FrameType.WINDOW_UPDATE, 0, 0, b"\x7f\xff\xff\xff"), id="a window too large"
        ),
        pytest.param(
            frame(FrameType.RST_STREAM, 0, 9, b"\0\0\0\0"), id="RST_STREAM of an idle stream"
        ),
        pytest.param(
            frame(FrameType.DATA, Flag.PADDED, 1, b"\x09x"), id="more padding than payload"
        ),
        pytest.param(b"\0\x40\1\0\0\0\0\0\1" + b"x" * 16_385, id="a frame too large"),
        pytest.param(
            frame(FrameType.HEADERS, 0, 0, b"\x88"), id="HEADERS of the connection, to be continued"
        ),
        pytest.param(frame(FrameType.GOAWAY, 0, 0, b"\0\0\0\7"), id="GOAWAY without its code"),
        pytest.param(frame(FrameType.GOAWAY, 0, 1, b"\0" * 8), id="GOAWAY on a stream"),
        pytest.param(frame(FrameType.PRIORITY, 0, 0, b"prior"), id="PRIORITY of the connection"),
        pytest.param(
            frame(FrameType.RST_STREAM, 0, 1, b"\0\0\0"), id="RST_STREAM of a wrong length"
        ),
        pytest.param(frame(FrameType.PUSH_PROMISE, 4, 1, b"\0\0\0\2\x88"), id="a push"),
        pytest.param(frame(FrameType.PING, 0, 0, b"8" * 8) * 10_001, id="a flood of PING"),
        pytest.param(frame(FrameType.SETTINGS, 0, 0) * 10_001, id="a flood of SETTINGS"),
    ],
)
async def test_a_breach_of_the_protocol_ends_the_connection_and_the_peer_is_told(
    data: bytes,
) -> None:
    connection, wire, waiting = opened()
    connection.data_received(data)
    assert outcomes(waiting) == [ErrorClass.PROTOCOL] * 3
    assert all(exchange.said.startswith("not HTTP/2: ") for exchange in waiting)
    assert wire.sent.endswith(goaway(Code.PROTOCOL_ERROR))
    assert wire.closed
    assert not connection.has_room


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(frame(FrameType.HEADERS, 5, 1, b"\x0f\x0d\x012"), id="no status"),
        pytest.param(frame(FrameType.HEADERS, 4, 1, b"\x08\x03101"), id="101"),
        pytest.param(frame(FrameType.HEADERS, 4, 1, b"\x88\x88"), id="two statuses"),
        pytest.param(frame(FrameType.DATA, 1, 1, b"x"), id="a body before the headers"),
        pytest.param(
            frame(FrameType.HEADERS, 4, 1, b"\x88") * 2, id=("headers in the middle of a body")
        ),
        pytest.param(frame(FrameType.HEADERS, 5, 1, b"\x88\x0f\x0d\x012"), id="less than was told"),
        pytest.param(_head((b"X-Big", b"1")), id="an upper-case name"),
        pytest.param(_head((b"x y", b"1")), id="a name with a blank"),
        pytest.param(_head((b"x:y", b"1")), id="a name with a colon"),
        pytest.param(_head((b"", b"1")), id="no name"),
        pytest.param(_head((b"x", b"a\0b")), id="a value with NUL"),
        pytest.param(_head((b"x", b"a\nb")), id="a value with a line break"),
        pytest.param(_head((b"connection", b"close")), id="connection"),
        pytest.param(_head((b"keep-alive", b"timeout=5")), id="keep-alive"),
        pytest.param(_head((b"proxy-connection", b"close")), id="proxy-connection"),
        pytest.param(_head((b"transfer-encoding", b"chunked")), id="transfer-encoding"),
        pytest.param(_head((b"upgrade", b"h2c")), id="upgrade"),
        pytest.param(_head((b":path", b"/")), id="a pseudo-header of requests"),
        pytest.param(_head((b":new", b"1")), id="a pseudo-header that there is not"),
        pytest.param(
            _head((b"x", b"1"), status=b"", after=b"\x88"), id="the status after a header"
        ),
        pytest.param(_head((b"x", b"1"), status=b"\x08\x0220"), id="a status of two digits"),
        pytest.param(_head((b"x", b"1"), status=b"\x08\x04+200"), id="a status with a sign"),
        pytest.param(
            frame(FrameType.HEADERS, 4, 1, b"\x88") + frame(FrameType.HEADERS, 5, 1, b"\x88"),
            id="a status in trailers",
        ),
        pytest.param(
            frame(FrameType.HEADERS, 4, 1, b"\x88") + _head((b"X", b"1"), status=b""),
            id="an upper-case name in trailers",
        ),
        pytest.param(
            frame(FrameType.HEADERS, 4, 1, b"\x89") + frame(FrameType.DATA, 1, 1, b"x"),
            id="204 with a body",
        ),
        pytest.param(frame(FrameType.PRIORITY, 0, 1, b"prio"), id="PRIORITY of the wrong length"),
    ],
)
async def test_a_malformed_response_is_the_end_of_its_stream_only(data: bytes) -> None:
    connection, wire, waiting = opened()
    connection.data_received(data)
    assert outcomes(waiting) == [ErrorClass.PROTOCOL]
    assert waiting[0].said
    code = Code.FRAME_SIZE_ERROR if data[3] == FrameType.PRIORITY else Code.PROTOCOL_ERROR
    assert reset(1, code) in wire.sent
    connection.data_received(answer_on(3))
    assert outcomes(waiting) == [ErrorClass.PROTOCOL, _ANSWERED]
    assert not wire.closed


async def test_the_first_frame_has_to_be_settings() -> None:
    connection, *_ = opened(frame(FrameType.PING, 0, 0, b"8" * 8), asked=0)
    with pytest.raises(FrameError):
        await connection.ready


async def test_interim_responses_trailers_unknown_frames_and_priorities_are_passed_over() -> None:
    connection, wire, waiting = opened()
    connection.data_received(
        frame(FrameType.HEADERS, 4, 1, b"\x08\x03103")
        + frame(77, 255, 1, b"what is this")
        + frame(FrameType.HEADERS, 4 | Flag.PRIORITY | Flag.PADDED, 1, b"\2prior\x88pp")
        + frame(FrameType.DATA, Flag.PADDED, 1, b"\3okppp")
        + frame(FrameType.PRIORITY, 0, 1, b"prior")
        + frame(FrameType.HEADERS, 5, 1, b"\0\1x\0011")
    )
    received = 4 * HEAD_LENGTH + 5 + 9 + 6 + 5
    assert outcomes(waiting) == [(200, b"ok", received)]
    assert wire.sent == b""


async def test_settings_and_pings_are_answered_before_what_they_make_possible() -> None:
    none = frame(FrameType.SETTINGS, 0, 0, b"\0\4\0\0\0\0")
    connection, wire, _ = opened(none, b"body", asked=1)
    connection.data_received(
        frame(FrameType.PING, 0, 0, b"12345678") + frame(FrameType.SETTINGS, 0, 0, b"\0\4\0\0\0\3")
    )
    assert wire.sent == (
        frame(FrameType.PING, Flag.ACK, 0, b"12345678")
        + frame(FrameType.SETTINGS, Flag.ACK, 0)
        + frame(FrameType.DATA, 0, 1, b"bod")
    )


async def test_a_body_that_is_answered_before_it_was_sent_is_given_up() -> None:
    none = frame(FrameType.SETTINGS, 0, 0, b"\0\4\0\0\0\0")
    connection, wire, waiting = opened(none, b"body")
    connection.data_received(answer_on(1))
    assert outcomes(waiting) == [_ANSWERED]
    assert wire.sent == reset(1, Code.CANCEL)
    wire.sent = b""
    connection.data_received(frame(FrameType.WINDOW_UPDATE, 0, 1, b"\0\0\0\4"))
    assert wire.sent == b""


async def test_a_long_upload_is_no_flood_of_window_updates() -> None:
    none = frame(FrameType.SETTINGS, 0, 0, b"\0\4\0\0\0\0")
    connection, wire, waiting = opened(none, b"x" * 20_000, asked=1)
    connection.data_received(frame(FrameType.WINDOW_UPDATE, 0, 1, b"\0\0\0\1") * 20_000)
    assert outcomes(waiting) == []
    assert wire.sent.endswith(frame(FrameType.DATA, Flag.END_STREAM, 1, b"x"))


async def test_after_goaway_what_is_in_progress_is_answered_and_then_the_connection_goes() -> None:
    connection, wire, waiting = opened()
    connection.data_received(frame(FrameType.GOAWAY, 0, 0, b"\0\0\0\1\0\0\0\0"))
    assert [exchange.outcomes for exchange in waiting] == [[], ["refused"], ["refused"]]
    assert not wire.closed
    assert not connection.has_room
    connection.data_received(answer_on(1))
    assert waiting[0].outcomes == [_ANSWERED]
    assert waiting[0].keep_alive is False
    assert wire.closed


async def test_a_refused_stream_and_one_that_is_reset_are_told_apart() -> None:
    connection, wire, waiting = opened()
    connection.data_received(
        frame(FrameType.RST_STREAM, 0, 1, b"\0\0\0\7")
        + frame(FrameType.RST_STREAM, 0, 3, b"\0\0\0\2")
    )
    assert outcomes(waiting) == ["refused", ErrorClass.RESET]
    assert wire.sent == b""
    assert connection.has_room


async def test_a_stream_that_is_abandoned_is_cancelled_and_what_comes_late_is_passed_over() -> None:
    connection, wire, waiting = opened(asked=1)
    exchange = _Exchange()
    stream = connection.stream()
    request = encoder("http")(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    stream.send(exchange, request, ReadPlan(ReadMode.BODY, 1000))  # type: ignore[arg-type]
    wire.sent = b""
    stream.abandon()
    assert wire.sent == reset(3, Code.CANCEL)
    connection.data_received(answer_on(3) + answer_on(1))
    assert exchange.outcomes == []
    assert outcomes(waiting) == [_ANSWERED]


async def test_ids_that_are_used_up_end_the_connection_after_the_last_response() -> None:
    connection, wire, waiting = opened(asked=1)
    connection._next_id = LAST_ID
    last = _Exchange()
    request = encoder("http")(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    stream = connection.stream()
    stream.send(last, request, ReadPlan(ReadMode.BODY, 1000))  # type: ignore[arg-type]
    assert not connection.has_room
    connection.data_received(answer_on(1) + answer_on(LAST_ID))
    assert outcomes([*waiting, last]) == [_ANSWERED, _ANSWERED]
    assert wire.closed


_FRAMES = st.lists(
    st.one_of(
        st.builds(
            frame,
            st.integers(0, 12),
            st.integers(0, 255),
            st.sampled_from([0, 1, 2, 3, 5, 7]),
            st.one_of(st.binary(max_size=20), st.sampled_from([b"\x88", b"\x88\x0f\x0d\x012"])),
        ),
        st.binary(max_size=30),
    ),
    max_size=12,
)


@settings(max_examples=300)
@given(frames=_FRAMES, cut=st.integers(1, 40))
async def test_any_bytes_end_in_one_outcome_each_wherever_they_are_cut(
    frames: list[bytes], cut: int
) -> None:
    data = b"".join(frames)
    results = []
    for size in (len(data) or 1, cut):
        connection, wire, waiting = opened()
        for at in range(0, len(data), size):
            if not wire.closed:
                connection.data_received(data[at : at + size])
        connection.connection_lost(None)
        assert all(len(exchange.outcomes) == 1 for exchange in waiting)
        results.append([exchange.outcomes for exchange in waiting])
        await asyncio.sleep(0)
    assert results[0] == results[1]


def test_padding_is_taken_off() -> None:
    assert unpadded(Flag.PADDED, b"\x02okxx", headers=False) == b"ok"
    assert unpadded(Flag.PADDED | Flag.PRIORITY, b"\x01.....okx", headers=True) == b"ok"
    assert number(b"\0\0\0\x08") == Code.CANCEL
    assert len(frame(FrameType.PING, 0, 0, b"12345678")) == HEAD_LENGTH + 8


async def test_connections_are_timed_and_streams_on_them_are_not(run: Run) -> None:
    async with running2(x=later(0.05, say())) as server:
        report = await run(h2(server.url, burst(20, 10), step("/x")))
    timings = report.window.steps[0].timings
    assert timings["connect/success"].count == timings["dns/success"].count == 1
