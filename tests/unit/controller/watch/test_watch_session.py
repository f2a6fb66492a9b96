"""The session of the watches: what it asks for, and how it reads what comes."""

import asyncio
import json
from collections.abc import AsyncIterator
from itertools import pairwise
from unittest.mock import Mock

import aiohttp
import kopf
import pytest
from aiohttp import web

from perfrun.api import Json
from perfrun.controller.watch.session import METADATA, WatchStream, session_of
from perfrun.kube.client import METADATA_LIST

DEEP = b'{"a":' * 5000 + b"1" + b"}" * 5000


def event(kind: str, version: int, more: str = "") -> bytes:
    about = f'"metadata":{{"name":"run-{version}","resourceVersion":"{version}"}}'
    return f'{{"type":"{kind}","object":{{{about}{more}}}}}\n'.encode()


class Server:
    """Lists and watches of an API server whose objects are nested deep."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str | None]] = []
        self.url = ""
        self.go_on = asyncio.Event()

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.asked.append((request.path_qs, request.headers.get("Accept")))
        if request.path.startswith("/refused"):
            return web.json_response({"kind": "Status", "code": 403}, status=403)
        if "watch" not in request.query:
            none = request.path.startswith("/none")
            body = b'{"items":null}' if none else b'{"items":[' + DEEP + b"]}"
            return web.Response(body=body, content_type="application/json")
        response = web.StreamResponse()
        await response.prepare(request)
        second, deep = event("MODIFIED", 2), event("DELETED", 3, f',"a":{DEEP.decode()}')
        for part in (
            event("ADDED", 1) + second[:20],
            second[20:] + deep[:20_000],
            deep[20_000:] + b"\n" + event("BOOKMARK", 4),
            b'{"type":"ERROR","object":{"code":410}}\n',
        ):
            await response.write(part)
            await self.go_on.wait()
            await asyncio.sleep(0.01)
        await response.write_eof()
        return response


class Delivered:
    """What a session has delivered."""

    def __init__(self, server: Server) -> None:
        self.events: list[tuple[str | None, Json]] = []
        found = kopf.ConnectionInfo(server=server.url)
        self.session = session_of(found, {"perfruns": self.take}).aiohttp_session

    def take(self, kind: str | None, body: Json) -> None:
        self.events.append((kind, body))


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
    server.go_on.set()
    await runner.cleanup()


async def test_objects_of_a_watch_are_delivered_and_kopf_learns_how_far_it_is(
    server: Server,
) -> None:
    server.go_on.set()
    told = Delivered(server)
    async with told.session, told.session.get(f"{server.url}/x/perfruns?watch=true") as response:
        # As kopf reads it.
        text = b"".join([chunk async for chunk in response.content.iter_chunked(1024 * 1024)])
    assert [(kind, body["metadata"]["name"]) for kind, body in told.events] == [
        ("ADDED", "run-1"),
        ("MODIFIED", "run-2"),
        ("DELETED", "run-3"),
    ]
    lines = [json.loads(line) for line in text.split(b"\n") if line]
    *bookmarks, error = lines
    assert error == {"type": "ERROR", "object": {"code": 410}}
    assert {one["type"] for one in bookmarks} == {"BOOKMARK"}
    assert [one["object"]["metadata"]["resourceVersion"] for one in bookmarks] == ["1", "2", "4"]


async def test_each_object_is_delivered_as_soon_as_it_has_come(server: Server) -> None:
    told = Delivered(server)
    async with told.session, told.session.get(f"{server.url}/x/perfruns?watch=true") as response:
        await anext(aiter(response.content.iter_chunked(1024 * 1024)))
        assert [body["metadata"]["name"] for _, body in told.events] == ["run-1"]
        server.go_on.set()


async def test_thousands_of_objects_that_come_at_once_are_handled_in_many_turns_of_the_loop() -> (
    None
):
    seen: list[int] = []
    handled: list[Json] = []

    async def count() -> None:
        while True:
            seen.append(len(handled))
            await asyncio.sleep(0)

    stream = aiohttp.StreamReader(Mock(), 2**20, loop=asyncio.get_running_loop())
    for version in range(5000):
        stream.feed_data(event("ADDED", version, ',"spec":"' + "x" * 1000 + '"'))
    stream.feed_eof()
    counting = asyncio.create_task(count())
    lines = WatchStream(stream, lambda _, body: handled.append(body)).iter_chunked(2**30)
    assert len([line async for line in lines]) == len(seen) > 50
    counting.cancel()
    assert max(after - before for before, after in pairwise(seen)) < 100
    assert len(handled) == 5000


async def test_list_is_delivered_however_deep_it_is(server: Server) -> None:
    told = Delivered(server)
    async with told.session, told.session.get(f"{server.url}/x/perfruns") as response:
        assert (await response.json()) == {"items": []}
        assert [(kind, "a" in body) for kind, body in told.events] == [(None, True)]
        none = await told.session.get(f"{server.url}/none/perfruns")
        assert (await none.json()) == {"items": []}
        assert len(told.events) == 1


async def test_watch_goes_on_where_an_object_cannot_be_handled(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    server.go_on.set()
    names = []

    def fail_once(_: str | None, body: Json) -> None:
        names.append(body["metadata"]["name"])
        if len(names) == 1:
            raise ValueError("unexpected")

    found = kopf.ConnectionInfo(server=server.url)
    session = session_of(found, {"perfruns": fail_once}).aiohttp_session
    async with session, session.get(f"{server.url}/x/perfruns?watch=true") as response:
        async for _ in response.content.iter_chunked(1024 * 1024):
            pass
    assert names == ["run-1", "run-2", "run-3"]
    assert "event ADDED of run-1 is skipped" in caplog.text


async def test_what_is_refused_is_for_kopf(server: Server) -> None:
    told = Delivered(server)
    async with told.session, told.session.get(f"{server.url}/refused/perfruns") as response:
        assert (await response.json()) == {"kind": "Status", "code": 403}
    assert told.events == []


async def test_only_names_are_asked_for_of_tests(server: Server) -> None:
    session = Delivered(server).session
    async with session:
        for path in ("/x/perftests", "/x/perftests?watch=true", "/x/perfruns"):
            (await session.get(server.url + path)).close()
    assert [accept for _, accept in server.asked] == [METADATA_LIST, METADATA, "*/*"]
