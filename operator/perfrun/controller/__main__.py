"""``python -m perfrun.controller``: the operator."""

import asyncio
import logging
import sys
import time
from typing import Any

import kopf
from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector

from perfrun import __version__
from perfrun.controller.accept import Acceptor
from perfrun.controller.events import Events
from perfrun.controller.finish import Finisher
from perfrun.controller.health import Health, Resync
from perfrun.controller.history import Historian
from perfrun.controller.identity import PodIdentity
from perfrun.controller.kube import PERF_RUNS, PERF_TESTS, Kube, KubeError
from perfrun.controller.metrics import Metrics
from perfrun.controller.open_runs import OpenRuns
from perfrun.controller.perftests import TestReconciler
from perfrun.controller.queue import WorkQueue
from perfrun.controller.runs import RunReconciler
from perfrun.controller.server import make_http_app, serving
from perfrun.controller.settings import Settings
from perfrun.controller.store import Key, Store
from perfrun.controller.tls import Pair, certificate, server_context
from perfrun.controller.watch import Watches, registry
from perfrun.coordinator.app import make_app
from perfrun.coordinator.coordinator import Coordinator

logger = logging.getLogger("perfrun")

WORKERS = 8
RETRY_S = 2.0


class Operator:
    """All parts of the operator, put together once."""

    def __init__(self, kube: Kube, settings: Settings, pair: Pair | None) -> None:
        self.settings = settings
        self.pair = pair
        self.store = Store()
        self.metrics = Metrics(self.store)
        self.health = Health(time.monotonic)
        events = Events(kube, settings.pod_name)
        open_runs = OpenRuns(kube, lambda key: self.runs.add(key))
        self.coordinator = Coordinator(open_runs, PodIdentity(kube, open_runs))
        finisher = Finisher(kube, open_runs, events, self.metrics)
        reconciler = RunReconciler(
            kube,
            self.coordinator,
            open_runs,
            Acceptor(kube, self.store, finisher, events),
            finisher,
            events,
            settings,
            pair.certificate if pair else "",
        )
        historian = Historian(kube, self.store)
        tests = TestReconciler(kube, self.store, historian, events, self.metrics)
        self.runs: WorkQueue[Key] = WorkQueue(reconciler.reconcile, "run")
        self.tests: WorkQueue[Key] = WorkQueue(tests.reconcile, "test")
        self.watches = Watches(self.store, self.tests, self.runs, reconciler, self.metrics)
        self.resync = Resync(kube, self.store, self.health, settings, self.tests, self.runs)

    async def run(self) -> None:
        """Until SIGTERM. Any part that fails ends the process: the kubelet starts it anew."""
        context = server_context(self.pair) if self.pair else None
        async with (
            serving(make_http_app(self.health, self._registry()), self.settings.http_port),
            serving(make_app(self.coordinator), self.settings.coordinator_port, context),
        ):
            parts = {
                asyncio.create_task(part, name=name)
                for name, part in (
                    ("watches", self._watch()),
                    ("tests", self._work(self.tests)),
                    ("runs", self._work(self.runs)),
                    ("resync", self.resync.run()),
                )
            }
            done, rest = await asyncio.wait(parts, return_when=asyncio.FIRST_COMPLETED)
            for part in rest:
                part.cancel()
            await asyncio.gather(*rest, return_exceptions=True)
            for part in done:
                part.result()

    async def _work(self, queue: WorkQueue[Key]) -> None:
        # Not before all is known: a target would look free whose run has not been seen yet.
        await self.health.caught_up.wait()
        await queue.run(WORKERS)

    async def _watch(self) -> None:
        namespaces = self.settings.watch_namespaces
        # kopf's default identity asks for a user name, which the arbitrary uid of a pod has not.
        identity: Any = self.settings.pod_name
        await kopf.operator(
            registry=registry(self.watches),
            identity=identity,
            standalone=True,
            clusterwide=not namespaces,
            namespaces=namespaces,
        )

    def _registry(self) -> CollectorRegistry:
        collectors = CollectorRegistry()
        collectors.register(self.metrics)
        ProcessCollector(registry=collectors)
        PlatformCollector(registry=collectors)
        GCCollector(registry=collectors)
        return collectors


async def start(settings: Settings) -> None:
    """Connect, wait for the custom resources, and run."""
    kube = await Kube.connect()
    try:
        await _until_served(kube, settings)
        pair = await certificate(kube, settings) if settings.tls_secret else None
        logger.info(
            "perfrun %s, watching %s",
            __version__,
            ", ".join(settings.watch_namespaces) or "all namespaces",
        )
        await Operator(kube, settings, pair).run()
    finally:
        await kube.close()


async def _until_served(kube: Kube, settings: Settings) -> None:
    """Wait until the API server knows PerfTest and PerfRun: a chart's CRDs may come a bit later."""
    namespace = settings.watch_namespaces[0] if settings.watch_namespaces else None
    while True:
        try:
            for resource in (PERF_TESTS, PERF_RUNS):
                await kube.list(resource, namespace, only_metadata=True)
        except KubeError as error:
            logger.warning("waiting for the custom resources: %s", error)
            await asyncio.sleep(RETRY_S)
        else:
            return


def main() -> int:
    """The exit code: 0 after SIGTERM, 2 for a wrong configuration."""
    try:
        settings = Settings.from_env()
    except ValueError as error:
        print(f"perfrun: {error}", file=sys.stderr)  # noqa: T201
        return 2
    logging.basicConfig(
        level=settings.log_level, format="%(asctime)s %(levelname)s %(name)s %(message)s"
    )
    logging.getLogger("kopf").setLevel(logging.WARNING)
    asyncio.run(start(settings))
    return 0


if __name__ == "__main__":
    sys.exit(main())
