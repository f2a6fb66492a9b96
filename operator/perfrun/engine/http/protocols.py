"""The protocols that are spoken: how each writes a request, and the pool that carries it."""

from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

from perfrun.api.test.target import HttpTarget
from perfrun.engine.http.pool import Origin, Pool, Security
from perfrun.logic.plan.network import Fence

Encode = Callable[[bytes], Any]
"""Makes of an HTTP/1.1 request what :meth:`Link.send` takes."""


class HttpVersion(NamedTuple):
    """One protocol. All work on requests is done on their HTTP/1.1 form."""

    encoder: Callable[[str], Encode]
    """By the scheme of the origin."""
    plain: Callable[[Any], bytes]
    """The HTTP/1.1 form of an encoded request."""
    pool: Callable[[Origin, Security, Fence], Pool]


def version_of(target: HttpTarget) -> HttpVersion:
    """How a target is spoken to."""
    timeout, shares = target.connect_timeout, target.connections == "Shared"
    if target.protocol == "HTTP/2":
        # Only here: the tables of HPACK take time to load.
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
