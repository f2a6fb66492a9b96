"""PostgreSQL, by asyncpg."""

import asyncio
import contextlib
import itertools
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import asyncpg
from typing_extensions import override

from perfrun.engine.awaited.sessions import Done, Session, UnusedError
from perfrun.engine.errors import ErrorClass
from perfrun.engine.sql.steps import CompiledStatement, Row, SqlStep, judged, shown_message
from perfrun.reach.postgres import TextConnection, sql_class

if TYPE_CHECKING:
    from asyncpg.prepared_stmt import PreparedStatement

_CLOSING_S = 2.0
_FIRST_OF_USERS = 16384
"""Lower OIDs are built-in types."""
_MAY_BE_EMPTY = frozenset(
    (
        *("text", "varchar", "bpchar", "char", "name", "unknown", "cstring", "refcursor"),
        *("xml", "tsvector", "tsquery", "varbit", "int2vector", "oidvector"),
    )
)
"""Types for which an empty string is a value."""
_OUTDATED = ("Sql0A", "Sql26", "Sql42")
"""A statement that is no longer prepared, or whose tables have changed since."""
_LAST_WORDS = ("FATAL", "PANIC")
"""Severities with which the server closes the connection."""
_IDLE_FOR_TOO_LONG = "57P05"
_NOT_KEPT = ("26000", "42P05")
"""The prepared statement does not exist, or exists already: a pooler used a different
connection."""
_OF_A_PARAMETER = re.compile(r"^[^:\"]*\$(\d+)(?: = |$)", re.MULTILINE)
"""In the context of an error: the server was reading this parameter."""


class PostgresSession(Session[SqlStep]):
    """One connection, and the statements that were prepared on it."""

    def __init__(
        self, connection: TextConnection, closing: "set[asyncio.Task[None]] | None" = None
    ) -> None:
        """``closing`` is given if the server has no limit of its own: then tasks in it cancel
        running statements."""
        self._connection, self._closing = connection, closing
        self._prepared: dict[str, _Prepared] = {}
        self._numbers = itertools.count()

    @override
    async def perform(
        self, step: SqlStep, request: list[list[Row]], values: dict[str, str]
    ) -> Done:
        try:
            if step.in_transaction:
                async with self._connection.transaction():
                    rows, first = await self._run(step, request)
            else:
                rows, first = await self._run(step, request)
        except asyncpg.PostgresError as error:
            if error.severity_en in _LAST_WORDS:
                self._connection.terminate()
            if error.sqlstate == _IDLE_FOR_TOO_LONG:
                raise UnusedError(error.args[0]) from error
            return self._refused(step, error)
        except asyncpg.InterfaceError as error:
            raise ConnectionResetError(str(error)) from error
        except CountError as error:
            return Done(ErrorClass.DATA, message=str(error))
        return judged(step, rows, first, values)

    def _refused(self, step: SqlStep, error: asyncpg.PostgresError) -> Done:
        """The server's error for a step; its statements may have to be prepared again."""
        reason, message = sql_class(error), str(error.args[0])
        parameter = _OF_A_PARAMETER.search(error.context or "")
        if parameter is not None and reason == "Sql22":
            reason = ErrorClass.DATA
            message = f"the server cannot read parameter ${parameter[1]}: {_condition(error)}"
        if reason in _OUTDATED or parameter is not None:
            for statement in step.statements:
                self._prepared.pop(statement.text, None)
        if error.sqlstate in _NOT_KEPT and step.prepared:
            message += "; with a pooler that does not keep prepared statements, use prepared: false"
        return Done(reason, message=shown_message(reason, message))

    async def _run(
        self, step: SqlStep, request: list[list[Row]]
    ) -> tuple[int, "asyncpg.Record | None"]:
        """The rows that were returned or changed, and the first returned row, of the last
        statement.

        For a batch, the driver does not report them.
        """
        rows, first = 0, None
        for statement, parameters in zip(step.statements, request, strict=True):
            prepared = self._prepared.get(statement.text)
            if prepared is None:
                prepared = await self._prepare(statement, keep=step.prepared)
            if step.batch > 1:
                await prepared.statement.executemany([prepared.typed(row) for row in parameters])
            else:
                records = await prepared.statement.fetch(*prepared.typed(parameters[0]))
                first = records[0] if records else None
                rows = _count(prepared.statement.get_statusmsg(), len(records))
        return rows, first

    async def _prepare(self, statement: CompiledStatement, *, keep: bool) -> "_Prepared":
        # Without its own name it would be sent and parsed again each time.
        name = f"perfrun_{next(self._numbers)}" if keep else ""
        made = await self._connection.prepare(statement.text, name=name)
        known = _Prepared(made, len(statement.parameters))
        if keep:
            self._prepared[statement.text] = known
        return known

    @override
    def is_usable(self) -> bool:
        return not self._connection.is_closed()

    @override
    def abandon(self) -> None:
        if self._closing is None or self._connection.is_closed():
            self._connection.terminate()
            return
        task = asyncio.ensure_future(self._cancel())
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    async def _cancel(self) -> None:
        """Statements that were abandoned are cancelled in the server while the connection
        closes."""
        with contextlib.suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            await self._connection.close(timeout=_CLOSING_S)


class CountError(Exception):
    """The number of parameters does not match the statement."""


class _Prepared:
    """A prepared statement, and which of its parameters become NULL if they are empty."""

    def __init__(self, statement: "PreparedStatement[Any]", given: int) -> None:
        self.statement = statement
        types = statement.get_parameters()
        if len(types) != given:
            raise CountError(f"the statement has {len(types)} parameters, but {given} are given")
        self._nulls = [
            index
            for index, one in enumerate(types)
            if one.oid < _FIRST_OF_USERS and one.name not in _MAY_BE_EMPTY
        ]

    def typed(self, row: Row) -> Sequence[str | None]:
        """Parameters as text: the server converts them to its types."""
        if "" not in row:
            return row
        sent: list[str | None] = list(row)
        for index in self._nulls:
            sent[index] = row[index] or None
        return sent


def _count(status: str, fetched: int) -> int:
    """The rows of a command's tag: ``INSERT 0 3``, ``UPDATE 3``, ``SELECT 3``."""
    last = status.rpartition(" ")[2]
    return int(last) if last.isdigit() else fetched


def _condition(error: asyncpg.PostgresError) -> str:
    """``numeric value out of range`` of SQLSTATE 22003: the server's own message contains the
    value."""
    words = re.findall("[A-Z][a-z]+", type(error).__name__.removesuffix("Error"))
    return " ".join(words).lower()
