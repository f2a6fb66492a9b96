"""The operator's two ports: probes and metrics for the cluster, the coordinator for workers."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import cast

from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector

from perfrun.controller.health import Health

SHUTDOWN_S = 2.0
MOST_CONNECTIONS = 4000
"""Of one port: four for each of a thousand workers. An idle one costs some tens of KiB."""


class Taken(Collector):
    """The families of a registry at one moment."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._families = list(registry.collect())

    def collect(self) -> list[Metric]:
        """The families as they were."""
        return self._families


def make_http_app(health: Health, registry: CollectorRegistry) -> web.Application:
    """``/healthz``, ``/readyz`` and ``/metrics``."""

    async def healthz(_: web.Request) -> web.Response:
        if dead := health.dead_watches:
            return web.Response(status=503, text=f"no news from the watch of {', '.join(dead)}\n")
        return web.Response(text="ok\n")

    async def readyz(_: web.Request) -> web.Response:
        if not health.ready:
            return web.Response(status=503, text="the watches have not caught up yet\n")
        return web.Response(text="ok\n")

    async def metrics(_: web.Request) -> web.Response:
        # What is shown is taken here, of one moment. To write it down takes as long again, for
        # many tests, and is done in a thread: runs and probes go on.
        body = await asyncio.to_thread(generate_latest, Taken(registry))
        return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE_LATEST})

    app = web.Application()
    app.router.add_get("/healthz", healthz)
    app.router.add_get("/readyz", readyz)
    app.router.add_get("/metrics", metrics)
    return app


@asynccontextmanager
async def serving(
    app: web.Application, port: int, context: ssl.SSLContext | None = None
) -> AsyncIterator[None]:
    """Serve ``app`` on all addresses of the pod while the block runs."""
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=SHUTDOWN_S)
    await runner.setup()
    server = runner.server
    assert server is not None
    loop = asyncio.get_running_loop()
    try:
        listener = await loop.create_server(_bounded(server), None, port, ssl=context)
        try:
            yield
        finally:
            listener.close()
    finally:
        await runner.cleanup()


def _bounded(server: web.Server) -> Callable[[], asyncio.BaseProtocol]:
    """What serves a connection; those over the limit are closed. Who sends them tries again."""

    def serve() -> asyncio.BaseProtocol:
        return server() if len(server.connections) < MOST_CONNECTIONS else _Full()

    return serve


class _Full(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        cast(asyncio.Transport, transport).abort()
