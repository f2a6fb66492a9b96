"""A server whose truth is known: it notes when each request was read and when it was answered.

A process of its own, so that it shares no event loop with the generator; the clock is the same
(CLOCK_MONOTONIC). ``python -m tests.conformance.server KIND`` prints its port, and its log once a
line comes in; for the line ``seen``, how many requests it has read so far.
"""

import asyncio
import contextlib
import io
import random
import re
import subprocess
import sys
import time
from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from time import monotonic_ns

import numpy as np
import numpy.typing as npt
import uvloop

MS = 1_000_000
S = 1000 * MS
STALL_AFTER, STALL = 2.0, 1.4
"""Seconds: when a stalling server stops, after its first request, and for how long."""
SERIAL = 5 * MS
"""ns that a serial server takes for each request, one after the other."""

BASE = 20 * MS
"""ns that an answer takes where the time is not what the case is about."""
DIES_AFTER = 1.4
"""Seconds after its first request from which on a dying server answers no more."""

Delay = Callable[[random.Random], int]
"""Draws the time (ns) that an answer takes."""

DELAYS: dict[str, Delay] = {
    "constant": lambda draw: 100 * MS,
    # Seven of eight, not nine of ten: p90 would lie on the edge, where one request more or less
    # makes it the one or the other.
    "bimodal": lambda draw: 40 * MS if draw.random() < 7 / 8 else 200 * MS,
    "tail": lambda draw: min(round(40 * MS * draw.lognormvariate(0, 0.8)), S),
    "stall": lambda draw: BASE,
    "dying": lambda draw: BASE,
    "serial": lambda draw: 0,
    "instant": lambda draw: 0,
}
_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok\n"
_NUMBER = re.compile(rb"GET /(\d+)[ ?]")


class _Service:
    """What all connections share."""

    def __init__(self, kind: str) -> None:
        self.kind, self.delay = kind, DELAYS[kind]
        self.random = random.Random(7)
        self.loop = asyncio.get_running_loop()
        self.numbers, self.read, self.answered = array("q"), array("q"), array("q")
        self.free_at = 0

    def take(self, request: bytes, transport: asyncio.Transport) -> None:
        """Note a request, and answer it when its time has come."""
        now = monotonic_ns()
        place = len(self.read)
        if place == 0 and self.kind == "stall":
            self.loop.call_later(STALL_AFTER, time.sleep, STALL)
        found = _NUMBER.match(request)
        self.numbers.append(int(found[1]) if found else place)
        self.read.append(now)
        self.answered.append(0)
        if self.kind == "dying" and now - self.read[0] > DIES_AFTER * S:
            return
        wait = self.delay(self.random)
        if self.kind == "serial":
            self.free_at = max(self.free_at, now) + SERIAL
            wait = self.free_at - now
        if wait:
            self.loop.call_later(wait / S, self._answer, place, transport)
        else:
            self._answer(place, transport)

    def _answer(self, place: int, transport: asyncio.Transport) -> None:
        if not transport.is_closing():
            self.answered[place] = monotonic_ns()
            transport.write(_ANSWER)


class _Protocol(asyncio.Protocol):
    def __init__(self, service: _Service) -> None:
        self._service, self._rest = service, b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        *requests, self._rest = (self._rest + data).split(b"\r\n\r\n")
        for request in requests:
            self._service.take(request, self._transport)  # type: ignore[arg-type]


async def _serve(kind: str) -> None:
    service = _Service(kind)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Protocol(service), "127.0.0.1", 0, backlog=4096)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    while await loop.run_in_executor(None, sys.stdin.readline) == "seen\n":
        sys.stdout.write(f"{len(service.read)}\n")
        sys.stdout.flush()
    server.close()
    # Not straight into standard output: NumPy writes past its buffer, and the array would be lost.
    seen = io.BytesIO()
    np.save(seen, np.array([service.numbers, service.read, service.answered]))
    sys.stdout.buffer.write(seen.getvalue())


@dataclass
class Log:
    """What a server noted, in the order of the requests."""

    numbers: npt.NDArray[np.int64]
    """Those in the paths, else 0, 1, 2 ..."""
    read: npt.NDArray[np.int64]
    """When each was read, monotonic ns."""
    answered: npt.NDArray[np.int64]
    """When each was answered; 0: never."""


class Running:
    """A server in progress."""

    def __init__(self, process: "subprocess.Popen[bytes]", url: str) -> None:
        self._process, self.url = process, url

    def seen(self) -> int:
        """How many requests it has read so far."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(b"seen\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())

    def log(self) -> Log:
        """Stop it, and read what it noted."""
        out, _ = self._process.communicate(b"\n", timeout=30)
        return Log(*np.load(io.BytesIO(out)))


@contextlib.contextmanager
def serving(kind: str) -> Iterator[Running]:
    """A server of a kind (:data:`DELAYS`), until the end of the block."""
    argv = [sys.executable, "-m", "tests.conformance.server", kind]
    process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout is not None
    try:
        yield Running(process, f"http://127.0.0.1:{int(process.stdout.readline())}")
    finally:
        process.kill()
        process.communicate()


if __name__ == "__main__":
    uvloop.run(_serve(sys.argv[1]))
