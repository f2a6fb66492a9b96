"""Header blocks and bodies of HTTP/2 as bytes: what goes in comes out, within every window."""

import hpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perfrun.engine.http.http2.flow_control import FlowControl
from perfrun.engine.http.http2.frames import (
    FIRST_WINDOW,
    HEAD,
    HEAD_LENGTH,
    MALFORMED,
    MAX_WINDOW,
    Blocks,
    Flag,
    FrameError,
    FrameType,
    ResponseHead,
    encoder,
    headers,
    unpadded,
)

Fields = list[tuple[bytes, bytes]]


def fields_of(block: bytes) -> Fields:
    return [(bytes(name), bytes(value)) for name, value in hpack.Decoder().decode(block, raw=True)]


def block_of(fields: Fields) -> bytes:
    literals = [hpack.NeverIndexedHeaderTuple(*field) for field in fields]
    return hpack.Encoder().encode(literals)


def frames_of(data: bytes) -> list[tuple[int, int, int, bytes]]:
    """Type, flags, stream and payload of each frame."""
    found = []
    while data:
        high, low, kind, flags, stream = HEAD.unpack_from(data)
        stop = HEAD_LENGTH + (high << 8 | low)
        found.append((kind, flags, stream, data[HEAD_LENGTH:stop]))
        data = data[stop:]
    return found


# --- requests ---------------------------------------------------------------------------------


def test_a_request_has_its_pseudo_fields_first_and_none_of_one_connection() -> None:
    sent = encoder("https")(
        b"POST /a?b=c HTTP/1.1\r\nX-First: 1\r\nHost: shop:8443\r\nConnection: close\r\n"
        b"Transfer-Encoding: chunked\r\nContent-Length: 7\r\n\r\na\r\n\r\nbc"
    )
    assert fields_of(sent.block) == [
        (b":method", b"POST"),
        (b":scheme", b"https"),
        (b":authority", b"shop:8443"),
        (b":path", b"/a?b=c"),
        (b"x-first", b"1"),
        (b"content-length", b"7"),
    ]
    assert sent.body == b"a\r\n\r\nbc"


_NAMES = st.from_regex(rb"[a-z][a-z0-9-]{0,20}", fullmatch=True).map(lambda name: b"x-" + name)
_VALUES = st.from_regex(rb"([!-~]([ -~]{0,40}[!-~])?)?", fullmatch=True)


@given(st.lists(st.tuples(_NAMES, _VALUES), max_size=8), st.integers(0, 9))
def test_fields_arrive_as_they_were_whatever_was_encoded_before(fields: Fields, path: int) -> None:
    lines = b"".join(b"%s: %s\r\n" % field for field in fields)
    sent = encoder("http")(b"GET /%d HTTP/1.1\r\nHost: h\r\n%s\r\n" % (path, lines))
    # A decoder that is new each time: the block counts on nothing before it.
    assert fields_of(sent.block)[3:] == [(b":path", b"/%d" % path), *fields]


@given(st.integers(1, 60_000), st.booleans())
def test_large_headers_are_continued(size: int, end: bool) -> None:
    frames = frames_of(headers(7, b"b" * size, end=end))
    assert b"".join(payload for *_, payload in frames) == b"b" * size
    assert [kind for kind, *_ in frames] == [FrameType.HEADERS] + [FrameType.CONTINUATION] * (
        len(frames) - 1
    )
    assert [bool(flags & Flag.END_HEADERS) for _, flags, *_ in frames].index(True) == len(
        frames
    ) - 1
    assert bool(frames[0][1] & Flag.END_STREAM) is end


# --- responses --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "status", "length"),
    [
        pytest.param([(b":status", b"200"), (b"content-length", b"12")], 200, 12, id="a response"),
        pytest.param([(b":status", b"103")], 103, -1, id="an interim one"),
        pytest.param([(b"x-checksum", b"1")], 0, -1, id="trailers"),
        pytest.param([(b":status", b"2_0")], MALFORMED, -1, id="what only int() takes"),
        pytest.param([(b":status", b"20")], MALFORMED, -1, id="two digits"),
        pytest.param([(b":status", b"099")], MALFORMED, -1, id="below 100"),
        pytest.param([(b":status", b"200")] * 2, MALFORMED, -1, id="two statuses"),
        pytest.param(
            [(b":status", b"200"), (b"content-length", b"-1")], MALFORMED, -1, id="less than none"
        ),
        pytest.param(
            [(b":status", b"200"), (b"content-length", b"1"), (b"content-length", b"2")],
            MALFORMED,
            -1,
            id="lengths that contradict each other",
        ),
        pytest.param(
            [(b":status", b"200"), *[(b"content-length", b"1")] * 2], 200, 1, id="twice the same"
        ),
    ],
)
def test_what_a_block_says(fields: Fields, status: int, length: int) -> None:
    head = Blocks().read(block_of(fields))
    assert head[:3] == (status, length, fields)
    assert bool(head.wrong) is (status == MALFORMED)


