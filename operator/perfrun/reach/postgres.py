"""Connections to PostgreSQL, by asyncpg."""

import ssl
from typing import Any

import asyncpg

from perfrun.api.quantities import NS_PER_MS, NS_PER_S
from perfrun.reach.dsn import Dsn, Times
from perfrun.reach.errors import ErrorClass, OpenError, exhausted_by
from perfrun.reach.resolver import Resolver
from perfrun.reach.sql_tls import security


async def login(dsn: Dsn, resolver: Resolver, name: str, times: Times) -> "asyncpg.Connection[Any]":
    """A connection to an address that the fence has seen. Raises OpenError.

    ``name`` is how the server's own lists call it.
    """
    failure: OSError | None = None
    for address in await resolver.candidates():
        try:
            return await _connect(dsn, address, name, times)
        except asyncpg.PostgresError as error:
            raise OpenError(sql_class(error), f"{dsn} refused the login: {error.args[0]}") from None
        except ssl.SSLError as error:
            raise OpenError(ErrorClass.TLS, f"TLS with {dsn} failed: {error}") from error
        except TimeoutError:
            seconds = f"{times.connect / NS_PER_S:g}s"
            raise OpenError(ErrorClass.CONNECT, f"{dsn} let nobody in within {seconds}") from None
        except (OSError, asyncpg.InterfaceError) as error:
            failure = error if isinstance(error, OSError) else OSError(str(error))
            resolver.refused(address)
    raise OpenError(
        ErrorClass.CONNECT,
        f"{dsn} refused a connection: {failure}",
        exhausted_by(failure) if failure is not None else None,
    )


async def _connect(dsn: Dsn, address: str, name: str, times: Times) -> "asyncpg.Connection[Any]":
    connection: asyncpg.Connection[Any] = await asyncpg.connect(
        host=address,
        port=dsn.port,
        user=dsn.user,
        password=dsn.password,
        database=dsn.database,
        ssl=security(dsn) or dsn.ssl_mode,
        timeout=times.connect / NS_PER_S,
        statement_cache_size=0,
        server_settings={
            "application_name": name,
            # What nobody waits for any more is not to go on in the server.
            "statement_timeout": str(max(1, times.statement // NS_PER_MS)),
        },
    )
    return connection


def sql_class(error: asyncpg.PostgresError) -> str:
    """``Sql23`` of SQLSTATE 23505: its first two characters are its class (ISO/IEC 9075)."""
    return f"Sql{(error.sqlstate or '58')[:2]}"
