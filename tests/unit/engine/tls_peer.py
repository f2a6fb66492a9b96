"""A TLS server on 127.0.0.1 with blocking sockets: what it does, byte for byte, is up to the test."""

import asyncio
import contextlib
import socket
import ssl
import threading
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@dataclass
class TlsPeer:
    """What it has seen of its connections, in the order in which they came."""

    port: int
    sockets: list[ssl.SSLSocket] = field(default_factory=list)
    resumed: list[bool | None] = field(default_factory=list)
    """Of each handshake that succeeded: whether it resumed a session."""
    failures: list[Exception] = field(default_factory=list)
    """What handshakes and conversations ended with, where that was an error."""
    ends: list[str] = field(default_factory=list)
    """How clients left that were waited for with :func:`serve`."""

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}"


Talk = Callable[[TlsPeer, ssl.SSLSocket], None]


def request(sock: ssl.SSLSocket) -> bytes:
    """A request up to the end of its head, and what came with it; b"" at the end."""
    got = b""
    while b"\r\n\r\n" not in got:
        part = sock.recv(65536)
        if not part:
            return b""
        got += part
    return got


def serve(peer: TlsPeer, sock: ssl.SSLSocket) -> None:
    """Answer every request, and note how the client leaves."""
    try:
        while request(sock):
            sock.sendall(ANSWER)
        peer.ends.append("goodbye")
        sock.unwrap()
    except OSError as error:
        peer.ends.append(type(error).__name__)


def shake_hands(sock: ssl.SSLSocket) -> None:
    """Do the server's part; where it refuses the client, let that one hear of it."""
    try:
        sock.do_handshake()
    except ssl.SSLError:
        # To close with something unread is a reset, which may overtake the alert.
        while socket.socket.recv(sock, 65536):
            pass
        raise


@contextlib.asynccontextmanager
async def tls_peer(
    context: ssl.SSLContext, talk: Talk = serve, renew: Callable[[], ssl.SSLContext] | None = None
) -> AsyncIterator[TlsPeer]:
    """A server that does ``talk`` on each connection, one after the other.

    ``renew`` makes the context of each connection, where it is to be another one.
    """
    listening = socket.create_server(("127.0.0.1", 0))
    listening.settimeout(10)
    peer = TlsPeer(listening.getsockname()[1])

    def one(raw: socket.socket) -> None:
        raw.settimeout(10)
        try:
            with (renew() if renew else context).wrap_socket(
                raw,
                server_side=True,
                do_handshake_on_connect=False,
                suppress_ragged_eofs=False,
            ) as sock:
                shake_hands(sock)
                peer.resumed.append(sock.session_reused)
                peer.sockets.append(sock)
                talk(peer, sock)
        except OSError as error:
            peer.failures.append(error)

    def accept() -> None:
        threads = []
        with contextlib.suppress(OSError):
            while True:
                raw, _ = listening.accept()
                threads.append(threading.Thread(target=one, args=(raw,)))
                threads[-1].start()
        for thread in threads:
            thread.join()

    accepting = threading.Thread(target=accept)
    accepting.start()
    try:
        yield peer
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        await asyncio.to_thread(accepting.join)
