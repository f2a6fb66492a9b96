"""The operator's ports: so many connections, for so long, and no more."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import pytest
import uvloop
from aiohttp import web

from perfrun.controller.serve.server import PortLimits, serving
from perfrun.controller.serve.tls import make_pair, server_context
from tests.cluster.components import free_port

ASK = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
LIMITS = PortLimits(connections=6, each_peer=3, head_s=20.0, life_s=None)

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Port:
    """A served port, and its clients."""

    def __init__(self, number: int) -> None:
        self.number = number
        self._writers: list[asyncio.StreamWriter] = []

    async def open(
        self, peer: str = "127.0.0.1", sent: bytes = b"GET / HT", tls: ssl.SSLContext | None = None
    ) -> Streams:
        """A connection of ``peer``; by default its head never becomes complete."""
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", self.number, local_addr=(peer, 0), ssl=tls
        )
        self._writers.append(writer)
        writer.write(sent)
        return reader, writer

    async def close(self) -> None:
        for writer in self._writers:
            writer.transport.abort()
            with contextlib.suppress(OSError):
                await writer.wait_closed()


@asynccontextmanager
async def _serve(limits: PortLimits, context: ssl.SSLContext | None = None) -> AsyncIterator[Port]:
    async def hello(_: web.Request) -> web.Response:
        return web.Response(text="hello")

    app, port = web.Application(), Port(free_port())
    app.router.add_get("/", hello)
    async with serving(app, port.number, limits, context):
        try:
            yield port
        finally:
            await port.close()


async def _is_answered(streams: Streams) -> bool:
    try:
        return (await asyncio.wait_for(streams[0].read(1), 5)) != b""
    except ConnectionError:
        return False


def _run(
    test: Callable[[], Awaitable[None]], loop: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(test())  # type: ignore[arg-type]


LOOPS = pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop])


@LOOPS
def test_connections_over_the_limit_of_a_peer_are_closed_and_others_go_on(
    loop: Callable[[], asyncio.AbstractEventLoop],
) -> None:
    async def test() -> None:
        async with _serve(LIMITS) as port:
            kept = [await port.open(sent=ASK) for _ in range(LIMITS.each_peer)]
            assert [await _is_answered(one) for one in kept] == [True] * len(kept)
            assert not await _is_answered(await port.open(sent=ASK))
            assert await _is_answered(await port.open("127.0.0.2", sent=ASK))
            kept[0][1].close()
            async with asyncio.timeout(5):
                while not await _is_answered(await port.open(sent=ASK)):
                    await asyncio.sleep(0.01)

    _run(test, loop)


@LOOPS
def test_connections_over_the_limit_in_all_are_closed(
    loop: Callable[[], asyncio.AbstractEventLoop],
) -> None:
    async def test() -> None:
        async with _serve(LIMITS) as port:
            peers = [f"127.0.0.{last}" for last in (1, 1, 1, 2, 2, 2)]
            for peer in peers:
                assert await _is_answered(await port.open(peer, sent=ASK))
            assert not await _is_answered(await port.open("127.0.0.3", sent=ASK))

    _run(test, loop)


@LOOPS
@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
def test_half_open_ones_make_room_the_oldest_first(
    loop: Callable[[], asyncio.AbstractEventLoop], tls: bool
) -> None:
    """Of one peer or of many: whoever sends a whole head is answered."""

    async def test() -> None:
        pair = make_pair(datetime.now(UTC), "127.0.0.1")
        context = server_context(pair) if tls else None
        asking = ssl.create_default_context(cadata=pair.certificate) if tls else None
        async with _serve(LIMITS, context) as port:
            sent = b"" if tls else b"GET / HT"  # a handshake that is never begun
            flood = [await port.open(f"127.0.0.{2 + number % 9}", sent) for number in range(40)]
            for peer in ("127.0.0.1", "127.0.0.2"):
                assert await _is_answered(await port.open(peer, ASK, asking))
            assert not await _is_answered(flood[0])

    _run(test, loop)


@LOOPS
@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize("sent", [b"", b"GET / HTTP/1.1\r\nHost: x\r\n"])
def test_a_head_that_does_not_come_is_not_waited_for(
    loop: Callable[[], asyncio.AbstractEventLoop], tls: bool, sent: bytes
) -> None:
    async def test() -> None:
        context = server_context(make_pair(datetime.now(UTC), "127.0.0.1")) if tls else None
        async with _serve(LIMITS._replace(head_s=0.3), context) as port:
            assert not await _is_answered(await port.open(sent=sent))

    _run(test, loop)


@LOOPS
def test_a_connection_ends_after_its_time_whatever_it_does(
    loop: Callable[[], asyncio.AbstractEventLoop],
) -> None:
    async def test() -> None:
        async with _serve(LIMITS._replace(life_s=0.5)) as port:
            reader, writer = await port.open(sent=ASK)
            with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
                async with asyncio.timeout(5):
                    while True:
                        await reader.readuntil(b"hello")
                        writer.write(ASK)

    _run(test, loop)


async def test_a_port_that_is_taken_is_said() -> None:
    async with _serve(LIMITS) as port:
        with pytest.raises(OSError, match="in use"):
            async with serving(web.Application(), port.number, LIMITS):
                pass
