"""The supported protocols: how each writes a request, and its pool."""

from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

from perfrun.api.test.target import HttpTarget
from perfrun.engine.http.pool import Origin, Pool, Security
from perfrun.logic.plan.network import Fence

Encode = Callable[[bytes], Any]
"""Converts an HTTP/1.1 request to the argument of :meth:`Link.send`."""


class HttpVersion(NamedTuple):
    """One protocol. Requests are always edited in their HTTP/1.1 form."""

    encoder: Callable[[str], Encode]
    """By the scheme of the origin."""
    plain: Callable[[Any], bytes]
    """The HTTP/1.1 form of an encoded request."""
    pool: Callable[[Origin, Security, Fence], Pool]


def version_of(target: HttpTarget) -> HttpVersion:
    """The protocol of a target."""
    timeout, shares = target.connect_timeout, target.connections == "Shared"
    if target.protocol == "HTTP/2":
        # Imported here, because the tables of HPACK take time to load.
        from perfrun.engine.http.http2 import frames
        from perfrun.engine.http.http2.pool import Http2Pool

        return HttpVersion(
            cache(frames.encoder),
            lambda request: bytes(request.http1),
            lambda origin, security, fence: Http2Pool(
                origin, security, timeout, fence, shares=shares
            ),
        )
    return HttpVersion(
        lambda _scheme: _as_it_is,
        _as_it_is,
        lambda origin, security, fence: Pool(origin, security, timeout, fence),
    )


def _as_it_is(request: bytes) -> bytes:
    return request
