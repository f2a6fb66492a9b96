"""The session of the watches: what it asks for, and how it reads what comes."""

import asyncio
import json
from collections.abc import AsyncIterator

import kopf
import pytest
from aiohttp import web

from perfrun.controller.watch.watches import METADATA, session_of
from perfrun.kube.client import METADATA_LIST

DEEP = b'{"a":' * 5000 + b"1" + b"}" * 5000


class Server:
    """Lists and watches of an API server whose objects are nested deep."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str | None]] = []
        self.url = ""

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.asked.append((request.path_qs, request.headers.get("Accept")))
        if "watch" not in request.query:
            body = b'{"items":null}' if request.path == "/none" else b'{"items":[' + DEEP + b"]}"
            return web.Response(body=body, content_type="application/json")
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b'{"n":1}\n{"n":')
        await asyncio.sleep(0.01)
        await response.write(b'2}\n{"n":3,"deep":' + DEEP[:20_000])
        await asyncio.sleep(0.01)
        await response.write(DEEP[20_000:] + b'}\n\n{"n":4}\n')
        await asyncio.sleep(0.01)
        await response.write_eof()
        return response


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    server = Server()
    app = web.Application()
    app.router.add_get("/{tail:.*}", server.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    server.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield server
    await runner.cleanup()


async def test_lines_of_a_watch_can_be_read_however_deep_they_are(server: Server) -> None:
    session = session_of(kopf.ConnectionInfo(server=server.url)).aiohttp_session
    async with session, session.get(f"{server.url}/x/perfruns?watch=true") as response:
        # As kopf reads it.
        text = b"".join([chunk async for chunk in response.content.iter_chunked(1024)])
    lines = [json.loads(line) for line in text.split(b"\n") if line]
    assert [line["n"] for line in lines] == [1, 2, 3, 4]


async def test_each_line_is_there_as_soon_as_it_has_come(server: Server) -> None:
    session = session_of(kopf.ConnectionInfo(server=server.url)).aiohttp_session
    async with session, session.get(f"{server.url}/x/perfruns?watch=true") as response:
        first = await anext(aiter(response.content.iter_chunked(1024 * 1024)))
    assert first == b'{"n":1}\n'


async def test_list_can_be_read_however_deep_it_is(server: Server) -> None:
    session = session_of(kopf.ConnectionInfo(server=server.url)).aiohttp_session
    async with session, session.get(f"{server.url}/x/perfruns") as response:
        assert "a" in (await response.json())["items"][0]
        assert (await (await session.get(f"{server.url}/none")).json()) == {"items": []}


async def test_only_names_are_asked_for_of_tests(server: Server) -> None:
    session = session_of(kopf.ConnectionInfo(server=server.url)).aiohttp_session
    async with session:
        for path in ("/x/perftests", "/x/perftests?watch=true", "/x/perfruns"):
            await (await session.get(server.url + path)).read()
    assert [accept for _, accept in server.asked] == [METADATA_LIST, METADATA, "*/*"]
