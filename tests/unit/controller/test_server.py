"""The operator's ports: so many connections, and no more."""

import asyncio

import pytest
import uvloop
from aiohttp import web

from perfrun.controller import server
from tests.cluster.components import free_port

ASK = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


async def _is_answered(port: int) -> asyncio.StreamWriter | None:
    """The connection, kept open; None where it was closed without an answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(ASK)
    try:
        if (await asyncio.wait_for(reader.read(1), 5)) != b"":
            return writer
    except ConnectionError:
        pass
    writer.close()
    return None


async def _serve(most: int) -> None:
    async def hello(_: web.Request) -> web.Response:
        return web.Response(text="hello")

    app, port = web.Application(), free_port()
    app.router.add_get("/", hello)
    async with server.serving(app, port):
        kept = [await _is_answered(port) for _ in range(most)]
        assert None not in kept
        assert await _is_answered(port) is None
        assert kept[0] is not None
        kept[0].close()
        await kept[0].wait_closed()
        async with asyncio.timeout(5):
            while (again := await _is_answered(port)) is None:
                await asyncio.sleep(0.01)
        for writer in (*kept[1:], again):
            assert writer is not None
            writer.close()


@pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_connections_over_the_limit_are_closed_and_others_go_on(
    loop: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "MOST_CONNECTIONS", 3)
    with asyncio.Runner(loop_factory=loop) as runner:  # type: ignore[arg-type]
        runner.run(_serve(3))
