"""Servers that break the rules: each breach has its class, and the next request goes well."""

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator
from time import monotonic_ns

import pytest
import uvloop
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from perfrun.engine.errors import ErrorClass
from perfrun.engine.run import Engine
from perfrun.measure.plan import RunPlan
from perfrun.measure.report import WorkerReport
from perfrun.reach.values import Values

GOOD = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
RST = struct.pack("ii", 1, 0)


class Script:
    """What is written in answer to a request, and how the connection then fares."""

    def __init__(
        self, *parts: bytes, pause: float = 0.0, close: bool = False, reset: bool = False
    ) -> None:
        self.parts, self.pause, self.close, self.reset = parts, pause, close, reset

    async def play(self, writer: asyncio.StreamWriter) -> None:
        """Write it."""
        for part in self.parts:
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(self.pause)
        if self.reset:
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RST)
            writer.transport.abort()
        elif self.close:
            writer.close()


@contextlib.asynccontextmanager
async def serving(scripts: list[Script]) -> AsyncIterator[str]:
    """A server that answers request k with script k, and well after the last of them."""
    left = iter(scripts)
    serving: set[asyncio.Task[None]] = set()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while not writer.is_closing():
                await reader.readuntil(b"\r\n\r\n")
                await next(left, Script(GOOD)).play(writer)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await talk(reader, writer)
        finally:
            writer.transport.abort()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(serve(reader, writer))
        serving.add(task)
        task.add_done_callback(serving.discard)

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for task in list(serving):
            task.cancel()
        await asyncio.gather(*serving, return_exceptions=True)
        await asyncio.sleep(0)  # one turn of the loop, in which what was aborted goes away


def run(scripts: list[Script], requests: int, timeout: str = "400ms") -> WorkerReport:
    """One user that makes so many requests; bounded in time, or it fails."""

    async def go() -> WorkerReport:
        async with serving(scripts) as url:
            plan = RunPlan.model_validate(
                {
                    "uid": "u",
                    "namespace": "n",
                    "test": "t",
                    "run": "r",
                    "seed": 1,
                    "target": {"http": {"url": url, "timeout": timeout}},
                    "scenarios": [
                        {
                            "name": "s",
                            "steps": [{"name": "x", "expect": {"maxBytes": 100_000}}],
                        }
                    ],
                    "load": {"burst": {"requests": requests, "concurrency": 1}},
                }
            )
            async with asyncio.timeout(30 + requests):
                return await Engine(plan, 0, Values()).run(monotonic_ns() + 10_000_000)

    return uvloop.run(go())


BREACHES = [
    pytest.param(Script(b"HTTP/1.1 2", reset=True), "Reset", id="resets in the head"),
    pytest.param(Script(GOOD[:-1], reset=True), "Reset", id="resets in the body"),
    pytest.param(Script(GOOD[:-1], close=True), "Reset", id="truncates the body"),
    pytest.param(Script(GOOD[:-1]), "Timeout", id="promises more than it sends"),
    pytest.param(Script(*(bytes([b]) for b in GOOD), pause=0.05), "Timeout", id="trickles"),
    pytest.param(Script(b"", GOOD, pause=0.6), "Timeout", id="answers after the timeout"),
    pytest.param(Script(b"\x00" * 2000), "Protocol", id="NUL bytes"),
    pytest.param(Script(b"ok\n", close=True), "Protocol", id="HTTP/0.9"),
    pytest.param(Script(b"HTTP/1.1 000 X\r\n\r\n"), None, id="status 000"),
    pytest.param(Script(b"HTTP/1.1 200 X\r\nA: " + b"a" * 100_000), "Protocol", id="huge head"),
    pytest.param(
        Script(b"HTTP/1.1 200 X\r\nContent-Length: -5\r\n\r\n"), "Protocol", id="negative length"
    ),
    pytest.param(
        Script(b"HTTP/1.1 200 X\r\nContent-Length: 99999999999999999999\r\n\r\n"),
        "Protocol",
        id="length beyond 64 bits",
    ),
    pytest.param(
        Script(b"HTTP/1.1 200 X\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok"),
        "Protocol",
        id="two lengths",
    ),
    pytest.param(
        Script(b"HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\nok"),
        "Protocol",
        id="bad chunk",
    ),
    pytest.param(
        Script(b"HTTP/1.1 200 X\r\nContent-Length: 200000\r\n\r\n" + b"a" * 200_000),
        "Size",
        id="more than maxBytes",
    ),
    pytest.param(
        Script(b"HTTP/1.1 103 Hints\r\n\r\n" * 5000, close=True), "Protocol", id="1xx flood"
    ),
]


@pytest.mark.parametrize(("script", "error"), BREACHES)
def test_a_breach_has_its_class_and_the_next_request_goes_well(
    script: Script, error: str | None
) -> None:
    report = run([Script(GOOD), script], 4)
    (step,) = report.window.steps
    assert step.sent == 4
    if error is None:
        assert step.failed == 1
    else:
        assert step.errors == {error: 1}
    assert step.succeeded == 3


@pytest.mark.parametrize(("resets", "errors"), [(1, {}), (2, {"Reset": 1})])
def test_a_reset_at_once_is_an_error_unless_sending_anew_helps(
    resets: int, errors: dict[str, int]
) -> None:
    report = run([Script(GOOD), *[Script(reset=True)] * resets], 4)
    (step,) = report.window.steps
    assert (step.sent, step.attempts, step.errors) == (4, 5, errors)
    assert step.succeeded == 4 - step.failed


def test_an_answer_that_nobody_asked_for_does_not_answer_the_next_request() -> None:
    twice = GOOD + GOOD.replace(b"200 OK", b"500 NO")
    report = run([Script(twice)], 3)
    assert report.window.steps[0].succeeded == 3


_PIECES = st.sampled_from(
    [
        GOOD,
        b"HTTP/1.1 200 OK\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n",
        b"HTTP/1.0 302 Found\r\nLocation: /x\r\n",
        b"Content-Length: 5\r\n",
        b"Transfer-Encoding: chunked\r\n",
        b"Connection: close\r\n",
        b"Upgrade: h2c\r\nConnection: Upgrade\r\n",
        b"\r\n",
        b"\n",
        b"5\r\nhello\r\n",
        b"0\r\n\r\n",
        b"ok",
        b"\x00\xff",
        b"HTTP/2.0 200\r\n\r\n",
    ]
)
_MESSAGES = st.one_of(
    st.binary(max_size=64),
    st.lists(st.one_of(_PIECES, st.binary(max_size=8)), max_size=6).map(b"".join),
    st.tuples(st.integers(0, len(GOOD) - 1), st.integers(0, 255)).map(
        lambda change: GOOD[: change[0]] + bytes([change[1]]) + GOOD[change[0] + 1 :]
    ),
)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
@given(st.lists(st.tuples(_MESSAGES, st.integers(1, 30), st.booleans()), min_size=10, max_size=20))
def test_fuzzed_responses_neither_crash_nor_hang_and_each_is_an_outcome(
    messages: list[tuple[bytes, int, bool]],
) -> None:
    scripts = [
        Script(message[:cut], message[cut:], close=close) for message, cut, close in messages
    ]
    report = run(scripts, len(scripts) + 2, timeout="60ms")
    (step,) = report.window.steps
    known = {error.value for error in ErrorClass}
    assert step.sent == step.succeeded + step.failed == len(scripts) + 2
    assert step.errors.keys() <= known
