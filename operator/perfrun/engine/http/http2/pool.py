"""The streams of an HTTP/2 origin: many on one connection, as far as the server allows."""

import asyncio
import ssl
from typing import cast

from typing_extensions import override

from perfrun.engine.errors import ErrorClass, OpenError, tls_error
from perfrun.engine.http.http2.connection import Http2Connection
from perfrun.engine.http.http2.frames import FrameError
from perfrun.engine.http.pool import Opened, Origin, Pool, Security
from perfrun.logic.plan.network import Fence


class Http2Pool(Pool):
    """A pool of streams instead of connections; opens a new connection only if the others are
    full."""

    def __init__(
        self,
        origin: Origin,
        security: Security,
        connect_timeout: int,
        fence: Fence,
        *,
        shares: bool,
    ) -> None:
        """``shares``: whether several users may share a connection."""
        super().__init__(origin, security, connect_timeout, fence)
        self._shares = shares
        self._live: list[Http2Connection] = []
        self._opening = asyncio.Lock()

    @override
    async def _open(self) -> Opened:
        if not self._shares:
            return await self._connected()
        # One at a time: waiting requests will find room on the connection that is being opened.
        async with self._opening:
            self._live = [connection for connection in self._live if not connection.is_closing]
            for connection in self._live:
                if connection.has_room:
                    return Opened(connection.stream(), 0, 0, 0)
            return await self._connected()

    async def _connected(self) -> Opened:
        opened = await super()._open()
        # Until it is ready, the whole connection takes the place of its first stream.
        connection = cast(Http2Connection, opened.connection)
        try:
            self._check_agreed(connection)
            await connection.ready
        except ssl.SSLError as error:
            raise tls_error(self.origin, error) from error
        except (FrameError, OSError) as error:
            connection.transport.abort()
            raise OpenError(
                ErrorClass.PROTOCOL,
                f"{self.origin} does not speak HTTP/2: set spec.target.http.protocol to HTTP/1.1"
                + ("; if this port expects TLS, write https://" if self._security is None else ""),
            ) from error
        except BaseException:
            connection.transport.abort()
            raise
        self._live.append(connection)
        return opened._replace(connection=connection.stream())

    def _check_agreed(self, connection: Http2Connection) -> None:
        secured = connection.transport.get_extra_info("ssl_object")
        if secured is not None and secured.selected_alpn_protocol() != "h2":
            raise FrameError("the server did not select h2")

    @override
    def _protocol(self) -> asyncio.Protocol:
        return Http2Connection(self)
