"""What a protocol has to offer: the one small interface between a request and its connection.

A link carries one request at a time. In HTTP/1.1 it is a connection, in HTTP/2 a stream of one.
"""

from typing import Any, Protocol

from perfrun.engine.errors import ErrorClass
from perfrun.engine.response.read_plan import ReadPlan


class Home(Protocol):
    """Where a link belongs."""

    def forget(self, link: "Link") -> None:
        """The link is gone."""


class Exchange(Protocol):
    """Who waits for a response."""

    def responded(self, link: "Link", now: int) -> None:
        """The response is complete; its last byte came at ``now`` (monotonic ns)."""

    def broken(self, error: ErrorClass, said: str = "") -> None:
        """There will be no response; the link is gone. ``said``: why, where that says more."""

    def unanswered(self, error: ErrorClass) -> None:
        """The link is gone after other responses, and before the first byte of this one."""

    def refused(self) -> None:
        """The peer has not looked at the request (RFC 9113, 8.7); the link is gone."""


class Link(Protocol):
    """Sends requests, one after the other, and has the last response until the next one."""

    home: Home
    keep_alive: bool
    """Whether another request may follow the response, as far as that one says."""
    status: int
    """The status code of the response."""
    first_byte: int
    """When the response began, monotonic ns; 0: it has not."""
    received: int
    """Bytes of the response so far, headers included."""
    body: list[bytes]
    """Its parts, where it is read with its body."""
    idle_since: int

    @property
    def transport(self) -> Any:
        """Tells by ``is_closing()`` whether it can still be used; Any, because it is hot."""

    def send(self, exchange: Exchange, request: Any, read_plan: ReadPlan) -> None:
        """Write a request (bytes, or what the protocol makes of them); the link must be free."""

    def header(self, name: bytes) -> bytes | None:
        """The first value of a header of the response; ``name`` in lower case."""

    def headers(self, name: bytes) -> list[bytes]:
        """All values of a header of the response; ``name`` in lower case."""

    def close(self) -> None:
        """Close after a complete response."""

    def abandon(self) -> None:
        """Close now, without telling the exchange."""
