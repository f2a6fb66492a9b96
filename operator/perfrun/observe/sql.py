"""Connections to a database, and sessions that wait for a lock, according to the server."""

import contextlib
from typing import Any, Protocol

from typing_extensions import override

from perfrun.api.quantities import NS_PER_S
from perfrun.api.test.metric import CONNECTIONS, LOCKS
from perfrun.measure.observed import ObservedMetric
from perfrun.observe.source import ObservedSource, ObservedValues, UnseenError
from perfrun.reach.dsn import Dsn, LoginTimeouts
from perfrun.reach.errors import OpenError
from perfrun.reach.login import login
from perfrun.reach.resolver import Resolver

METRICS: tuple[ObservedMetric, ...] = (CONNECTIONS, LOCKS)
_PATIENCE = 4 * NS_PER_S
# backend_type is hidden from users without pg_monitor; the database of a session never is.
_POSTGRES: dict[ObservedMetric, str] = {
    CONNECTIONS: "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
    "AND pid <> pg_backend_pid() AND coalesce(backend_type, 'client backend') = 'client backend'",
    LOCKS: "SELECT count(DISTINCT l.pid) FROM pg_locks l JOIN pg_stat_activity a USING (pid) "
    "WHERE NOT l.granted AND a.datname = current_database()",
}
_MYSQL: dict[ObservedMetric, str] = {
    CONNECTIONS: "SELECT count(*) FROM information_schema.processlist "
    "WHERE db = database() AND id <> connection_id()",
    LOCKS: "SELECT count(*) FROM information_schema.innodb_trx t "
    "JOIN information_schema.processlist p ON p.id = t.trx_mysql_thread_id "
    "WHERE t.trx_state = 'LOCK WAIT' AND p.db = database()",
}


class DatabaseLogin(Protocol):
    """A connection that counts sessions."""

    async def count(self, metric: ObservedMetric) -> float | str:
        """The count, or why it is not available. Raises ConnectionError once the connection is
        lost.
        """

    async def close(self) -> None:
        """Log out."""


class SqlSource(ObservedSource):
    """One connection, opened again if it is lost."""

    metrics = METRICS

    def __init__(self, dsn: Dsn, resolver: Resolver, name: str) -> None:
        """``name`` identifies the connection in the server's own lists."""
        self._dsn, self._resolver, self._name = dsn, resolver, name
        self._times = LoginTimeouts(connect=_PATIENCE, statement=_PATIENCE)
        self._login: DatabaseLogin | None = None

    @override
    async def look(self) -> ObservedValues:
        try:
            if self._login is None:
                self._login = await self._open()
            return {metric: await self._login.count(metric) for metric in METRICS}
        except OpenError as error:
            raise UnseenError(error.message) from error
        except ConnectionError as error:
            self._login = None
            raise UnseenError(f"{self._dsn} closed the connection") from error
        except BaseException:
            # In the middle of an answer: whatever arrives next does not belong to the next query.
            await self.close()
            raise

    async def _open(self) -> DatabaseLogin:
        connection = await login(self._dsn, self._resolver, self._name, self._times)
        match self._dsn.driver:
            case "mysql":
                return _Mysql(connection)
            case "postgresql":
                return _Postgres(connection)

    @override
    async def close(self) -> None:
        login, self._login = self._login, None
        if login is not None:
            with contextlib.suppress(Exception):
                await login.close()


class _Postgres(DatabaseLogin):
    def __init__(self, connection: Any) -> None:
        self._connection = connection

    @override
    async def count(self, metric: ObservedMetric) -> float | str:
        import asyncpg

        try:
            return float(await self._connection.fetchval(_POSTGRES[metric]))
        except asyncpg.PostgresError as error:
            if self._connection.is_closed():
                raise ConnectionResetError from error
            return f"the server refused the query: {error.args[0]}"
        except (asyncpg.InterfaceError, OSError) as error:
            raise ConnectionResetError from error

    @override
    async def close(self) -> None:
        self._connection.terminate()


class _Mysql(DatabaseLogin):
    def __init__(self, connection: Any) -> None:
        self._connection = connection

    @override
    async def count(self, metric: ObservedMetric) -> float | str:
        from perfrun.reach.mysql import MySQLError, is_lost

        try:
            async with self._connection.cursor() as cursor:
                await cursor.execute(_MYSQL[metric])
                return float((await cursor.fetchone())[0])
        except MySQLError as error:
            if is_lost(error):
                raise ConnectionResetError from error
            return f"the server refused the query: {error.args[-1]}"
        except OSError as error:
            raise ConnectionResetError from error

    @override
    async def close(self) -> None:
        self._connection.close()
