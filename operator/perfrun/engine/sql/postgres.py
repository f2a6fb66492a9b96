"""PostgreSQL, by asyncpg."""

from collections.abc import Callable, Sequence
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

import asyncpg
from asyncpg.prepared_stmt import PreparedStatement
from typing_extensions import override

from perfrun.engine.errors import ErrorClass
from perfrun.engine.sessions import Done, Session
from perfrun.engine.sql.steps import CompiledStatement, Row, SqlStep, judged, telling
from perfrun.reach.postgres import sql_class

Convert = Callable[[str], Any]


class PostgresSession(Session[SqlStep]):
    """One connection, and the statements that were prepared on it."""

    def __init__(self, connection: "asyncpg.Connection[Any]") -> None:
        self._connection = connection
        self._prepared: dict[str, _Prepared] = {}

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
            return Done(sql_class(error), said=telling(sql_class(error), str(error.args[0])))
        except asyncpg.InterfaceError as error:
            raise ConnectionResetError(str(error)) from error
        except CountError as error:
            return Done(ErrorClass.DATA, said=str(error))
        except (ValueError, ArithmeticError):
            return Done(ErrorClass.DATA, said="a parameter is not of the type it has")
        return judged(step, rows, first, values)

    async def _run(
        self, step: SqlStep, request: list[list[Row]]
    ) -> tuple[int, "asyncpg.Record | None"]:
        """Rows that came back or were changed, and the first that came, of the last statement.

        Of a batch the driver does not tell.
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
        # Without a name of its own it would be sent and parsed anew each time.
        name = f"perfrun_{len(self._prepared)}" if keep else ""
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
        self._connection.terminate()


class CountError(Exception):
    """A statement with more or fewer parameters than are given."""


class _Prepared:
    """A statement as the server knows it, and what its parameters have to be."""

    def __init__(self, statement: "PreparedStatement[Any]", given: int) -> None:
        self.statement = statement
        types = statement.get_parameters()
        if len(types) != given:
            raise CountError(f"the statement has {len(types)} parameters, and {given} are given")
        self._converts = [_CONVERTS.get(one.name) for one in types]

    def typed(self, row: Row) -> Sequence[Any]:
        """Texts as what the server wants. Raises ValueError and ArithmeticError."""
        return [
            text if convert is None else None if text == "" else convert(text)
            for convert, text in zip(self._converts, row, strict=True)
        ]


def _count(status: str, fetched: int) -> int:
    """The rows of a command's tag: ``INSERT 0 3``, ``UPDATE 3``, ``SELECT 3``."""
    last = status.rpartition(" ")[2]
    return int(last) if last.isdigit() else fetched


def _boolean(text: str) -> bool:
    known = {"true": True, "t": True, "1": True, "false": False, "f": False, "0": False}
    try:
        return known[text.lower()]
    except KeyError:
        raise ValueError(text) from None


_CONVERTS: dict[str, Convert] = {
    **dict.fromkeys(("int2", "int4", "int8", "oid"), int),
    **dict.fromkeys(("float4", "float8"), float),
    **dict.fromkeys(("timestamp", "timestamptz"), datetime.fromisoformat),
    "numeric": Decimal,
    "bool": _boolean,
    "date": date.fromisoformat,
    "time": time.fromisoformat,
    "bytea": str.encode,
}
"""What asyncpg wants for a type, of a text; for all others it takes the text."""
