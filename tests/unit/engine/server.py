"""A real HTTP server on 127.0.0.1 that records what it was asked, and misbehaves on request."""

import asyncio
import contextlib
import ssl
import zlib
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from perfrun.measure.plan import RunPlan


@dataclass
class Seen:
    """One request as the server read it."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


Behaviour = Callable[[Seen, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Server:
    """Its access log, and what it answers on each path (without the query)."""

    port: int = 0
    scheme: str = "http"
    log: list[Seen] = field(default_factory=list)
    behaviours: dict[str, Behaviour] = field(default_factory=dict)
    connections: int = 0
    closing: bool = False

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}"

    @property
    def paths(self) -> Counter[str]:
        return Counter(seen.path for seen in self.log)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            await self._serve(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.transport.abort() if self.closing else writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while not writer.is_closing():
            seen = await read(reader)
            self.log.append(seen)
            path = seen.path.partition("?")[0]
            await self.behaviours.get(path, ok)(seen, writer)
            await writer.drain()
            if seen.headers.get("connection") == "close":
                break


async def read(reader: asyncio.StreamReader) -> Seen:
    """One request; asserts that it is well-formed."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    line, *rest = head[:-4].split("\r\n")
    method, path, version = line.split(" ")
    assert version == "HTTP/1.1"
    headers = {name.lower(): value for name, value in (item.split(": ", 1) for item in rest)}
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    return Seen(method, path, headers, body)


def answer(status: int = 200, body: bytes = b"ok", **headers: str) -> Behaviour:
    """The behaviour of answering so."""
    lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())

    async def behave(seen: Seen, writer: asyncio.StreamWriter) -> None:
        head = f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\n{lines}\r\n"
        writer.write(head.encode() + (b"" if seen.method == "HEAD" else body))

    return behave


def raw(data: bytes, *, close: bool = False, abort: bool = False) -> Behaviour:
    """The behaviour of writing these bytes, and then perhaps ending the connection."""

    async def behave(_: Seen, writer: asyncio.StreamWriter) -> None:
        writer.write(data)
        await writer.drain()
        if abort:
            writer.transport.abort()
        elif close:
            writer.close()

    return behave


def slow(seconds: float) -> Behaviour:
    """The behaviour of answering late."""

    async def behave(seen: Seen, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(seconds)
        await ok(seen, writer)

    return behave


async def hang(_: Seen, writer: asyncio.StreamWriter) -> None:
    """Never answers; ends when the client does."""
    await writer.wait_closed()


ok = answer()


@contextlib.asynccontextmanager
async def running(
    tls: ssl.SSLContext | None = None, **behaviours: Behaviour
) -> AsyncIterator[Server]:
    """A server whose path ``/name`` behaves as the argument ``name`` says; others answer 200."""
    server = Server(
        scheme="https" if tls else "http",
        behaviours={f"/{name}": behaviour for name, behaviour in behaviours.items()},
    )
    tasks: set[asyncio.Task[None]] = set()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(server.serve(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    listening = await asyncio.start_server(accept, "127.0.0.1", 0, ssl=tls, backlog=1024)
    server.port = listening.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listening.close()
        server.closing = True
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0)  # one turn of the loop for what was aborted to be closed


def plan(
    url: str, load: Mapping[str, object], *steps: dict[str, object], **http: object
) -> RunPlan:
    """A plan of one scenario ``s`` with the given steps, or one GET of ``url``."""
    return RunPlan.model_validate(
        {
            "uid": "u",
            "namespace": "shop",
            "test": "t",
            "run": "t-1",
            "seed": 7,
            "target": {"http": {"url": url, **http}},
            "variables": {"region": "eu"},
            "scenarios": [{"name": "s", "steps": list(steps) or [{"name": "get"}]}],
            "load": load,
        }
    )


def step(path: str, name: str = "x", expect: object = None, **http: object) -> dict[str, object]:
    """A step as it is written."""
    written: dict[str, object] = {"name": name, "http": {"path": path, **http}}
    return written if expect is None else {**written, "expect": expect}


def burst(requests: int, concurrency: int | None = None, **load: object) -> dict[str, object]:
    """A burst, one at a time unless told otherwise."""
    return {"burst": {"requests": requests, "concurrency": concurrency or 1}, **load}


def bare(data: bytes) -> bytes:
    """Deflate without the header of zlib, as some servers send it."""
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()
