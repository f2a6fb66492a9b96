"""The session of kopf's lists and watches: objects are handled as they are read.

kopf logs in, lists, watches, and begins again when a watch has ended. It does not get the objects:
it keeps no state on them and adds no finalizers, which would block the deletion of a namespace
while the operator is gone.
"""

import asyncio
import json
import logging
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

import aiohttp
import kopf

from perfrun.api import Json
from perfrun.kube.client import METADATA_LIST
from perfrun.kube.decoding import decode

logger = logging.getLogger(__name__)

Deliver = Callable[[str | None, Json], None]
"""Gets the type of an event, such as ``ADDED`` (None: the object was listed), and the object."""

METADATA = METADATA_LIST.replace("List", "")
AT_ONCE = 64 * 1024
"""Bytes of a watch whose objects are handled in one cycle of the loop: about 60 objects
of 1 KiB.
"""


class LenientConnection(kopf.ConnectionInfo):
    """A connection that accepts the certificates of real clusters.

    From Python 3.13 on, the default is to refuse certificates without the extensions that RFC 5280
    requires, which many clusters have. Chain and host name are still verified.
    """

    def as_ssl_context(self) -> ssl.SSLContext:
        """The context as kopf creates it, without VERIFY_X509_STRICT."""
        context = super().as_ssl_context()
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        return context


class Response(aiohttp.ClientResponse):
    """An answer whose JSON may be nested to any depth."""

    deliver: Deliver | None = None
    """Gets the objects of a list; None: they stay in the answer."""

    async def json(self, **_: Any) -> Any:
        """The parsed body, without the objects that are delivered."""
        value = decode(await self.read())
        if self.deliver is not None:
            for body in value.get("items") or ():
                self.deliver(None, body)
            value["items"] = []
        return value


class WatchStream:
    """The stream of a watch. Its objects are delivered, and kopf reads only its position."""

    def __init__(self, stream: aiohttp.StreamReader, deliver: Deliver) -> None:
        self._stream = stream
        self._deliver = deliver

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    async def iter_chunked(self, size: int) -> AsyncIterator[bytes]:
        """Like the stream's: lines of JSON, with one bookmark for everything that
        arrived at once.
        """
        begun: list[bytes] = []
        async for chunk in self._stream.iter_chunked(min(size, AT_ONCE)):
            *ends, rest = chunk.split(b"\n")
            version = ""
            for end in ends:
                line = b"".join([*begun, end])
                begun = []
                if not line:
                    continue
                event = decode(line)
                if event["type"] in ("ADDED", "MODIFIED", "DELETED"):
                    self._deliver(event["type"], event["object"])
                elif event["type"] != "BOOKMARK":
                    yield line + b"\n"
                    continue
                version = event["object"]["metadata"]["resourceVersion"]
            begun.append(rest)
            if version:
                seen = {"metadata": {"resourceVersion": version}}
                yield json.dumps({"type": "BOOKMARK", "object": seen}).encode() + b"\n"
            await asyncio.sleep(0)  # there may be more, and others have waited for this


def _guarded(handle: Deliver) -> Deliver:
    """A handler whose failure with one object does not end the watch of all others."""

    def deliver(kind: str | None, body: Json) -> None:
        try:
            handle(kind, body)
        except Exception:
            logger.exception("event %s of %s is skipped", kind, body["metadata"].get("name"))

    return deliver


def intercept(handlers: Mapping[str, Deliver]) -> aiohttp.ClientMiddlewareType:
    """A middleware that passes objects to the handlers of their resource.

    kopf has a task for each object, and starts one in each cycle of the loop: with thousands of new
    objects, a busy loop and kopf's 2 ms for each event, an object was handled many seconds after it
    arrived.
    """
    guarded = {plural: _guarded(handle) for plural, handle in handlers.items()}

    async def pass_on(
        request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        deliver = guarded.get(request.url.name)
        watching = request.url.query.get("watch") == "true"
        if request.url.name == "perftests":  # of their contents, only names are needed here
            request.headers["Accept"] = METADATA if watching else METADATA_LIST
        response = await handler(request)
        if deliver is not None and response.ok:
            if watching:
                response.content = WatchStream(response.content, deliver)  # type: ignore[assignment]
            else:
                response.deliver = deliver  # type: ignore[attr-defined]
        return response

    return pass_on


def session_of(found: kopf.ConnectionInfo, handlers: Mapping[str, Deliver]) -> kopf.AiohttpSession:
    """The session that kopf would have created from these credentials, with all of the above."""
    info = LenientConnection(**vars(found))
    return kopf.AiohttpSession(
        server=info.server,
        default_namespace=info.default_namespace,
        priority=info.priority,
        expiration=info.expiration,
        aiohttp_session=aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, ssl=info.as_ssl_context()),
            headers=info.as_http_headers(),
            proxy=info.proxy_url,
            trust_env=info.trust_env,
            response_class=Response,
            middlewares=[intercept(handlers)],
        ),
    )
