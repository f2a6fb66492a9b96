"""Connections and locks of real database servers, beside what was done to them."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import asyncmy
import asyncpg
import pytest

from perfrun.logic.plan.network import ANYWHERE
from perfrun.measure.observed import ObservedMetric
from perfrun.observe.source import UnseenError
from perfrun.observe.sql import SqlSource
from perfrun.reach.dsn import parse_dsn
from perfrun.reach.resolver import Resolver
from tests.databases import PASSWORD, USER, Mariadb, Postgres, mariadb, postgres

AUTHOR = "perfrun/test shop/api"


@pytest.fixture(scope="module")
def pg(database_tools: None) -> Iterator[Postgres]:
    with postgres() as server:
        server.ask(
            "CREATE TABLE items(id int PRIMARY KEY, n int); INSERT INTO items VALUES (1, 0);"
            "GRANT ALL ON items TO loader"
        )
        yield server


@pytest.fixture(scope="module")
def my(database_tools: None) -> Iterator[Mariadb]:
    with mariadb() as server:
        server.ask("CREATE TABLE items(id int PRIMARY KEY, n int); INSERT INTO items VALUES (1, 0)")
        yield server


@contextlib.asynccontextmanager
async def watching(dsn: str) -> AsyncIterator[SqlSource]:
    parsed = parse_dsn(dsn, "dsn")
    source = SqlSource(parsed, Resolver(parsed.host, parsed.port, ANYWHERE), AUTHOR)
    try:
        yield source
    finally:
        await source.close()


async def until(source: SqlSource, metric: ObservedMetric, value: float) -> None:
    async with asyncio.timeout(10):
        while (await source.look())[metric] != value:
            # InnoDB renews its list of transactions only when nobody has read it for 0.1 s.
            await asyncio.sleep(0.2)


async def pg_login(pg: Postgres) -> "asyncpg.Connection":
    return await asyncpg.connect(pg.dsn())


async def test_postgres_connections_and_who_waits_for_a_lock(pg: Postgres) -> None:
    async with watching(pg.dsn()) as source:
        assert await source.look() == {"connections": 0.0, "locks": 0.0}
        first, second = await pg_login(pg), await pg_login(pg)
        assert (await source.look())["connections"] == 2.0
        held = first.transaction()
        await held.start()
        await first.execute("UPDATE items SET n = 1 WHERE id = 1")
        waits = asyncio.create_task(second.execute("UPDATE items SET n = 2 WHERE id = 1"))
        await until(source, "locks", 1.0)
        await held.commit()
        await waits
        await until(source, "locks", 0.0)
        await first.close()
        await second.close()
        await until(source, "connections", 0.0)
    seen = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'perfrun/%'"
    async with asyncio.timeout(10):
        while pg.ask(seen) != "0":
            await asyncio.sleep(0.02)


async def test_a_connection_that_the_server_ends_is_told_and_made_anew(pg: Postgres) -> None:
    async with watching(pg.dsn()) as source:
        await source.look()
        kill = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = "
        pg.ask(f"{kill}'{AUTHOR}'")
        with pytest.raises(UnseenError, match=r"closed the connection|terminating connection"):
            await source.look()
        assert (await source.look())["connections"] == 0.0


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"password": "wrong"}, "refused the login"),
        ({"database": "nowhere"}, "refused the login"),
    ],
)
async def test_a_login_that_is_refused_is_told_without_its_password(
    pg: Postgres, changed: dict[str, str], said: str
) -> None:
    async with watching(pg.dsn(**changed)) as source:
        with pytest.raises(UnseenError, match=said) as caught:
            await source.look()
    assert PASSWORD not in str(caught.value)
    assert "wrong" not in str(caught.value)


async def my_login(my: Mariadb) -> Any:  # asyncmy has types for a part of it
    return await asyncmy.connect(
        host="127.0.0.1", port=my.port, user=USER, password=PASSWORD, database="shop"
    )


async def test_mariadb_connections_and_locks_once_they_may_be_seen(my: Mariadb) -> None:
    async with watching(my.dsn()) as source:
        first, second = await my_login(my), await my_login(my)
        reading = await source.look()
        assert reading["connections"] == 2.0
        assert "refused the query" in str(reading["locks"])
        assert "PROCESS" in str(reading["locks"])
    my.ask(f"GRANT PROCESS ON *.* TO {USER}@'127.0.0.1'")
    async with watching(my.dsn()) as source:
        await first.begin()
        await first.query("UPDATE items SET n = 1 WHERE id = 1")
        waits = asyncio.create_task(second.query("UPDATE items SET n = 2 WHERE id = 1"))
        await until(source, "locks", 1.0)
        await first.commit()
        await waits
        await until(source, "locks", 0.0)
        first.close()
        second.close()
        await until(source, "connections", 0.0)


async def test_a_server_that_is_not_there_is_told(tmp_path: Path) -> None:
    async with watching("postgresql://me:s3cret@127.0.0.1:9/shop") as source:
        with pytest.raises(UnseenError, match=r"127\.0\.0\.1:9 refused the connection"):
            await source.look()
