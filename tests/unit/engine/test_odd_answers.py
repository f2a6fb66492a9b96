"""HTTP/1.1 responses that are not as most are, and that a client reads (RFC 9112)."""

import asyncio
import gzip
import itertools
import zlib

import pytest

from .conftest import Run
from .server import Behaviour, Seen, answer, bare, burst, ok, plan, raw, running, step

OK = b"HTTP/1.1 200 OK\r\n"
SEEN = {"json": {"$.id": 7}}
BODY = b'{"id": 7}'

READ = [
    pytest.param(OK + b"Content-Length: 9\r\nContent-Length: 9\r\n\r\n" + BODY, id="length twice"),
    pytest.param(OK + b"Content-Length: 9, 9\r\n\r\n" + BODY, id="lengths in a list"),
    pytest.param(OK + b"Content-Length : 9\r\n\r\n" + BODY, id="blank before a colon"),
    pytest.param(OK + b"X: a\r\n\tb\r\n c\r\nContent-Length: 9\r\n\r\n" + BODY, id="folded"),
    pytest.param(OK + b"Content-Length:\r\n 9\r\n\r\n" + BODY, id="length folded"),
    pytest.param(b"HTTP/1.1 200 OK\nX: a\nContent-Length: 9\n\n" + BODY, id="line feeds alone"),
    pytest.param(b"HTTP/1.1 200\r\nContent-Length: 9\r\n\r\n" + BODY, id="no reason"),
    pytest.param(
        OK
        + b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n9\r\n"
        + BODY
        + b"\r\n0\r\n\r\n",
        id="length beside chunks",
    ),
    pytest.param(
        OK
        + b"Content-Length: 3\r\ntransfer-encoding: CHUNKED\r\n\r\n9  \r\n"
        + BODY
        + b"\r\n0\r\n\r\n",
        id="blanks after a chunk's size",
    ),
    pytest.param(
        b"HTTP/1.1 103 Early\r\nLink: </a>\r\n\r\n"
        + OK
        + b"X: a\r\n b\r\nContent-Length: 9\r\n\r\n"
        + BODY,
        id="folded after an interim one",
    ),
]


@pytest.mark.parametrize("pieces", [1, 3, 10_000], ids=["whole", "in pieces", "byte for byte"])
@pytest.mark.parametrize("sent", READ)
async def test_what_others_read_is_read(run: Run, sent: bytes, pieces: int) -> None:
    size = -(-len(sent) // min(pieces, len(sent)))

    async def behave(_seen: Seen, writer: asyncio.StreamWriter) -> None:
        for at in range(0, len(sent), size):
            writer.write(sent[at : at + size])
            await asyncio.sleep(0)

    async with running(x=behave) as server:
        looked_at = step("/x", expect=SEEN)
        report = await run(plan(server.url, burst(3), looked_at, step("/x", "y"), timeout="2s"))
    for got in report.window.steps:
        assert (got.succeeded, got.attempts, got.errors, got.messages) == (3, 3, {}, {})
    assert server.connections == 1


async def test_a_folded_header_has_all_of_its_value(run: Run) -> None:
    sent = OK + b"Location: /orders\r\n   /7\r\nContent-Length: 2\r\n\r\nok"
    async with running(x=raw(sent)) as server:
        create = {**step("/x"), "extract": {"where": {"header": "Location"}}}
        await run(plan(server.url, burst(1), create, step("/use", "y", body="$(where)")))
    assert server.log[-1].body == b"/orders /7"


async def test_head_requests_meet_odd_heads_too(run: Run) -> None:
    sent = OK + b"Content-Length: 9\r\nContent-Length: 9\r\n\r\n"
    async with running(x=raw(sent)) as server:
        report = await run(plan(server.url, burst(2), step("/x", method="HEAD")))
    assert report.window.steps[0].succeeded == 2


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        pytest.param(
            OK + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\nok!", "Duplicate", id="two"
        ),
        pytest.param(OK + b"Content-Length: 2, 3\r\n\r\nok!", "Content-Length", id="two in a list"),
        pytest.param(OK + b"Content-Length: +2\r\n\r\nok", "Content-Length", id="signed"),
        pytest.param(OK + b"X: a\x00b\r\nContent-Length: 2\r\n\r\nok", "header value", id="NUL"),
        pytest.param(
            OK + b"X Y: a\r\nContent-Length: 2\r\n\r\nok", "header", id="a name of two words"
        ),
        pytest.param(b"HTTP/1.1 20 OK\r\n\r\n", "status", id="status of two digits"),
        pytest.param(OK + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n", "chunk size", id="chunk"),
        pytest.param(b"SSH-2.0-OpenSSH_9.2\r\n", "Expected HTTP/", id="another protocol"),
        pytest.param(OK + b"X\r\n", "header", id="half a head, and no more"),
    ],
)
async def test_what_is_wrong_is_said(run: Run, sent: bytes, said: str) -> None:
    async with running(x=raw(sent, close=True)) as server:
        (got,) = (await run(plan(server.url, burst(1), step("/x"), timeout="2s"))).window.steps
    assert got.errors == {"Protocol": 1}
    assert "not HTTP/1.1" in got.messages["Protocol"]
    assert said.lower() in got.messages["Protocol"].lower()


