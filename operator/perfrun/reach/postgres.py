"""Connections to PostgreSQL, by asyncpg."""

from typing import Any

import asyncpg

from perfrun.api.quantities import NS_PER_MS
from perfrun.reach.dsn import Dsn, Times
from perfrun.reach.errors import ErrorClass, OpenError, sql_error
from perfrun.reach.sql_tls import security


async def connect(dsn: Dsn, address: str, name: str, times: Times) -> "asyncpg.Connection[Any]":
    """A connection. Raises OpenError where the login is refused, and OSError."""
    settings = {
        "application_name": name,
        # What nobody waits for any more is not to go on in the server.
        "statement_timeout": str(max(1, times.statement // NS_PER_MS)),
    }
    try:
        connection: asyncpg.Connection[Any] = await asyncpg.connect(
            host=address,
            port=dsn.port,
            user=dsn.user,
            password=dsn.password,
            database=dsn.database,
            ssl=security(dsn) or dsn.ssl_mode,
            timeout=None,  # who asks for it has one
            statement_cache_size=0,
            server_settings=settings,
        )
    except asyncpg.PostgresError as error:
        said = f"{dsn} refused the login: {error.args[0]}"
        raise OpenError(sql_class(error), said, refused=_is_for_good(error)) from None
    except asyncpg.InterfaceError as error:
        raise OSError(str(error)) from error
    except ConnectionError as error:
        if "rejected SSL" in str(error):
            raise OpenError(ErrorClass.TLS, f"TLS with {dsn} failed: it has none") from error
        raise
    return connection


def _is_for_good(error: asyncpg.PostgresError) -> bool:
    """Whether a login is wrong (class 28), or its database (3D000). A server that only starts, or
    has no connection left, says something else."""
    state = error.sqlstate or ""
    return state.startswith("28") or state == "3D000"


def sql_class(error: asyncpg.PostgresError) -> str:
    """``Sql23`` of SQLSTATE 23505: its first two characters are its class (ISO/IEC 9075)."""
    return sql_error(error.sqlstate, "58")
