"""One client of one case: ``python -m benchmarks.transports.drive CASE CLIENT URL SECONDS``.

Both clients of a case do the same on top of what is compared, and no more than it takes to keep it
busy: nothing is recorded. Prints one line of JSON.
"""

import asyncio
import gc
import itertools
import json
import ssl
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import uvloop

from benchmarks.engine import resident
from benchmarks.transports.with_h2 import Fields, H2Client
from perfrun.engine.errors import ErrorClass
from perfrun.engine.http.http1 import Connection
from perfrun.engine.http.http2.connection import Http2Connection
from perfrun.engine.http.http2.frames import encoder
from perfrun.engine.http.link import Link
from perfrun.engine.http.tls.handshake import Handshake
from perfrun.engine.response.read_plan import ReadMode, ReadPlan
from perfrun.worker.main import raise_descriptor_limit, spare_collector

STREAMS = 16
CONNECTIONS = 32
AT_ONCE = 8
"""Handshakes in progress."""
IDLE = 500
"""Connections whose memory is measured."""
WARM_S = 0.5
_AGENT = b"perfrun-transports"

Made = tuple[Any, asyncio.Protocol]


class Load:
    """Counts responses, and gives the next request."""

    def __init__(self, url: str, *, varies: bool = False) -> None:
        """``varies``: each request has a path of its own."""
        parts = urlsplit(url)
        assert parts.hostname is not None
        assert parts.port is not None
        self.host, self.port = parts.hostname, parts.port
        self.authority = parts.netloc.encode()
        path = parts.path.encode()
        self.paths: Iterator[bytes] = itertools.repeat(path)
        if varies:
            self.paths = (b"%s?n=%d" % (path, number) for number in itertools.count())
        self.varies = varies
        self.count = 0

    def http1(self) -> bytes:
        """The next request, as HTTP/1.1 sends it."""
        line = b"GET %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: %s\r\n\r\n"
        return line % (next(self.paths), self.authority, _AGENT)

    def done(self, status: int) -> None:
        """Count a response."""
        if status != 200:
            raise SystemExit(f"a response with status {status}")
        self.count += 1


class Repeat:
    """Sends the next request on its link as soon as a response is there."""

    def __init__(self, load: Load, request: Callable[[], Any]) -> None:
        self._load, self._request = load, request
        self._plan = ReadPlan(ReadMode.STATUS, 0)
        self.first: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.stopped = False

    def send(self, link: Link) -> None:
        """Begin."""
        link.send(self, self._request(), self._plan)

    def responded(self, link: Link, now: int) -> None:  # noqa: ARG002, as Exchange has it
        """Go on."""
        self._load.done(link.status)
        if not self.first.done():
            self.first.set_result(None)
        if not self.stopped:
            link.send(self, self._request(), self._plan)

    def broken(self, error: ErrorClass, said: str = "") -> None:
        """No server of this comparison does that."""
        raise SystemExit(f"a request failed: {error} {said}")

    def unanswered(self, error: ErrorClass) -> None:
        """As broken."""
        raise SystemExit(f"a request failed: {error}")

    def refused(self) -> None:
        """As broken."""
        raise SystemExit("a request was refused")


class Nowhere:
    """Where links belong."""

    def forget(self, link: Link) -> None:
        """A link is gone: at the end."""


def _context(protocol: str) -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols([protocol])
    return context


async def ours(load: Load, inner: asyncio.Protocol, context: ssl.SSLContext) -> Made:
    """A connection over perfrun's TLS transport."""
    loop = asyncio.get_running_loop()
    _, handshake = await loop.create_connection(
        lambda: Handshake(inner, context, load.host, None), load.host, load.port
    )
    await handshake.done
    return handshake, inner


async def uvloops(load: Load, inner: asyncio.Protocol, context: ssl.SSLContext) -> Made:
    """A connection over uvloop's TLS transport."""
    loop = asyncio.get_running_loop()
    return await loop.create_connection(
        lambda: inner, load.host, load.port, ssl=context, server_hostname=load.host
    )


Connect = Callable[[Load, asyncio.Protocol, ssl.SSLContext], Awaitable[Made]]


# --- HTTP/2: one connection over perfrun's TLS --------------------------------------------------