def _gzip(data: bytes) -> bytes:
    # Without the time of day: it would be in the names of tests, which all processes have to agree on.
    return gzip.compress(data, mtime=0)


@pytest.mark.parametrize(
    ("coding", "packed"),
    [
        ("gzip", _gzip(BODY[:4]) + _gzip(BODY[4:])),
        ("x-gzip", _gzip(b"") + _gzip(BODY) + _gzip(b"")),
        ("gzip", _gzip(BODY) + b"\0" * 20),
        ("identity, GZIP", _gzip(BODY)),
        ("gzip, gzip", _gzip(_gzip(BODY))),
        ("deflate, gzip", _gzip(bare(BODY))),
        ("deflate", zlib.compress(BODY) + b"rubbish"),
        ("identity", BODY),
    ],
)
async def test_all_of_a_packed_body_is_looked_at(run: Run, coding: str, packed: bytes) -> None:
    async with running(x=answer(200, packed, Content_Encoding=coding)) as server:
        asked = plan(server.url, burst(1), step("/x", expect=SEEN), compression=True)
        (got,) = (await run(asked)).window.steps
    assert (got.succeeded, got.messages) == (1, {})


@pytest.mark.parametrize(
    ("packed", "error"),
    [
        pytest.param(_gzip(BODY) + b"rubbish", "Protocol", id="rubbish"),
        pytest.param(_gzip(BODY) * 2 + _gzip(BODY)[:-3], "Protocol", id="cut short"),
        pytest.param(_gzip(b"x" * 900) * 2, "Size", id="too large together"),
        pytest.param(_gzip(b"") * 1001, "Size", id="members without end"),
    ],
)
async def test_members_that_are_none_are_errors(run: Run, packed: bytes, error: str) -> None:
    async with running(x=answer(200, packed, Content_Encoding="gzip")) as server:
        looked_at = step("/x", expect={"maxBytes": 25_000 if len(packed) > 1000 else 1000})
        asked = plan(server.url, burst(1), looked_at, compression=True)
        (got,) = (await run(asked)).window.steps
    assert got.errors == {error: 1}


def closing(seen_all: list[str]) -> Behaviour:
    """Answers, and closes without having said so."""

    async def behave(seen: Seen, writer: asyncio.StreamWriter) -> None:
        seen_all.append(seen.method)
        await ok(seen, writer)
        await writer.drain()
        writer.close()

    return behave


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
async def test_what_crosses_a_close_is_sent_anew(run: Run, method: str) -> None:
    seen: list[str] = []
    async with running(x=closing(seen)) as server:
        asked = plan(server.url, burst(20, 2), step("/x", method=method), timeout="3s")
        (got,) = (await run(asked)).window.steps
    assert (got.sent, got.succeeded, got.errors) == (20, 20, {})
    assert len(seen) == 20  # the target has looked at each once
    assert 20 <= got.attempts <= 40  # and what was written to no avail is counted
    assert got.bytes_received == 20 * (37 if method == "HEAD" else 39)


async def test_what_changes_something_is_never_sent_twice(run: Run) -> None:
    seen: list[str] = []
    async with running(x=closing(seen)) as server:
        asked = plan(server.url, burst(20, 1), step("/x", method="POST", body="a"), timeout="3s")
        (got,) = (await run(asked)).window.steps
    assert got.attempts == got.sent == 20
    assert len(seen) == got.succeeded
    assert set(got.errors) <= {"Reset"}


async def test_a_new_connection_that_is_lost_is_an_error(run: Run) -> None:
    count = itertools.count()

    async def behave(seen: Seen, writer: asyncio.StreamWriter) -> None:
        if next(count) == 0:
            await ok(seen, writer)
        else:
            writer.close()

    async with running(x=behave) as server:
        (got,) = (await run(plan(server.url, burst(3), step("/x"), timeout="3s"))).window.steps
    # The second was sent anew once and lost again; the third had a new connection from the start.
    assert (got.succeeded, got.errors, got.attempts) == (1, {"Reset": 2}, 4)


async def test_a_response_that_has_begun_is_not_asked_for_again(run: Run) -> None:
    count = itertools.count()

    async def behave(seen: Seen, writer: asyncio.StreamWriter) -> None:
        if next(count) == 0:
            await ok(seen, writer)
        else:
            writer.write(b"HTTP/1.1 200 X\r\nContent-Le")
            writer.close()

    async with running(x=behave) as server:
        (got,) = (await run(plan(server.url, burst(2), step("/x"), timeout="3s"))).window.steps
    assert (got.errors, got.attempts) == ({"Reset": 1}, 2)


async def test_a_timeout_does_not_count_the_bytes_of_the_response_before(run: Run) -> None:
    count = itertools.count()

    async def behave(seen: Seen, writer: asyncio.StreamWriter) -> None:
        await (ok(seen, writer) if next(count) == 0 else asyncio.sleep(60))

    async with running(x=behave) as server:
        (got,) = (await run(plan(server.url, burst(2), step("/x"), timeout="300ms"))).window.steps
    assert (got.errors, got.bytes_received) == ({"Timeout": 1}, 39)
