"""MySQL and MariaDB, by asyncmy."""

from typing import Any, NamedTuple

from asyncmy.connection import Connection
from asyncmy.cursors import Cursor
from asyncmy.errors import MySQLError
from typing_extensions import override

from perfrun.engine.awaited.sessions import Done, Session, UnusedError
from perfrun.engine.errors import ErrorClass
from perfrun.engine.sql.mysql_text import NotTextError, as_text
from perfrun.engine.sql.steps import CompiledStatement, Row, SqlStep, judged, shown_message
from perfrun.reach.mysql import is_last, is_lost, is_open, is_unused, sql_class


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
            if is_unused(error):
                raise UnusedError(str(error)) from error
            if is_last(error):
                self._connection.close()
            elif step.in_transaction:
                await self._roll_back()
            return Done(
                sql_class(error), message=shown_message(sql_class(error), str(error.args[-1]))
            )
        except (ValueError, TypeError):
            if step.in_transaction:
                await self._roll_back()
            return Done(
                ErrorClass.DATA, message=("the number of parameters does not match the statement")
            )
        try:
            return judged(step, rows, _texts(step, first), values)
        except NotTextError as error:
            return Done(ErrorClass.DATA, message=str(error))

    async def _roll_back(self) -> None:
        """Roll back; otherwise the next transaction on this connection would commit the changes so
        far."""
        try:
            await self._connection.rollback()
        except MySQLError:
            self._connection.close()

    async def _run(self, step: SqlStep, request: list[list[Row]]) -> tuple[int, "_First | None"]:
        """Number of returned or changed rows, and the first returned row, of the last statement."""
        rows: int = 0
        first: _First | None = None
        for statement, parameters in zip(step.statements, request, strict=True):
            async with self._connection.cursor() as cursor:
                if step.batch > 1:
                    await cursor.executemany(statement.text, parameters)
                else:
                    await _execute(cursor, statement, parameters[0], prepared=step.prepared)
                rows = int(str(cursor.rowcount))
                row = await cursor.fetchone() if cursor.description else None
                first = _First(cursor.description, row) if row is not None else None
        return rows, first

    @override
    def is_usable(self) -> bool:
        return is_open(self._connection)

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


class _First(NamedTuple):
    """A row, and the server's description of its columns."""

    description: tuple[Any, ...]
    values: tuple[Any, ...]


def _texts(step: SqlStep, first: _First | None) -> dict[str, str | None] | None:
    """The columns that the step extracts; of several with one name, the first. Raises
    NotTextError.
    """
    if first is None or not step.columns:
        return None
    wanted = set(step.columns.values())
    texts: dict[str, str | None] = {}
    for (name, kind, _, _, _, scale, _), value in zip(*first, strict=True):
        if name in wanted and name not in texts:
            texts[name] = as_text(name, kind, scale, value)
    return texts
