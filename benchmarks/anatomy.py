"""Where the time of one request goes: ``python -m benchmarks.anatomy``.

The whole engine against nginx says what a request costs in user and system time. The Python chain
alone (response in, next request out) is timed on connections without sockets; what is left of the
user time is uvloop's and the interpreter's. The parser's share is the chain with a head that is
another one each time.
"""

import os
import time
from time import monotonic_ns, perf_counter

import uvloop

from benchmarks import cores
from benchmarks.engine import plan
from benchmarks.nginx import serving
from perfrun.engine.http.carrier import HttpCarrier
from perfrun.engine.http.connection_policy import CONNECTION_POLICIES
from perfrun.engine.http.http1 import Connection
from perfrun.engine.http.kind import HttpKind
from perfrun.engine.http.pool import Pool
from perfrun.engine.load.execution import Execution
from perfrun.engine.load.kind import VirtualUser
from perfrun.engine.record.recorder import Samples
from perfrun.engine.run import Engine
from perfrun.reach.values import Values
from perfrun.worker.main import spare_collector

SECONDS = 4
CONNECTIONS = 32
ROUNDS, BATCH = 40, 300
_HEAD = (
    b"HTTP/1.1 200 OK\r\nServer: nginx\r\nDate: Tue, 24 Nov 2026 00:54:51 GMT\r\n"
    b"Content-Type: text/plain\r\nContent-Length: 3\r\nConnection: keep-alive\r\n"
    b"X-Request-Id: %06d\r\n\r\nok\n"
)


class _Wire:
    """A transport that goes nowhere."""

    def write(self, data: bytes) -> None:
        """Forget it."""

    def is_closing(self) -> bool:
        """Never."""
        return False

    def abort(self) -> None:
        """Nothing to end."""


def _spec(url: str, duration: str) -> dict[str, object]:
    load = {"closed": {"users": CONNECTIONS, "duration": duration}}
    return {"target": {"http": {"url": url}}, "load": load}


async def _whole(url: str) -> tuple[float, float]:
    """us of user and of system time for each request against a real server."""
    engine = Engine(plan(_spec(url, f"{SECONDS}s")), 0, Values())
    spare_collector()
    before = os.times()
    report = await engine.run(monotonic_ns() + 10_000_000)
    after = os.times()
    count = report.window.steps[0].succeeded
    return (after.user - before.user) / count * 1e6, (after.system - before.system) / count * 1e6


async def _chain(messages: list[bytes]) -> float:
    """us of Python for each request, the best of many rounds."""
    made = plan(_spec("http://127.0.0.1:1/", "1h"))
    kind = HttpKind(made, Values())
    execution = Execution(made, 0, monotonic_ns(), kind.compile(made), [0], kind)
    carrier = execution._carrier
    assert isinstance(carrier, HttpCarrier)
    home: Pool = carrier.home
    give = CONNECTION_POLICIES["Shared"]().give
    spare_collector()
    links = []
    for number in range(CONNECTIONS):
        link = Connection(home)
        link.connection_made(_Wire())  # type: ignore[arg-type]
        links.append(link)
        give(home, VirtualUser(), link, monotonic_ns())
        execution.begin(number, monotonic_ns(), monotonic_ns(), 0, VirtualUser(1 << 62))
    best = float("inf")
    for _ in range(ROUNDS):
        begin = perf_counter()
        for turn in range(BATCH):
            message = messages[turn % len(messages)]
            for link in links:
                link.data_received(message)
        best = min(best, perf_counter() - begin)
    return best / BATCH / CONNECTIONS * 1e6


def _clock() -> float:
    begin = perf_counter()
    for _ in range(100_000):
        monotonic_ns()
    return (perf_counter() - begin) * 10


def _recording() -> float:
    """us to append one duration, and to fold it into its histogram later."""
    samples = Samples()
    add = samples.values.append
    begin = perf_counter()
    for _ in range(50):
        for value in range(100_000, 110_000):
            add(value)
        samples.fold()
    return (perf_counter() - begin) / 500_000 * 1e6


def main() -> None:
    """Print the table."""
    with serving() as target:
        os.sched_setaffinity(0, {int(cores.CLIENT)})  # nginx has the other one
        user, system = uvloop.run(_whole(f"{target.plain}/"))
    known = uvloop.run(_chain([_HEAD % 1]))
    parsed = uvloop.run(_chain([_HEAD % number for number in range(1000)]))
    rows = [
        ("part", "us a request", ""),
        ("---", "--:", "---"),
        ("kernel: read, write, epoll, TCP", f"{system:.2f}", "system time, whole engine"),
        ("engine in Python", f"{known:.2f}", "response in to next request out, no sockets"),
        ("- of it two readings of the clock", f"{2 * _clock():.2f}", ""),
        ("- of it two durations recorded", f"{2 * _recording():.2f}", "append now, fold later"),
        ("uvloop and the rest", f"{max(0.0, user - known):.2f}", "user time less the engine's"),
        ("**whole**", f"**{user + system:.2f}**", f"{CONNECTIONS} connections, one core"),
        ("where every head is another one", f"{parsed - known:+.2f}", "the C parser instead"),
    ]
    print("\n".join(f"| {' | '.join(row)} |" for row in rows))
    print(f"\nmeasured on {time.strftime('%Y-%m-%d')}, Python chain: best of {ROUNDS} rounds")


if __name__ == "__main__":
    main()
