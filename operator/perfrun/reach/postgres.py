"""Connections to PostgreSQL, by asyncpg; every value is sent and received in the server's text
format."""

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import asyncpg
from asyncpg.protocol.protocol import BUILTIN_TYPE_OID_MAP

from perfrun.api.quantities import NS_PER_MS
from perfrun.reach.dsn import Dsn, LoginTimeouts, security
from perfrun.reach.errors import ErrorClass, OpenError, sql_error

_TIMEOUT = "statement_timeout"
_REFUSED_BY_POOLERS = ("08P01", "0A000")
"""The error of poolers for a setting that they do not know (PgBouncer by default)."""


class TextConnection(asyncpg.Connection):  # type: ignore[misc]
    """Values of all types are text in both directions, as the server itself reads and writes them.

    The driver uses Python's types for parameters and results: some types have none, others have a
    different range than in the server. It has no public way to change this for arrays, ranges and
    user-defined types (docs/decisions/sql-values-are-text.md).
    """

    def exchange_texts(self, oids: Mapping[int, str]) -> None:
        """Use text for these types, by OID, from now on."""
        settings = self._protocol.get_settings()
        for oid, name in oids.items():
            settings.set_builtin_type_codec(oid, name, "pg_catalog", "scalar", "text", "text")

    async def _introspect_types(
        self, typeoids: set[int], _timeout: float | None
    ) -> tuple[list[Any], Any]:
        """Prevents the driver from asking the server for types: those statements are not part of
        the test."""
        self.exchange_texts({oid: f"type {oid}" for oid in typeoids})
        return [], SimpleNamespace(name="none was sent")


async def connect(dsn: Dsn, address: str, name: str, times: LoginTimeouts) -> TextConnection:
    """Open a connection. Raises OpenError if the login is refused, and OSError.

    A pooler may refuse a timeout setting; ``times`` remembers that.
    """
    settings = {"application_name": name}
    if times.statement is not None:
        # The server should not continue with work that nobody waits for.
        settings[_TIMEOUT] = str(max(1, times.statement // NS_PER_MS))
    try:
        connection: TextConnection = await asyncpg.connect(
            host=address,
            port=dsn.port,
            user=dsn.user,
            password=dsn.password,
            database=dsn.database,
            ssl=security(dsn) or dsn.ssl_mode,
            timeout=None,  # callers that ask for it have one
            statement_cache_size=0,
            server_settings=settings,
            connection_class=TextConnection,
        )
    except asyncpg.PostgresError as error:
        if _TIMEOUT in settings and _is_of_a_setting(error):
            # A pooler shares connections to the server among its clients: a later setting would
            # affect the others as well.
            times.statement = None
            return await connect(dsn, address, name, times)
        message = f"{dsn} refused the login: {error.args[0]}"
        raise OpenError(sql_class(error), message, refused=_is_for_good(error)) from None
    except asyncpg.InterfaceError as error:
        raise OSError(str(error)) from error
    except ConnectionError as error:
        if "rejected SSL" in str(error):
            raise OpenError(
                ErrorClass.TLS, (f"TLS with {dsn} failed: the server does not support TLS")
            ) from error
        raise
    connection.exchange_texts(BUILTIN_TYPE_OID_MAP)
    return connection


def _is_of_a_setting(error: asyncpg.PostgresError) -> bool:
    return error.sqlstate in _REFUSED_BY_POOLERS or _TIMEOUT in str(error.args[0])


def _is_for_good(error: asyncpg.PostgresError) -> bool:
    """Whether a login is wrong (class 28), or its database (3D000).

    A server that is starting, or has no free connections, reports other codes.
    """
    state = error.sqlstate or ""
    return state.startswith("28") or state == "3D000"


def sql_class(error: asyncpg.PostgresError) -> str:
    """``Sql23`` of SQLSTATE 23505: its first two characters are its class (ISO/IEC 9075)."""
    return sql_error(error.sqlstate, "58")
