"""What the watches feed: events in, names out. A handler only remembers and queues."""

from typing import Any

import kopf
from pydantic import ValidationError

from perfrun.api import GROUP, VERSION, Json
from perfrun.api.run.perfrun import PerfRun, Phase
from perfrun.controller.metrics import Metrics
from perfrun.controller.objects.policies import policy_record
from perfrun.controller.objects.store import Key, RunRecord, Store, run_record
from perfrun.controller.run.reconciler import RunReconciler
from perfrun.controller.watch.queue import WorkQueue
from perfrun.controller.watch.session import session_of

# The server ends a watch after this; kopf then lists again.
SERVER_TIMEOUT_S = 300
CLIENT_TIMEOUT_S = 330
CONNECT_TIMEOUT_S = 10
NEXT_ONES = 20
# Holding ten thousand objects in memory at once, even for a moment, permanently cost more than 100
# MiB. An object may be up to 1.5 MiB in size.
LIST_PAGE = 50
LOOK_AFTER_S, MAX_LOOK_AFTER_S = 0.001, 10.0
"""How long news about a run may wait until its test is reconciled, for each run of that test: a
look goes through all of them, so news about thousands would cost as many looks at thousands.
"""


class Watches:
    """What the watches feed: the store, and the two queues."""

    def __init__(
        self,
        store: Store,
        tests: WorkQueue[Key],
        runs: WorkQueue[Key],
        reconciler: RunReconciler,
        metrics: Metrics,
    ) -> None:
        self._store = store
        self._tests = tests
        self._runs = runs
        self._reconciler = reconciler
        self._metrics = metrics

    def test_event(self, kind: str | None, body: Json) -> None:
        """A PerfTest was listed, created, changed or deleted."""
        key = _key(body)
        if kind == "DELETED":
            self._store.tests.pop(key, None)
            self._store.forget_pulse("PerfTest", body)
            self._metrics.drop_test(key)
            return
        self._store.tests[key] = body["metadata"]["uid"]
        self._metrics.see_test(key, body["metadata"].get("labels") or {})
        self._store.pulse("PerfTest", body)
        self._tests.add(key)

    def run_event(self, kind: str | None, body: Json) -> None:
        """A PerfRun was listed, created, changed or deleted."""
        key = _key(body)
        known = self._store.delivered.pop(key, None)
        if kind == "DELETED":
            self._store.forget_pulse("PerfRun", body)
            self._reconciler.forget(key)
            self._drop(key, known)
            return
        self._store.pulse("PerfRun", body)
        if body["metadata"].get("deletionTimestamp"):
            # A finalizer may keep it for long; it holds no target and no longer runs.
            self._drop(key, known)
            self._runs.add(key)
            return
        try:
            run = PerfRun.parse(body)
        except ValidationError:
            # Somebody else has changed it. It holds no target, and the reconciler ends it.
            self._drop(key, known)
            self._runs.add(key)
            return
        record = run_record(run)
        before = self._store.runs.get(key)
        self._store.put_run(record)
        self._store.delivered[key] = record
        if record.done:
            self._metrics.see_run(run)
        # Progress and the queue are not news, because the reconciler wrote them itself.
        queued = record.phase is Phase.QUEUED and record == before
        behind = record.done and run.status.observed_generation != run.metadata.generation
        if behind or (record != known and not (known is not None and queued)):
            self._runs.add(key)
        if known is None or known.phase is not record.phase:
            self._look_at_test(Key(key.namespace, record.test))
            if record.done or record.phase is Phase.STARTING:
                self._wake_queue()

    def policy_event(self, kind: str | None, body: Json) -> None:
        """A PerfPolicy was listed, created, changed or deleted."""
        name = body["metadata"]["name"]
        if kind == "DELETED":
            self._store.drop_policy(name)
            self._store.forget_pulse("PerfPolicy", body)
        else:
            self._store.put_policy(name, policy_record(body))
            self._store.pulse("PerfPolicy", body)
        self.policies_changed()

    def policies_changed(self) -> None:
        """Something may be allowed now that was not, and the other way round."""
        for key in self._store.tests:
            self._tests.add(key)
        for run in self._store.unfinished():
            self._runs.add(run.key)

    def _drop(self, key: Key, known: RunRecord | None) -> None:
        """A run is gone, or nearly: everything that counted it or waited for it looks again."""
        self._store.drop_run(key)
        if known is not None:
            self._look_at_test(Key(key.namespace, known.test))
            self._wake_queue()

    def _look_at_test(self, test: Key) -> None:
        after = LOOK_AFTER_S * self._store.count_of(test)
        self._tests.add(test, min(after, MAX_LOOK_AFTER_S))

    def _wake_queue(self) -> None:
        """Look at once at the run whose turn it is now; all others may be thousands."""
        for waiting in self._store.admission().next_ones(NEXT_ONES):
            self._runs.add(Key(waiting.namespace, waiting.name))


def registry(watches: Watches, *, with_policies: bool) -> kopf.OperatorRegistry:
    """What kopf should watch, and how. Policies are cluster-scoped."""
    registered = kopf.OperatorRegistry()
    handlers = {"perftests": watches.test_event, "perfruns": watches.run_event}
    if with_policies:
        handlers["perfpolicies"] = watches.policy_event

    @kopf.on.startup(registry=registered)
    def configure(settings: kopf.OperatorSettings, **_: Any) -> None:
        settings.watching.server_timeout = SERVER_TIMEOUT_S
        settings.watching.client_timeout = CLIENT_TIMEOUT_S
        settings.watching.connect_timeout = CONNECT_TIMEOUT_S
        settings.watching.chunk_size = LIST_PAGE
        settings.posting.enabled = False
        settings.scanning.disabled = True

    @kopf.on.login(registry=registered)
    async def login(**kwargs: Any) -> kopf.AiohttpSession | None:
        found = kopf.login_with_service_account(**kwargs) or kopf.login_with_kubeconfig(**kwargs)
        return session_of(found, handlers) if found is not None else None

    for plural in handlers:

        @kopf.on.event(GROUP, VERSION, plural, registry=registered)
        def never(**_: Any) -> None:
            """kopf watches resources that have a handler, but never delivers objects to
            this one.
            """

    return registered


def _key(body: Json) -> Key:
    return Key(body["metadata"]["namespace"], body["metadata"]["name"])
