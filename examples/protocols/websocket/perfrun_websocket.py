"""A protocol for perfrun: WebSocket, a message out and a message back."""

from typing_extensions import override
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake
from websockets.protocol import State

from perfrun.extension import DataError, ErrorClass, Extension, OpenError, Peer, Reply


class WebSocket(Extension[ClientConnection]):
    """Options: ``path``, and ``scheme``, which is ws or wss. A step has ``send`` and ``expect``."""

    def __init__(self, *, path: str = "/", scheme: str = "ws") -> None:
        if scheme not in ("ws", "wss") or not path.startswith("/"):
            raise DataError("scheme is ws or wss, and path begins with /")
        self._scheme, self._path = scheme, path

    @override
    async def open(self, peer: Peer) -> ClientConnection:
        url = f"{self._scheme}://{peer}{self._path}"
        connection = await peer.connect()
        try:
            # No timeouts and pings of the library's own: times are perfrun's, and so is the load.
            return await connect(
                url,
                sock=connection,
                proxy=None,
                open_timeout=None,
                close_timeout=1,
                ping_interval=None,
            )
        except InvalidHandshake as error:
            raise OpenError(ErrorClass.PROTOCOL, f"{peer}: {error}") from error

    @override
    async def perform(self, connection: ClientConnection, *, send: str, expect: str = "") -> Reply:
        try:
            await connection.send(send)
            body = await connection.recv(decode=False)
        except ConnectionClosed as error:
            code = error.rcvd.code if error.rcvd is not None else 1006  # RFC 6455, 7.4.1
            return Reply(error=ErrorClass.RESET, message=f"closed with {code}")
        if not expect:
            return Reply(body)
        if expect.encode() in body:
            return Reply(body, passed=1)
        return Reply(body, ErrorClass.CHECK, "what is expected is not in the answer", failed=1)

    @override
    def is_usable(self, connection: ClientConnection) -> bool:
        return connection.state is State.OPEN

    @override
    async def close(self, connection: ClientConnection) -> None:
        await connection.close()