async def http2_ours(load: Load) -> None:
    """Streams of perfrun's HTTP/2."""
    connection = Http2Connection(Nowhere())
    await ours(load, connection, _context("h2"))
    await connection.ready
    encode = encoder("https")
    if load.varies:
        repeat = Repeat(load, lambda: encode(load.http1()))
    else:
        once = encode(load.http1())  # as the engine does with a request without a template
        repeat = Repeat(load, lambda: once)
    for _ in range(STREAMS):
        repeat.send(connection.stream())
    await repeat.first


async def http2_h2(load: Load) -> None:
    """Streams of the library h2."""
    before = [(b":method", b"GET"), (b":scheme", b"https"), (b":authority", load.authority)]
    after = [(b"user-agent", _AGENT)]
    if load.varies:
        client = H2Client(
            STREAMS, lambda: [*before, (b":path", next(load.paths)), *after], load.done
        )
    else:
        once: Fields = [*before, (b":path", next(load.paths)), *after]
        client = H2Client(STREAMS, lambda: once, load.done)
    await ours(load, client, _context("h2"))


# --- TLS: HTTP/1.1 on either transport ----------------------------------------------------------


async def requests(load: Load, connect: Connect, connections: int) -> list[Repeat]:
    """Connections that are busy; returns when each has had a response."""
    context, once = _context("http/1.1"), load.http1()
    repeats = []
    for _ in range(connections):
        link = Connection(Nowhere())
        await connect(load, link, context)
        repeats.append(Repeat(load, lambda: once))
        repeats[-1].send(link)
    await asyncio.gather(*(repeat.first for repeat in repeats))
    return repeats


async def handshakes(load: Load, connect: Connect) -> None:
    """New connections one after the other, with one request on each."""
    context, once = _context("http/1.1"), load.http1()
    while True:
        link = Connection(Nowhere())
        await connect(load, link, context)
        repeat = Repeat(load, lambda: once)
        repeat.stopped = True
        repeat.send(link)
        await repeat.first
        link.abandon()  # by a reset: no port waits for its reuse


async def memory(load: Load, connect: Connect) -> dict[str, float]:
    """KiB of memory for each connection that has had a response."""
    for repeat in await requests(load, connect, 10):  # what the first ones need for all
        repeat.stopped = True
    gc.collect()
    before = resident()
    context, once = _context("http/1.1"), load.http1()
    kept = []
    for _ in range(IDLE):
        link, repeat = Connection(Nowhere()), Repeat(load, lambda: once)
        repeat.stopped = True
        await connect(load, link, context)
        repeat.send(link)
        await repeat.first
        kept.append(link)
    gc.collect()
    return {"kib": (resident() - before) / 1024 / len(kept)}


async def window(load: Load, seconds: float) -> dict[str, float]:
    """What each response costs while the load goes on."""
    await asyncio.sleep(WARM_S)
    spare_collector()
    count, used, begin = load.count, time.process_time(), time.monotonic()
    await asyncio.sleep(seconds)
    count, used = load.count - count, time.process_time() - used
    return {"cpu_us": used / count * 1e6, "rate": count / (time.monotonic() - begin)}


async def drive(case: str, client: str, url: str, seconds: float) -> dict[str, float]:
    """Run a case with one of its clients."""
    load = Load(url, varies=case == "http2-varied")
    if case.startswith("http2"):
        await {"perfrun": http2_ours, "h2": http2_h2}[client](load)
        return await window(load, seconds)
    connect: Connect = {"perfrun": ours, "uvloop": uvloops}[client]
    if case == "memory":
        return await memory(load, connect)
    if case == "handshakes":
        tasks = [asyncio.create_task(handshakes(load, connect)) for _ in range(AT_ONCE)]
        figures = await window(load, seconds)
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        return figures
    await requests(load, connect, CONNECTIONS)
    return await window(load, seconds)


def main() -> None:
    """Print what was measured; the process ends with its connections open."""
    case, client, url, seconds = sys.argv[1:]
    raise_descriptor_limit()
    loop = uvloop.new_event_loop()
    asyncio.set_event_loop(loop)
    figures = loop.run_until_complete(drive(case, client, url, float(seconds)))
    print(json.dumps(figures), flush=True)


if __name__ == "__main__":
    main()
