"""All that a package needs to add a protocol to perfrun (docs/how-to/protocols.md).

Such a package has a subclass of :class:`Extension`, and names it in its metadata as an entry point
of the group ``perfrun.kinds``; ``spec.target.extension.kind`` is the name of that entry point.
perfrun paces, renders templates, lends connections, times out, checks, counts and judges; the class
opens connections and performs requests over them.
"""

import asyncio
import socket
from abc import ABC, abstractmethod
from typing import Any, Generic, NamedTuple, TypeVar

from perfrun.reach.errors import DataError as DataError
from perfrun.reach.errors import ErrorClass as ErrorClass
from perfrun.reach.errors import OpenError as OpenError
from perfrun.reach.errors import exhausted_by, unconnected
from perfrun.reach.resolver import Resolver

CLOSE_SECONDS = 2.0
"""Seconds that :meth:`Extension.close` has before it is cancelled."""

C = TypeVar("C")
"""The type of a protocol's connections: whatever :meth:`Extension.open` returns."""


class Reply(NamedTuple):
    """The result of one request."""

    body: bytes = b""
    """The response: its bytes are counted, and ``expect`` and ``extract`` of the step apply
    to it."""
    error: ErrorClass | None = None
    """How the request failed; None: it succeeded, as far as the protocol can tell."""
    message: str = ""
    """Why it failed, in words, which everybody may read: never the value of an option
    or a request.
    """
    passed: int = 0
    failed: int = 0
    """The protocol's own checks."""


class Peer:
    """The server of a target, and the way to it.

    The run's policies have checked every address that is returned or connected to here. Do not
    connect in any other way.
    """

    def __init__(self, host: str, port: int, resolver: Resolver) -> None:
        self.host, self.port = host, port
        self._resolver = resolver

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    async def addresses(self) -> list[str]:
        """IP addresses for a library that connects by itself, the one to try first in front.

        There is at least one. Raises OpenError.
        """
        return await self._resolver.candidates()

    async def connect(self) -> socket.socket:
        """A TCP connection: a non-blocking socket, for a library that accepts one. Raises
        OpenError.
        """
        addresses = await self._resolver.candidates()
        try:
            return await self._resolver.first(
                addresses,
                lambda address: _connected(address, self.port),
                socket.socket.close,
            )
        except OSError as error:
            raise OpenError(
                ErrorClass.CONNECT, unconnected(str(self), error), exhausted_by(error)
            ) from error


class Extension(ABC, Generic[C]):
    """A protocol: one object for each worker, on one event loop, so nothing here may block.

    The constructor takes the target's options as named parameters, all of them strings; those
    without a default are required, and others are refused. It raises DataError for values that it
    cannot use.
    """

    @abstractmethod
    async def open(self, peer: Peer) -> C:
        """A new connection, ready to be used, within the target's ``connectTimeout``.

        Raises OpenError, or lets an OSError through. Any other exception is a defect.
        """

    @abstractmethod
    async def perform(self, connection: C, /, *args: Any, **request: Any) -> Reply:
        """Send a request and wait for its answer; a connection serves one request at a time.

        Declare the fields of a step as named parameters, all of them strings, as in ``perform(self,
        connection, *, send: str, expect: str = "")``. Every answer of the server is a
        :class:`Reply`, even an error. Raises OSError if the connection was lost. Any other
        exception is a defect; all of these end the connection. Let a cancellation through: it comes
        from the target's ``timeout``, or from the end of the run.
        """

    @abstractmethod
    def is_usable(self, connection: C) -> bool:
        """Whether a connection may be used again: asked before and after every request."""

    @abstractmethod
    async def close(self, connection: C) -> None:
        """Close a connection, whatever it is doing, within CLOSE_SECONDS."""


async def _connected(address: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    connection = socket.socket(family, socket.SOCK_STREAM)
    try:
        connection.setblocking(False)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await asyncio.get_running_loop().sock_connect(connection, (address, port))
    except BaseException:
        connection.close()
        raise
    return connection
