"""A name with several addresses, one of which does not answer."""

import contextlib
import socket
from collections.abc import Iterator

import pytest

from perfrun.reach.resolver import Resolver

from .conftest import Run
from .server import plan, running


@contextlib.contextmanager
def silent(address: str, port: int) -> Iterator[None]:
    """Nothing that is sent there is answered: what listens there has no space for a connection."""
    with contextlib.ExitStack() as held:
        listening = held.enter_context(socket.socket())
        listening.bind((address, port))
        listening.listen(0)
        for _ in range(6):
            client = held.enter_context(socket.socket())
            client.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                client.connect((address, port))
        yield


async def test_one_silent_address_of_two_fails_nothing(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def resolve(self: Resolver) -> None:
        self._addresses, self._lookup = ["127.0.0.2", "127.0.0.1"], None

    monkeypatch.setattr(Resolver, "_resolve", resolve)
    async with running() as server:
        with silent("127.0.0.2", server.port):
            asked = plan(
                server.url,
                {"open": {"rate": "40/s", "duration": "1s"}},
                connections="PerRequest",
                connectTimeout="1s",
            )
            report = await run(asked)
    (got,) = report.window.steps
    assert (got.succeeded, got.errors) == (40, {})
    connect = got.timings["connect/success"]
    assert connect.quantile(0.5) < 250_000_000 < connect.quantile(1) < 600_000_000
