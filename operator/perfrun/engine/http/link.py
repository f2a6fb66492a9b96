"""What a protocol must provide: the small interface between a request and its connection.

A link carries one request at a time. In HTTP/1.1 it is a connection, in HTTP/2 a stream of one.
"""

from typing import Any, Protocol

from perfrun.engine.errors import ErrorClass
from perfrun.engine.response.read_plan import ReadPlan


class Home(Protocol):
    """The owner of a link."""

    def forget(self, link: "Link") -> None:
        """The link is gone."""


class Exchange(Protocol):
    """The object that waits for a response."""

    def responded(self, link: "Link", now: int) -> None:
        """The response is complete; its last byte came at ``now`` (monotonic ns)."""

    def broken(self, error: ErrorClass, message: str = "") -> None:
        """There will be no response; the link is gone. ``message``: the reason, if there is more to
        say."""

    def unanswered(self, error: ErrorClass) -> None:
        """The link is gone after other responses, and before the first byte of this one."""

    def refused(self) -> None:
        """The server has not processed the request (RFC 9113, 8.7); the link is gone."""


class Link(Protocol):
    """Sends requests one after the other, and holds the last response until the next request."""

    home: Home
    keep_alive: bool
    """Whether another request may follow, according to the response."""
    status: int
    """The status code of the response."""
    first_byte: int
    """When the response began, monotonic ns; 0: not yet."""
    received: int
    """Bytes of the response so far, headers included."""
    body: list[bytes]
    """Its parts, if the body is read."""
    idle_since: int

    @property
    def transport(self) -> Any:
        """Has ``is_closing()``, which tells whether it can still be used; Any, because this is the
        hot path."""

    def send(self, exchange: Exchange, request: Any, read_plan: ReadPlan) -> None:
        """Write a request (bytes, or the encoded form of the protocol); the link must be free."""

    def header(self, name: bytes) -> bytes | None:
        """The first value of a header of the response; ``name`` in lower case."""

    def headers(self, name: bytes) -> list[bytes]:
        """All values of a header of the response; ``name`` in lower case."""

    def hint(self) -> str:
        """Why the response is an error, as far as it says so itself, in words; empty: it does
        not."""

    def close(self) -> None:
        """Close after a complete response."""

    def abandon(self) -> None:
        """Close now, without telling the exchange."""
