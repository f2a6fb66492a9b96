"""What went wrong in a page, as an error class and in words."""

import re
from typing import NamedTuple
from urllib.parse import urlsplit

from perfrun.api.names import port_of
from perfrun.engine.browser.socks import Endpoint
from perfrun.reach.errors import ErrorClass, OpenError

CRASHED = "the browser crashed"
_NET = re.compile(r"net::(ERR_[A-Z0-9_]+)")
_CALL = re.compile(r"^[A-Za-z]+\.[a-z_]+: ")
"""What a message begins with, as in ``Page.goto: ``."""
_DEAD = re.compile(
    r"(Target|Page) crashed|Navigation failed because page crashed|Connection closed"
    r"|(Target page, context or browser|Pipe) has been closed"
)
# Chromium's net/base/net_error_list.h.
_CLASSES: tuple[tuple[str, ErrorClass], ...] = (
    ("ERR_CERT_", ErrorClass.TLS),
    ("ERR_SSL_", ErrorClass.TLS),
    ("ERR_BAD_SSL_", ErrorClass.TLS),
    ("ERR_NAME_", ErrorClass.DNS),
    ("ERR_SOCKS_", ErrorClass.CONNECT),
    ("ERR_PROXY_", ErrorClass.CONNECT),
    ("ERR_CONNECTION_RESET", ErrorClass.RESET),
    ("ERR_CONNECTION_CLOSED", ErrorClass.RESET),
    ("ERR_CONNECTION_ABORTED", ErrorClass.RESET),
    ("ERR_EMPTY_RESPONSE", ErrorClass.RESET),
    ("ERR_CONTENT_LENGTH_MISMATCH", ErrorClass.RESET),
    ("ERR_INCOMPLETE_", ErrorClass.RESET),
    ("ERR_CONNECTION_", ErrorClass.CONNECT),
    ("ERR_ADDRESS_", ErrorClass.CONNECT),
    ("ERR_TIMED_OUT", ErrorClass.TIMEOUT),
)


class Failure(NamedTuple):
    """Why a step failed."""

    error: ErrorClass
    message: str


def is_dead(message: str) -> bool:
    """Whether a message of the browser means that it, or the page, has crashed."""
    return _DEAD.match(_first(message)) is not None


def not_started(message: str, sandbox: str) -> str:
    """Why a browser did not start, in one line. ``sandbox`` is the variable that disables the
    sandbox."""
    if "sandboxing failed" in message:
        return (
            f"its sandbox does not work here, because it needs user namespaces; {sandbox}=off "
            "starts it without"
        )
    first = (message.strip().splitlines() or ["it did not respond"])[0]
    return f"{first} (spec.target.browser)"


def failure_of(message: str, doing: str, refused: OpenError | None) -> Failure:
    """The failure behind a message of the browser. ``refused``: why the proxy did not connect to
    the server of the page."""
    if is_dead(message):
        return Failure(ErrorClass.BROWSER, f"{CRASHED} while {doing}")
    first = _first(message)
    if first.startswith(("Download is starting", "net::ERR_ABORTED")):
        return Failure(ErrorClass.PROTOCOL, "the response is a download, not a page")
    found = _NET.match(first)
    if found is None:
        return Failure(ErrorClass.DATA, f"{first[:100]} ({doing})")
    if refused is not None and "ERR_SOCKS_" in found[1]:
        return Failure(ErrorClass(refused.reason), refused.message)
    known = (error for prefix, error in _CLASSES if found[1].startswith(prefix))
    return Failure(next(known, ErrorClass.PROTOCOL), f"{found[1]} ({doing})")


def _first(message: str) -> str:
    """The first line without the call that failed: URLs and selectors may contain any text."""
    line = (message.splitlines() or [""])[0]
    return _CALL.sub("", line)


def endpoint_of(url: str) -> Endpoint | None:
    """The host and port that a URL connects to."""
    try:
        parts = urlsplit(url)
        port = port_of(parts)
    except ValueError:
        return None
    return Endpoint(parts.hostname, port) if parts.hostname and port else None
