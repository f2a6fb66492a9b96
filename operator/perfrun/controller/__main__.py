"""``python -m perfrun.controller``: the operator."""

import asyncio
import gc
import logging
import signal
import sys
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import kopf
import uvloop
from typing_extensions import override

from perfrun import __version__
from perfrun.api.sentence import printable
from perfrun.controller.lead.lease_thread import LeaseThread
from perfrun.controller.objects.accounts import Accounts, api_audiences
from perfrun.controller.objects.events import Events
from perfrun.controller.objects.policies import ensure_policy, written_policies
from perfrun.controller.objects.store import Key, namespace_of
from perfrun.controller.run.admit import Acceptor
from perfrun.controller.run.environment import EnvironmentReader
from perfrun.controller.run.finish import Finisher
from perfrun.controller.run.identity import PodIdentity
from perfrun.controller.run.open_runs import OpenRuns
from perfrun.controller.run.reconciler import RunReconciler
from perfrun.controller.run.sampler import Sampler
from perfrun.controller.serve.access import static_token
from perfrun.controller.serve.front import Front
from perfrun.controller.serve.health import Resync
from perfrun.controller.serve.server import COORDINATOR, serving
from perfrun.controller.serve.tls import CertificatePair, certificate, server_context
from perfrun.controller.settings import Settings
from perfrun.controller.test.checks import Checks
from perfrun.controller.test.history import Historian
from perfrun.controller.test.notifier import Notifier, new_client
from perfrun.controller.test.receivers import Receivers
from perfrun.controller.test.reconciler import TestReconciler
from perfrun.controller.test.ticks import Ticker
from perfrun.controller.watch.queue import WorkQueue
from perfrun.controller.watch.watches import Watches, registry
from perfrun.coordinator.app import make_app
from perfrun.coordinator.coordinator import Coordinator
from perfrun.kube.client import Kube
from perfrun.kube.errors import KubeError
from perfrun.kube.resources import PERF_POLICIES, PERF_RUNS, PERF_TESTS, Resource

logger = logging.getLogger("perfrun")

T = TypeVar("T")

WORKERS = 8
MAX_OF_NAMESPACE = 4
"""The maximum number of workers that one namespace uses at once: reconciling its objects may be
slow, because each waits for checks or a webhook, and this must not delay other namespaces.
"""
RETRY_S = 2.0
MAX_LINE = 8192
"""Maximum length of a line in the log."""


def watched(settings: Settings) -> list[Resource]:
    """The resources that are watched all the time. Policies are cluster-scoped."""
    return [PERF_TESTS, PERF_RUNS, *([] if settings.watch_namespaces else [PERF_POLICIES])]


class LineFormatter(logging.Formatter):
    """One line for each record, whatever a tenant or a server has written into it. Further lines,
    such as a traceback, are indented, so that they cannot be mistaken for other records.
    """

    @override
    def formatMessage(self, record: logging.LogRecord) -> str:
        record.message = printable(record.message, MAX_LINE)
        return super().formatMessage(record)

    @override
    def formatException(self, ei: Any) -> str:
        lines = super().formatException(ei).splitlines()
        return "\n".join(f"  {printable(line, MAX_LINE)}" for line in lines)


