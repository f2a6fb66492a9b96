"""What probes and scrapes see, on ports in a separate thread.

A busy main loop does not delay probes, and a flood of connections does not burden the main loop.
The ports are open from the start, before there is a connection to the cluster.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from contextlib import AsyncExitStack, suppress
from typing import Self

from aiohttp import web
from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.core import Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector

from perfrun.controller.lead.heartbeat import Heartbeat
from perfrun.controller.lead.loop_thread import LoopThread
from perfrun.controller.metrics import Metrics
from perfrun.controller.metrics.families import merged
from perfrun.controller.objects.store import Store
from perfrun.controller.serve.access import Reviewed, StaticToken, anybody
from perfrun.controller.serve.health import Health
from perfrun.controller.serve.server import PortLimits, serving
from perfrun.controller.serve.tls import CertificatePair, server_context
from perfrun.controller.settings import Settings
from perfrun.kube.client import Kube
from perfrun.kube.resources import Resource

PROBES = PortLimits(connections=1024, each_peer=512, head_s=5.0, life_s=10.0)
"""The kubelet asks once every few seconds. If others hold more connections, they make
room for it.
"""
METRICS = PortLimits(connections=64, each_peer=16, head_s=5.0, life_s=30.0)
"""A few Prometheus servers, for a scrape each; with many tests the answers are large."""
SNAPSHOT_S = 5.0
"""How long to wait for the main loop; Prometheus gives up after 10 s by default. Without it, a
scrape still has the operator's own metrics.
"""

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Check = Callable[[web.Request], Awaitable[web.Response | None]]
"""Whether a request may read metrics: None, or the refusal to send."""


class Taken(Collector):
    """Families that were collected earlier."""

    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = list(families)

    def collect(self) -> list[Metric]:
        """The families as they were."""
        return self._families


class Front:
    """The servers of probes and metrics; created and closed in the main loop."""

    def __init__(self, settings: Settings, watched: Iterable[Resource]) -> None:
        self.store = Store()
        self.heartbeat = Heartbeat()
        self.metrics = Metrics(self.store, settings.test_labels)
        self.metrics.loop_lag = self.heartbeat.worst
        self.health = Health(time.monotonic, watched)
        self.metrics.watch_ages = self.health.watch_ages
        self._settings = settings
        self._process = CollectorRegistry()
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=self._process)
        self._thread = LoopThread("front")
        self._servers = AsyncExitStack()
        """Used only in the thread."""

    async def __aenter__(self) -> Self:
        """Start answering probes, and the heartbeat."""
        self._main = asyncio.get_running_loop()
        self._beating = asyncio.create_task(self.heartbeat.run(), name="heartbeat")
        self._thread.start()

        async def serve() -> None:
            app, port = probes_app(self.health), self._settings.probes_port
            await self._servers.enter_async_context(serving(app, port, PROBES))

        await self._thread.call(serve())
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._thread.call(self._servers.aclose())
        await self._thread.stop()
        self._beating.cancel()

    async def serve_metrics(self, pair: CertificatePair | None = None, token: str = "") -> None:
        """Serve metrics from now on, in clear text only if anybody may read them. Raises KubeError.

        ``token`` is for the access mode ``token``.
        """
        about = self._settings
        context = server_context(pair) if pair and about.metrics_access != "open" else None

        async def serve() -> None:
            app = metrics_app(self._families, await self._check(token))
            port = about.metrics_port
            await self._servers.enter_async_context(serving(app, port, METRICS, context))

        await self._thread.call(serve())

    async def _check(self, token: str) -> Check:
        """Who may read; called in the thread, because a client belongs to its loop."""
        match self._settings.metrics_access:
            case "open":
                return anybody
            case "token":
                return StaticToken(token)
            case _:
                kube = await Kube.connect()
                self._servers.push_async_callback(kube.close)
                return Reviewed(kube)

    async def _families(self) -> list[Metric]:
        """All families; called in the thread."""
        taking = asyncio.run_coroutine_threadsafe(self._of_tests(), self._main)
        of_tests: list[Metric] = []
        with suppress(TimeoutError):
            async with asyncio.timeout(SNAPSHOT_S):
                of_tests = await asyncio.wrap_future(taking)
        return [*self.metrics.own(), *self._process.collect(), *of_tests]

    async def _of_tests(self) -> list[Metric]:
        steps = []
        for step in self.metrics.steps():
            steps.append(step)
            await asyncio.sleep(0)
        return merged(steps)


def probes_app(health: Health) -> web.Application:
    """``/healthz`` and ``/readyz``."""

    async def healthz(_: web.Request) -> web.Response:
        if dead := health.dead_watches:
            return web.Response(
                status=503, text=(f"no events or lists from the watch of {', '.join(dead)}\n")
            )
        return web.Response(text="ok\n")

    async def readyz(_: web.Request) -> web.Response:
        if not health.ready:
            return web.Response(status=503, text="the watches have not caught up yet\n")
        return web.Response(text="ok\n")

    return _app({"/healthz": healthz, "/readyz": readyz})


def metrics_app(families: Callable[[], Awaitable[list[Metric]]], check: Check) -> web.Application:
    """``/metrics``."""

    async def metrics(request: web.Request) -> web.Response:
        if refusal := await check(request):
            return refusal
        # In a separate thread: formatting the series of many tests takes longer than a probe waits.
        body = await asyncio.to_thread(generate_latest, Taken(await families()))
        return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE_LATEST})

    return _app({"/metrics": metrics})


@web.middleware
async def _closed_after(request: web.Request, handler: Handler) -> web.StreamResponse:
    """One request for each connection, so that its time limit is that of the connection."""
    response = await handler(request)
    response.force_close()
    return response


def _app(routes: dict[str, Handler]) -> web.Application:
    app = web.Application(middlewares=[_closed_after])
    for path, handler in routes.items():
        app.router.add_get(path, handler)
    return app
