"""MySQL and MariaDB, by asyncmy."""

import contextlib
import ssl
from collections.abc import Mapping
from typing import Any

import asyncmy
from asyncmy.connection import Connection
from asyncmy.cursors import Cursor, DictCursor
from asyncmy.errors import MySQLError
from typing_extensions import override

from perfrun.api.quantities import NS_PER_MS, NS_PER_S
from perfrun.engine.awaited import Done, Session, Speaker
from perfrun.engine.errors import ErrorClass, OpenError, exhausted_by
from perfrun.engine.resolver import Resolver
from perfrun.engine.sql.dsn import Dsn
from perfrun.engine.sql.steps import CompiledStatement, Row, SqlStep, judged, telling
from perfrun.engine.sql.tls import security

STATEMENTS = 200
"""That are kept prepared on a connection; the server's own limit is for all connections."""
_FIRST_OF_CLIENT = 2000
"""Codes from here to 2999 are the client's own: the connection is lost."""
_FIRST_OF_SERVER = 3000


class MysqlSpeaker(Speaker[SqlStep]):
    """Opens connections, each to an address that the fence has seen."""

    def __init__(
        self, dsn: Dsn, resolver: Resolver, name: str, connect_timeout: int, timeout: int
    ) -> None:
        """``name`` is how the server's own lists call the connections. Times in ns."""
        self._dsn, self._resolver, self._name = dsn, resolver, name
        self._connect_timeout = connect_timeout / NS_PER_S
        self._timeout = timeout

    @override
    async def open(self) -> "MysqlSession":
        failure: Exception | None = None
        for address in await self._resolver.candidates():
            try:
                return MysqlSession(await self._connect(address))
            except ssl.SSLError as error:
                raise OpenError(ErrorClass.TLS, f"TLS with {self._dsn} failed: {error}") from error
            except (MySQLError, OSError, TimeoutError) as error:
                if isinstance(error, MySQLError) and not _is_lost(error):
                    raise OpenError(
                        sql_class(error), f"{self._dsn} refused the login: {error.args[-1]}"
                    ) from None
                failure = error
                self._resolver.refused(address)
        exhausted = exhausted_by(failure) if isinstance(failure, OSError) else None
        said = failure.args[-1] if failure is not None and failure.args else "no answer"
        raise OpenError(
            ErrorClass.CONNECT, f"{self._dsn} refused a connection: {said}", exhausted
        ) from None

    async def _connect(self, address: str) -> Connection:
        dsn = self._dsn
        connection: Connection = await asyncmy.connect(
            host=address,
            port=dsn.port,
            user=dsn.user,
            password=dsn.password,
            database=dsn.database,
            ssl=security(dsn),
            connect_timeout=self._connect_timeout,
            program_name=self._name,
            autocommit=True,
            stmt_cache_size=STATEMENTS,
        )
        await self._bound(connection)
        return connection

    async def _bound(self, connection: Connection) -> None:
        """What nobody waits for any more is not to go on in the server: MariaDB, then MySQL."""
        for setting in (
            f"SET SESSION max_statement_time = {self._timeout / NS_PER_S:.3f}",
            f"SET SESSION max_execution_time = {max(1, self._timeout // NS_PER_MS)}",
        ):
            with contextlib.suppress(MySQLError):
                await connection.query(setting)  # type: ignore[no-untyped-call]
                return


class MysqlSession(Session[SqlStep]):
    """One connection; the driver keeps the statements that were prepared on it."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @override
    async def perform(
        self, step: SqlStep, request: list[list[Row]], values: dict[str, str]
    ) -> Done:
        try:
            if step.in_transaction:
                await self._connection.begin()
            rows, first = await self._run(step, request)
            if step.in_transaction:
                await self._connection.commit()
        except MySQLError as error:
            if _is_lost(error):
                raise ConnectionResetError(str(error)) from error
            if step.in_transaction:
                await self._connection.rollback()
            return Done(sql_class(error), said=telling(sql_class(error), str(error.args[-1])))
        except (ValueError, TypeError):
            return Done(ErrorClass.DATA, said="the statement has more or fewer parameters")
        return judged(step, rows, first, values)

    async def _run(
        self, step: SqlStep, request: list[list[Row]]
    ) -> tuple[int, Mapping[str, Any] | None]:
        """Rows that came back or were changed, and the first that came, of the last statement."""
        rows, first = 0, None
        for statement, parameters in zip(step.statements, request, strict=True):
            async with self._connection.cursor(DictCursor) as cursor:
                if step.batch > 1:
                    await cursor.executemany(statement.text, parameters)
                else:
                    await _execute(cursor, statement, parameters[0], prepared=step.prepared)
                rows = int(str(cursor.rowcount))
                first = await cursor.fetchone() if cursor.description else None
        return rows, first

    @override
    def is_usable(self) -> bool:
        return bool(self._connection.connected)

    @override
    def abandon(self) -> None:
        self._connection.close()


async def _execute(
    cursor: Cursor, statement: CompiledStatement, row: Row, *, prepared: bool
) -> None:
    if not row:
        await cursor.execute(statement.text)
    elif prepared:
        await cursor.execute(statement.text, row)
    else:
        await cursor.execute(cursor.mogrify(statement.text, row))


def sql_class(error: MySQLError) -> str:
    """``Sql23`` of SQLSTATE 23000: its first two characters are its class (ISO/IEC 9075)."""
    return f"Sql{(getattr(error, 'sqlstate', None) or 'HY')[:2]}"


def _is_lost(error: MySQLError) -> bool:
    code = error.args[0] if error.args else 0
    return isinstance(code, int) and _FIRST_OF_CLIENT <= code < _FIRST_OF_SERVER
