"""TLS where the port serves plain HTTP, and plain HTTP where it expects TLS: told in words."""

import re
import ssl

from perfrun.engine.errors import OpenError, tls_error
from perfrun.reach.errors import ErrorClass

_NO_TLS = frozenset(
    {"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE", "BAD_RECORD_TYPE"}
)
"""OpenSSL's reasons for bytes that are no TLS record."""
_ALERT = b"\x15\x03"
"""How the record begins with which a server refuses what is not TLS."""
_EXPECTS_TLS = re.compile(
    rb"plain HTTP request was sent to HTTPS port"  # nginx
    rb"|HTTP request to an HTTPS server"  # Go
    rb"|plain HTTP to an SSL-enabled server port"  # Apache
)
NO_ANSWER = "the server closed the connection without an answer"
_PLAIN = "if this port serves plain HTTP, write http:// in place of https://"
_TLS = "write https:// in place of http://"


def handshake_error(server: object, error: BaseException) -> OpenError:
    """The message of a failed TLS handshake with an HTTP server."""
    failed = tls_error(server, error)
    if isinstance(error, ssl.SSLError) and error.reason in _NO_TLS:
        message = f"TLS with {server} failed: its answer is not TLS; {_PLAIN}"
        return OpenError(ErrorClass.TLS, message, refused=True)
    if isinstance(error, ConnectionError):
        return OpenError(ErrorClass.TLS, f"{failed.message}; {_PLAIN}")
    return failed


def not_http(head: bytes, wrong: str) -> str:
    """The message of an answer that is not HTTP/1.1, and why."""
    if head.startswith(_ALERT):
        return f"the server answered with a TLS alert, this port expects TLS: {_TLS}"
    return f"not HTTP/1.1: {wrong}"


def expects_tls(status: int, head: bytes) -> str:
    """What a response with this head, and the beginning of its body, says of its port; empty:
    nothing."""
    if status == 400 and _EXPECTS_TLS.search(head):
        return f"this port expects TLS: {_TLS}"
    return ""


def unanswered(scheme: str) -> str:
    """The message of a connection that was closed before any answer."""
    return f"{NO_ANSWER}; if this port expects TLS, {_TLS}" if scheme == "http" else NO_ANSWER
