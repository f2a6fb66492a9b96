"""Logging in to a database with any driver: the addresses of its host, one after the other."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import Any

from perfrun.api.quantities import NS_PER_S
from perfrun.reach.dsn import Dsn, LoginTimeouts
from perfrun.reach.errors import ErrorClass, OpenError, exhausted_by, tls_error, unconnected
from perfrun.reach.resolver import Resolver

Connect = Callable[[Dsn, str, str, LoginTimeouts], Awaitable[Any]]
"""A connection to an address, under a name. Raises OpenError if the server refused the login, and
OSError if it could not be reached."""


async def login(dsn: Dsn, resolver: Resolver, name: str, times: LoginTimeouts) -> Any:
    """The connection of the DSN's driver, to an address that the policies allow.

    ``name`` identifies it in the server's own lists. Raises OpenError.
    """
    connect = _connect_of(dsn)
    failure: OSError | None = None
    addresses = await resolver.candidates()
    until = monotonic() + times.connect / NS_PER_S
    for place, address in enumerate(addresses):
        # They share the time, so that a silent one leaves enough of it for the others.
        share = (until - monotonic()) / (len(addresses) - place)
        try:
            async with asyncio.timeout(share):
                return await connect(dsn, address, name, times)
        except ssl.SSLError as error:
            raise tls_error(dsn, error) from error
        except TimeoutError as error:
            failure = error
            resolver.silent(address)
        except OSError as error:
            failure = error
            resolver.refused(address)
    assert failure is not None
    if isinstance(failure, TimeoutError):
        seconds = f"{times.connect / NS_PER_S:g}s"
        raise OpenError(
            ErrorClass.CONNECT, (f"{dsn} did not accept a login within {seconds}")
        ) from None
    message = unconnected(str(dsn), failure)
    raise OpenError(ErrorClass.CONNECT, message, exhausted_by(failure)) from failure


def _connect_of(dsn: Dsn) -> Connect:
    """The login of the required driver: only that driver is imported, and must be installed."""
    match dsn.driver:
        case "mysql":
            from perfrun.reach import mysql

            return mysql.connect
        case "postgresql":
            from perfrun.reach import postgres

            return postgres.connect
