"""The maximum rate of this worker: a short load against itself."""

import asyncio
from time import monotonic_ns
from typing import cast

from perfrun.api.quantities import NS_PER_MS, NS_PER_S
from perfrun.api.test.load import Closed, Load
from perfrun.api.test.scenario import default_scenarios
from perfrun.api.test.target import HttpTarget, Target
from perfrun.engine.run import Engine
from perfrun.measure.plan import RunPlan
from perfrun.reach.values import Values

_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 3\r\n\r\nok\n"


async def ceiling() -> float:
    """Requests a second that the engine reaches on a loopback sink, in a tenth of a second.

    The sink runs in the same loop on the same core, so it is a lower bound of what the worker can
    send elsewhere.
    """
    loop = asyncio.get_running_loop()
    server = await loop.create_server(_Sink, "127.0.0.1", 0, backlog=64)
    try:
        port = server.sockets[0].getsockname()[1]
        engine = Engine(_plan(port), 0, Values())
        report = await engine.run(monotonic_ns() + 10 * NS_PER_MS)
    finally:
        server.close()
    done = sum(step.succeeded for step in report.window.steps)
    return done * NS_PER_S / report.window_time


def _plan(port: int) -> RunPlan:
    url = f"http://127.0.0.1:{port}/"
    return RunPlan(
        uid="selfcheck",
        namespace="",
        test="selfcheck",
        run="selfcheck",
        seed=0,
        target=Target(http=HttpTarget(url=url)),
        scenarios=default_scenarios(),
        load=Load(closed=Closed.model_validate({"users": 32, "duration": "100ms"})),
    )


class _Sink(asyncio.Protocol):
    """Answers every read: each one is one small request, because requests are never pipelined."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are not subclasses of asyncio's.
        self._write = cast(asyncio.Transport, transport).write

    def data_received(self, _data: bytes) -> None:
        self._write(_ANSWER)
