"""MySQL and MariaDB, by asyncmy."""

from collections.abc import Mapping
from typing import Any

from asyncmy.connection import Connection
from asyncmy.cursors import Cursor, DictCursor
from asyncmy.errors import MySQLError
from typing_extensions import override

from perfrun.engine.errors import ErrorClass
from perfrun.engine.sessions import Done, Session
from perfrun.engine.sql.steps import CompiledStatement, Row, SqlStep, judged, telling
from perfrun.reach.mysql import is_lost, sql_class


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
            if is_lost(error):
                raise ConnectionResetError(str(error)) from error
            if step.in_transaction:
                await self._connection.rollback()
            return Done(sql_class(error), said=telling(sql_class(error), str(error.args[-1])))
        except (ValueError, TypeError):
            if step.in_transaction:
                # Else the next one on this connection would commit what was done so far.
                await self._connection.rollback()
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