def test_a_block_is_decoded_once() -> None:
    blocks = Blocks()
    assert blocks.read(block_of([(b":status", b"200")])) is blocks.read(b"\x88")


def test_a_peer_that_indexes_all_the_same_may_not_count_on_it() -> None:
    blocks = Blocks()
    indexing = b"\x20\x88\x40\x01x\x011"  # table of 0 bytes, 200, "x: 1" to be entered
    assert blocks.read(indexing) == ResponseHead(200, -1, [(b":status", b"200"), (b"x", b"1")])
    with pytest.raises(FrameError):
        blocks.read(b"\x88\xbe")  # the first entry of the dynamic table
    with pytest.raises(FrameError):
        blocks.read(b"\x3f\xe1\x1f\x88")  # a table of 4096 bytes, which was not allowed


@given(st.lists(st.binary(max_size=60), max_size=5))
def test_any_block_is_a_head_or_an_error(given_blocks: list[bytes]) -> None:
    blocks = Blocks()
    for block in given_blocks:
        try:
            head = blocks.read(block)
        except FrameError:
            continue
        assert head.status == MALFORMED or head.status == 0 or 100 <= head.status <= 999


@pytest.mark.parametrize("payload", [b"", b"\x05abc"])
def test_more_padding_than_payload_is_an_error(payload: bytes) -> None:
    with pytest.raises(FrameError):
        unpadded(Flag.PADDED, payload, headers=False)


# --- bodies -----------------------------------------------------------------------------------


@given(
    bodies=st.lists(st.binary(min_size=1, max_size=200), min_size=1, max_size=4),
    first=st.integers(0, 150),
    steps=st.lists(st.tuples(st.integers(0, 3), st.integers(1, 120)), max_size=30),
)
def test_bodies_arrive_whole_and_in_order_and_never_exceed_a_window(
    bodies: list[bytes], first: int, steps: list[tuple[int, int]]
) -> None:
    uploads = FlowControl()
    uploads.resize(first)
    sent = [uploads.begin(2 * place + 1, body) for place, body in enumerate(bodies)]
    windows = {2 * place + 1: first for place in range(len(bodies))}
    for place, by in steps:
        number = 2 * (place % len(bodies)) + 1
        windows[number] += by
        sent.append(uploads.widen(number, by))
    got = dict.fromkeys(windows, b"")
    for kind, flags, number, payload in frames_of(b"".join(sent)):
        assert kind == FrameType.DATA
        got[number] += payload
        body = bodies[number // 2]
        assert bool(flags & Flag.END_STREAM) is (len(got[number]) == len(body))
    for place, body in enumerate(bodies):
        number = 2 * place + 1
        assert got[number] == body[: min(windows[number], len(body))]
        assert (number in uploads.waiting) is (got[number] != body)


def test_the_window_of_the_connection_is_shared_by_all() -> None:
    uploads = FlowControl()
    uploads.resize(MAX_WINDOW)
    uploads.reframe(1 << 20)
    body = b"x" * (FIRST_WINDOW - 10)
    assert len(uploads.begin(1, body)) == HEAD_LENGTH + len(body)
    assert len(uploads.begin(3, body)) == HEAD_LENGTH + 10
    assert uploads.begin(5, b"late") == b""
    data = uploads.widen(0, len(body))
    assert [(stream, len(payload)) for _, _, stream, payload in frames_of(data)] == [
        (3, len(body) - 10),
        (5, 4),
    ]


def test_a_smaller_first_window_takes_from_what_is_open() -> None:
    uploads = FlowControl()
    uploads.resize(10)
    assert len(uploads.begin(1, b"x" * 20)) == HEAD_LENGTH + 10
    assert uploads.resize(5) == b""
    assert uploads.widen(1, 5) == b""
    assert len(uploads.widen(1, 5)) == HEAD_LENGTH + 5
    assert uploads.drop(1)
    assert not uploads.drop(1)


def test_windows_and_frame_sizes_that_are_not_allowed() -> None:
    uploads = FlowControl()
    for wrong in (
        lambda: uploads.widen(0, 0),
        lambda: uploads.widen(0, MAX_WINDOW),
        lambda: uploads.resize(MAX_WINDOW + 1),
        lambda: uploads.reframe(100),
        lambda: uploads.reframe(1 << 24),
    ):
        with pytest.raises(FrameError):
            wrong()
