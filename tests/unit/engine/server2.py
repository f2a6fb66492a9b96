"""A real HTTP/2 server on 127.0.0.1, by another implementation, that misbehaves on request."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, RequestReceived, StreamEnded
from h2.exceptions import ProtocolError
from h2.settings import SettingCodes

Fields = dict[str, str]


@dataclass
class Asked:
    """One request as the server read it."""

    fields: Fields
    body: bytes = b""


Answer = Callable[["Peer", int, Asked], Any]


@dataclass
class Server2:
    """Its log, how it answers by path, and its connections."""

    scheme: str
    answers: dict[str, Answer]
    most_streams: int
    port: int = 0
    log: list[Asked] = field(default_factory=list)
    peers: list["Peer"] = field(default_factory=list)
    busiest: int = 0
    """The most streams that were open at a time on one connection."""

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}"


class Peer(asyncio.Protocol):
    """The server's end of a connection."""

    def __init__(self, server: Server2) -> None:
        self.server = server
        self.h2 = H2Connection(H2Configuration(client_side=False, header_encoding="utf-8"))
        self.open: dict[int, Asked] = {}

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.server.peers.append(self)
        self.h2.initiate_connection()
        limit: dict[SettingCodes | int, int] = {
            SettingCodes.MAX_CONCURRENT_STREAMS: self.server.most_streams
        }
        self.h2.update_settings(limit)
        self.flush()

    def flush(self) -> None:
        if not self.transport.is_closing():
            self.transport.write(self.h2.data_to_send())

    def data_received(self, data: bytes) -> None:
        try:
            events = self.h2.receive_data(data)
        except ProtocolError:
            self.flush()
            self.transport.close()
            return
        for event in events:
            if isinstance(event, RequestReceived):
                self.open[event.stream_id] = Asked(dict(event.headers))  # type: ignore[arg-type]
                self.server.busiest = max(self.server.busiest, self.h2.open_inbound_streams)
            elif isinstance(event, DataReceived):
                self.open[event.stream_id].body += event.data
                self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            elif isinstance(event, StreamEnded):
                self.answer(event.stream_id)
        self.flush()

    def answer(self, stream: int) -> None:
        asked = self.open.pop(stream)
        self.server.log.append(asked)
        path = asked.fields[":path"].partition("?")[0]
        self.server.answers.get(path, say())(self, stream, asked)


def say(status: int = 200, body: bytes = b"ok", **fields: str) -> Answer:
    """Answer so."""

    def answer(peer: Peer, stream: int, asked: Asked) -> None:
        more = {name.replace("_", "-"): value for name, value in fields.items()}
        head = {":status": str(status), "content-length": str(len(body)), **more}
        sent = b"" if asked.fields[":method"] == "HEAD" else body
        peer.h2.send_headers(stream, list(head.items()), end_stream=not sent)
        if sent:
            peer.h2.send_data(stream, sent, end_stream=True)

    return answer


def later(seconds: float, then: Answer) -> Answer:
    """Answer so much later."""

    def answer(peer: Peer, stream: int, asked: Asked) -> None:
        def do() -> None:
            with contextlib.suppress(ProtocolError):
                then(peer, stream, asked)
            peer.flush()

        asyncio.get_running_loop().call_later(seconds, do)

    return answer


@contextlib.asynccontextmanager
async def running2(
    tls: ssl.SSLContext | None = None, most_streams: int = 100, **answers: Answer
) -> AsyncIterator[Server2]:
    """A server whose path ``/name`` answers as the argument ``name`` says; others say 200."""
    scheme = "https" if tls else "http"
    server = Server2(scheme, {f"/{name}": one for name, one in answers.items()}, most_streams)
    loop = asyncio.get_running_loop()
    listening = await loop.create_server(lambda: Peer(server), "127.0.0.1", 0, ssl=tls)
    server.port = listening.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listening.close()
        for peer in server.peers:
            peer.transport.abort()
        await asyncio.sleep(0)
