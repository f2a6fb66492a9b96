"""Connections to MySQL and MariaDB, by asyncmy."""

import contextlib

import asyncmy
from asyncmy.connection import Connection as Connection
from asyncmy.errors import InterfaceError
from asyncmy.errors import MySQLError as MySQLError

from perfrun.api.quantities import NS_PER_MS, NS_PER_S
from perfrun.reach.dsn import Dsn, LoginTimeouts, security
from perfrun.reach.errors import OpenError, sql_error

STATEMENTS = 200
"""Prepared statements per connection; the server's own limit applies to all connections
together."""
_FIRST_OF_CLIENT = 2000
"""Codes from here to 2999 are the client's own: the connection is lost."""
_FIRST_OF_SERVER = 3000
_LAST_WORDS = (1053, 1927)
"""The server shuts down, the connection was killed."""
_IDLE_FOR_TOO_LONG = 4031
_WRONG_LOGIN = (1044, 1045, 1049)
"""Codes for: no access to the database, wrong user or password, unknown database."""


async def connect(dsn: Dsn, address: str, name: str, times: LoginTimeouts) -> Connection:
    """Open a connection. Raises OpenError if the login is refused, and OSError."""
    try:
        connection: Connection = await asyncmy.connect(
            host=address,
            port=dsn.port,
            user=dsn.user,
            password=dsn.password,
            database=dsn.database,
            ssl=security(dsn),
            connect_timeout=times.connect / NS_PER_S,
            program_name=name,
            autocommit=True,
            stmt_cache_size=STATEMENTS,
        )
        if times.statement is not None:
            await _bound(connection, times.statement)
    except MySQLError as error:
        if isinstance(error.__cause__, OSError):
            raise error.__cause__ from None
        if is_lost(error):
            raise OSError(str(error.args[-1])) from error
        message = f"{dsn} refused the login: {error.args[-1]}"
        raise OpenError(sql_class(error), message, refused=_is_for_good(error)) from None
    return connection


async def _bound(connection: Connection, statement: int) -> None:
    """Limit statements in the server, so that abandoned ones end: MariaDB, then MySQL."""
    for setting in (
        f"SET SESSION max_statement_time = {statement / NS_PER_S:.3f}",
        f"SET SESSION max_execution_time = {max(1, statement // NS_PER_MS)}",
    ):
        with contextlib.suppress(MySQLError):
            await connection.query(setting)  # type: ignore[no-untyped-call]
            return


def sql_class(error: MySQLError) -> str:
    """``Sql23`` of SQLSTATE 23000: its first two characters are its class (ISO/IEC 9075)."""
    return sql_error(getattr(error, "sqlstate", None), "HY")


def _is_for_good(error: MySQLError) -> bool:
    return sql_class(error) == "Sql28" or error.args[0] in _WRONG_LOGIN


def is_lost(error: MySQLError) -> bool:
    """Whether the connection was lost without a message of the server."""
    code = error.args[0] if error.args else 0
    of_client = isinstance(code, int) and _FIRST_OF_CLIENT <= code < _FIRST_OF_SERVER
    return of_client or isinstance(error, InterfaceError)


def is_last(error: MySQLError) -> bool:
    """Whether the server closed the connection with this error."""
    return bool(error.args) and error.args[0] in _LAST_WORDS


def is_unused(error: MySQLError) -> bool:
    """Whether the server had closed the connection before it read the request."""
    return bool(error.args) and error.args[0] == _IDLE_FOR_TOO_LONG


def is_open(connection: Connection) -> bool:
    """Whether it can be used: the driver itself does not notice that the server has closed it."""
    transport = connection._transport  # type: ignore[attr-defined]
    return bool(connection.connected) and transport is not None and not transport.is_closing()