class Operator:
    """All parts of the operator, put together once."""

    def __init__(
        self,
        kube: Kube,
        settings: Settings,
        pair: CertificatePair | None,
        front: Front,
        lease: LeaseThread,
    ) -> None:
        self.settings = settings
        self.pair = pair
        self.store = front.store
        self.metrics = front.metrics
        self.health = front.health
        self._lease = lease
        self._kube = kube = kube.fenced(lease.time_to_write)
        self._events = Events(kube, settings.pod_name)
        self.checks = Checks(kube, lambda key: self.tests.add(key))
        self.ticker = Ticker(kube, self.store, lambda key: self.tests.add(key))
        open_runs = OpenRuns(kube, self.store, self.checks, lambda key: self.runs.add(key))
        self.coordinator = Coordinator(open_runs, PodIdentity(kube, open_runs))
        self.metrics.in_progress = self.coordinator.in_progress
        self.notifier = self._new_notifier()
        runs = self._run_reconciler(open_runs)
        turns = (self.ticker.calm, namespace_of, MAX_OF_NAMESPACE)
        self.runs: WorkQueue[Key] = WorkQueue(runs.reconcile, "run", *turns)
        self.tests: WorkQueue[Key] = WorkQueue(self._test_reconciler().reconcile, "test", *turns)
        self.watches = Watches(self.store, self.tests, self.runs, runs, self.metrics)
        self.resync = self._new_resync()
        if settings.watch_namespaces:
            for name, record in written_policies(settings).items():
                self.store.put_policy(name, record)

    def _new_notifier(self) -> Notifier:
        receivers = Receivers.read(self.settings.receivers)
        self.metrics.expect_receivers(receivers.all_names)
        return Notifier(self._kube, self.store, self._events, self.metrics, receivers, new_client())

    def _run_reconciler(self, open_runs: OpenRuns) -> RunReconciler:
        kube, pair = self._kube, self.pair
        environment, sampler = EnvironmentReader(kube, self.settings), Sampler(kube)
        finisher = Finisher(kube, open_runs, self._events, self.metrics, environment, sampler)
        return RunReconciler(
            kube,
            self.store,
            self.coordinator,
            open_runs,
            Acceptor(kube, self.store, finisher, self._events, self.checks),
            finisher,
            environment,
            self._events,
            self.settings,
            sampler,
            Accounts(kube, pair.key if pair else ""),
            pair.certificate if pair else "",
        )

    def _test_reconciler(self) -> TestReconciler:
        return TestReconciler(
            self._kube,
            self.store,
            Historian(self._kube, self.store),
            self._events,
            self.metrics,
            self.ticker,
            self.notifier,
            self.checks,
        )

    def _new_resync(self) -> Resync:
        look_at = {
            PERF_TESTS: self.tests.add,
            PERF_RUNS: self.runs.add,
            PERF_POLICIES: lambda _: self.watches.policies_changed(),
        }
        known = {resource: look_at[resource] for resource in watched(self.settings)}
        return Resync(self._kube, self.store, self.health, self.settings, known)

    async def run(self) -> None:
        """Run until SIGTERM. If any part fails, the process ends, and the kubelet restarts it."""
        context = server_context(self.pair) if self.pair else None
        port = self.settings.coordinator_port
        async with serving(make_app(self.coordinator), port, COORDINATOR, context):
            parts = {
                asyncio.create_task(part, name=name)
                for name, part in (
                    ("watches", self._watch()),
                    ("work", self._lead()),
                    ("resync", self.resync.run()),
                )
            }
            done, rest = await asyncio.wait(parts, return_when=asyncio.FIRST_COMPLETED)
            for part in rest:
                part.cancel()
            await asyncio.gather(*rest, return_exceptions=True)
            await self.notifier.close()
            await self.checks.close()
            await self._lease.release()
            for part in done:
                part.result()

    async def _work(self, queue: WorkQueue[Key]) -> None:
        # Not before everything is known: a target whose run has not been seen yet would look free.
        await self.health.caught_up.wait()
        await queue.run(WORKERS)

    async def _lead(self) -> None:
        """Once the Lease is held: see what the previous leader did last, and act."""
        await self._lease.leading.wait()
        if self.settings.default_policy and not self.settings.watch_namespaces:
            await _insist("its default policy", lambda: ensure_policy(self._kube))
        await self.checks.start()
        self.resync.look_again()
        self.metrics.leading = True
        async with asyncio.TaskGroup() as group:
            for queue in (self.tests, self.runs):
                group.create_task(self._work(queue))
            group.create_task(self.ticker.run())

    async def _watch(self) -> None:
        namespaces = self.settings.watch_namespaces
        # kopf's default identity needs a user name, which the arbitrary uid of a pod does not have.
        identity: Any = self.settings.pod_name
        await kopf.operator(
            registry=registry(self.watches, with_policies=not namespaces),
            identity=identity,
            standalone=True,
            clusterwide=not namespaces,
            namespaces=namespaces,
        )


async def start(settings: Settings) -> None:
    """Answer probes, connect, wait for the prerequisites, and run."""
    task = asyncio.current_task()
    assert task is not None
    # Until kopf handles the signal; process 1 of a container would ignore it otherwise.
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    # First of all: the kubelet would kill an operator that is only waiting for the API server.
    async with Front(settings, watched(settings)) as front:
        kube = await _insist("the cluster", Kube.connect)
        try:
            await _insist("the custom resources", lambda: _served(kube, settings))
            pair = None
            if settings.tls_secret:
                pair = await _insist("its certificate", lambda: certificate(kube, settings))
            front.store.api_audiences = await _insist(
                "the API server's audiences", lambda: api_audiences(kube, settings)
            )
            token = ""
            if settings.metrics_access == "token":
                token = await _insist("its token", lambda: static_token(kube, settings))
            await front.serve_metrics(pair, token)
            logger.info(
                "perfrun %s, watching %s",
                __version__,
                ", ".join(settings.watch_namespaces) or "all namespaces",
            )
            async with LeaseThread(settings, front.heartbeat) as lease:
                await Operator(kube, settings, pair, front, lease).run()
        finally:
            await kube.close()


async def _insist(what: str, attempt: Callable[[], Awaitable[T]]) -> T:
    """The result of ``attempt``, which is repeated until the API server allows it."""
    while True:
        try:
            return await attempt()
        except KubeError as error:
            logger.warning("waiting for %s: %s", what, error)
            await asyncio.sleep(RETRY_S)


async def _served(kube: Kube, settings: Settings) -> None:
    """Raise KubeError unless the API server knows perfrun's kinds: a chart's CRDs may
    come later.
    """
    namespace = settings.watch_namespaces[0] if settings.watch_namespaces else None
    for resource in watched(settings):
        await kube.list(resource, namespace, only_metadata=True)


def main() -> int:
    """The exit code: 0 after SIGTERM, 1 if the lease was lost, 2 for a wrong configuration."""
    try:
        settings = Settings.from_env()
    except ValueError as error:
        print(f"perfrun: {error}", file=sys.stderr)  # noqa: T201
        return 2
    handler = logging.StreamHandler()
    handler.setFormatter(LineFormatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
    logging.basicConfig(level=settings.log_level, handlers=[handler])
    # They log requests with URL and headers, at any level, and a receiver's URL may be its secret.
    for library in ("kopf", "httpx", "httpcore"):
        logging.getLogger(library).setLevel(logging.WARNING)
    # A full collection stops the loop, for 65 ms less if it skips the imported objects.
    gc.collect()
    gc.freeze()
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(start(settings))
    except asyncio.CancelledError:
        logger.info("asked to end")
    return 0


if __name__ == "__main__":
    sys.exit(main())
