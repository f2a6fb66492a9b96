"""The proxy that a window's way out is: what it lets through, and that it ends."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import pytest
import uvloop

from perfrun.engine.browser.socks import SocksProxy, Ways
from perfrun.logic.plan.network import ANYWHERE, Fence
from perfrun.measure.plan import NetworkRule

Run = Callable[[Coroutine[Any, Any, Any]], Any]
BODY = bytes(range(256)) * 16_384
"""More than the buffers between a server and a browser that does not read hold."""
NOWHERE = Fence([NetworkRule(policy="lab", hosts=[], allow=None, deny=[])], "shop")

both = pytest.mark.parametrize("run", [asyncio.run, uvloop.run])


class Sender:
    """A server that sends a body, and hangs up as good servers do."""

    def __init__(self, body: bytes = BODY) -> None:
        self._body = body
        self.is_over = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            writer.write(self._body)
            writer.write_eof()
            while await reader.read(1024):
                pass
            writer.close()
            await writer.wait_closed()
        self.is_over.set()


@contextlib.asynccontextmanager
async def through(
    gate: SocksProxy, sender: Sender
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A browser's connection to it, asked for."""
    server = await asyncio.start_server(sender.serve, "127.0.0.1", 0)
    port: int = server.sockets[0].getsockname()[1]
    proxy = int((await gate.open()).rpartition(":")[2])
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy, limit=1024)
    writer.write(b"\x05\x01\x00\x05\x01\x00\x01\x7f\x00\x00\x01" + port.to_bytes(2, "big"))
    try:
        yield reader, writer
    finally:
        writer.close()
        gate.close()
        server.close()


def answered(kind: int) -> bytes:
    return b"\x05\x00\x05" + bytes([kind]) + b"\x00\x01" + bytes(6)


@both
def test_a_browser_that_reads_slowly_gets_all_that_the_server_has_sent(run: Run) -> None:
    async def visit() -> bytes:
        gate, sender, got = SocksProxy(Ways(ANYWHERE, 5.0)), Sender(), bytearray()
        async with asyncio.timeout(20), through(gate, sender) as (reader, writer):
            while chunk := await reader.read(64 * 1024):
                got += chunk
                writer.write(b"go on")  # as over HTTP/2, where what was read is told
                await asyncio.sleep(0.001)
        return bytes(got)

    got = run(visit())
    assert got[:12] == answered(0)
    assert len(got) - 12 == len(BODY)
    assert got[12:] == BODY


@both
@pytest.mark.parametrize(
    "body", [pytest.param(BODY, id="half sent"), pytest.param(b"x", id="sent")]
)
def test_a_browser_that_never_hangs_up_ends_with_its_window(run: Run, body: bytes) -> None:
    async def visit() -> None:
        gate, sender = SocksProxy(Ways(ANYWHERE, 5.0)), Sender(body)
        before = asyncio.all_tasks()
        async with asyncio.timeout(20), through(gate, sender) as (reader, _):
            await reader.readexactly(12)
            if body is BODY:
                while gate.received < len(BODY) // 4:
                    await asyncio.sleep(0.01)
            else:
                await sender.is_over.wait()
            gate.close()
            await sender.is_over.wait()
            while asyncio.all_tasks() - before:
                await asyncio.sleep(0.01)

    run(visit())


@both
def test_a_refusal_arrives(run: Run) -> None:
    async def visit() -> bytes:
        gate = SocksProxy(Ways(NOWHERE, 5.0))
        async with asyncio.timeout(20), through(gate, Sender()) as (reader, _):
            return await reader.read()

    assert run(visit()) == answered(2)
