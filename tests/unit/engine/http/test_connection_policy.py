"""Which connection is used again, and which is not."""

import asyncio
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass
from time import monotonic_ns

import pytest

from perfrun.api.test.target import HttpTarget
from perfrun.engine.http.connection_policy import (
    CONNECTION_POLICIES,
    IDLE_LIMIT,
    LOOK_AFTER,
    ConnectionPolicy,
    HttpUser,
)
from perfrun.engine.http.http1 import Connection
from perfrun.engine.http.pool import Pool
from perfrun.engine.http.request import origin_of
from perfrun.engine.http.tls.settings import trust
from perfrun.engine.load.kind import VirtualUser
from perfrun.logic.plan.network import ANYWHERE
from perfrun.reach.values import Values


@dataclass
class Opened:
    """A connection, and the server's end of it."""

    pool: Pool
    connection: Connection
    far: socket.socket


@pytest.fixture
async def opened() -> AsyncIterator[Opened]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        target = HttpTarget(url=f"http://127.0.0.1:{listening.getsockname()[1]}")
        security = trust(target, Values(), ANYWHERE).home
        pool = Pool(origin_of(target.url), security, target.connect_timeout, ANYWHERE)
        connection = (await pool.open()).connection
        far, _ = listening.accept()
        with far:
            yield Opened(pool, connection, far)  # type: ignore[arg-type]
    connection.abandon()
    await asyncio.sleep(0)


@pytest.fixture(params=["Shared", "PerUser"])
def policy(request: pytest.FixtureRequest) -> ConnectionPolicy:
    return CONNECTION_POLICIES[request.param]()


async def test_a_connection_is_used_again_until_it_is_too_old(
    opened: Opened, policy: ConnectionPolicy
) -> None:
    user, now = VirtualUser(), monotonic_ns()
    for idle in (0, LOOK_AFTER, IDLE_LIMIT - 1):
        policy.give(opened.pool, user, opened.connection, now)
        assert policy.take(opened.pool, user, now + idle) is opened.connection
    policy.give(opened.pool, user, opened.connection, now)
    assert policy.take(opened.pool, user, now + IDLE_LIMIT) is None
    assert opened.connection.transport.is_closing()


async def test_a_close_that_the_loop_has_not_heard_of_is_seen(
    opened: Opened, policy: ConnectionPolicy
) -> None:
    user, now = VirtualUser(), monotonic_ns()
    policy.give(opened.pool, user, opened.connection, now)
    opened.far.close()  # and no turn of the loop before the next use
    assert policy.take(opened.pool, user, now + LOOK_AFTER) is None
    assert opened.connection.transport.is_closing()


async def test_a_close_that_the_loop_has_heard_of_is_known_at_once(
    opened: Opened, policy: ConnectionPolicy
) -> None:
    user, now = VirtualUser(), monotonic_ns()
    policy.give(opened.pool, user, opened.connection, now)
    opened.far.close()
    async with asyncio.timeout(5):
        while not opened.connection.transport.is_closing():
            await asyncio.sleep(0)
    assert policy.take(opened.pool, user, now) is None


async def test_a_user_that_leaves_closes_its_own_connections(opened: Opened) -> None:
    user, policy = VirtualUser(), CONNECTION_POLICIES["PerUser"]()
    policy.give(opened.pool, user, opened.connection, monotonic_ns())
    user.leave()
    assert opened.connection.transport.is_closing()
    assert policy.take(opened.pool, user, monotonic_ns()) is None


async def test_cookies_stay_with_their_user() -> None:
    user, other = VirtualUser(), VirtualUser()
    origin = origin_of("http://shop/")
    HttpUser.of(user).cookies.set(origin, b"/", [b"a=1"])
    assert HttpUser.of(user).cookies.header(origin, b"/") == b"a=1"
    assert HttpUser.of(other).cookies.header(origin, b"/") == b""
