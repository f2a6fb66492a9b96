"""Trimming: finished runs, full results and revisions that exceed their limits."""

from collections.abc import Iterable

from perfrun.api.run.perfrun import PerfRun
from perfrun.api.test.perftest import CheckedTest
from perfrun.api.times import parse_time
from perfrun.controller.objects.manifests import CONTENT_LABEL, RUN_LABEL, TEST_LABEL, revision_name
from perfrun.controller.objects.status import write_status
from perfrun.controller.objects.store import Key, RunRecord, Store
from perfrun.controller.objects.writing import delete_owned
from perfrun.kube.client import Kube
from perfrun.kube.resources import CONFIG_MAPS, PERF_RUNS, REVISIONS
from perfrun.logic.run.history import HistoryEntry, expired, stale_results
from perfrun.logic.run.status import result_dropped


class Historian:
    """Keeps the history of tests within its limits."""

    def __init__(self, kube: Kube, store: Store) -> None:
        self._kube = kube
        self._store = store
        self._kept: dict[Key, frozenset[str]] = {}
        """The revisions that each test's were last trimmed to."""

    def forget(self, test: Key) -> None:
        """The test is gone; what it owned is deleted with it."""
        self._kept.pop(test, None)

    async def trim(self, test: CheckedTest) -> None:
        """Delete what exceeds a test's limits, oldest first."""
        key = Key(test.metadata.namespace, test.metadata.name)
        # Those with overrides have a history beside: many of them take no place from the others.
        for runs in (self._store.own_runs_of(key), self._store.overridden_runs_of(key)):
            await self._trim(test, key, runs)
        await self._drop_revisions(test, key)

    async def _trim(self, test: CheckedTest, key: Key, runs: Iterable[RunRecord]) -> None:
        finished = [
            HistoryEntry(run.key.name, run.verdict, parse_time(run.completed), run.has_result)
            for run in runs
            if run.done and run.completed
        ]
        pinned = test.spec.baseline.run
        gone = expired(finished, test.spec.history_limits, pinned)
        for name in gone:
            record = self._store.runs.get(Key(key.namespace, name))
            if record is not None:
                await self._kube.delete(PERF_RUNS, key.namespace, name, uid=record.uid)
                self._store.drop_run(record.key)
        left = [run for run in finished if run.name not in gone]
        for name in stale_results(left, pinned):
            await self._drop_result(key.namespace, name)

    async def _drop_result(self, namespace: str, name: str) -> None:
        body = await self._kube.find(PERF_RUNS, namespace, name)
        if body is None:
            return
        run = PerfRun.parse(body)
        labels = f"{RUN_LABEL}={name},{CONTENT_LABEL}=result"
        await delete_owned(self._kube, CONFIG_MAPS, namespace, labels, run.metadata.uid)
        if run.status.result is not None:
            await write_status(self._kube, PERF_RUNS, run.metadata, result_dropped())

    async def _drop_revisions(self, test: CheckedTest, key: Key) -> None:
        """Delete revisions that neither a run nor the test itself needs."""
        runs = self._store.runs_of(key)
        if any(run.revision is None and not run.done for run in runs):
            return  # it is being accepted, and may be about to use one
        named = {run.revision for run in runs if run.revision is not None}
        needed = frozenset({*named, revision_name(key.name, test.what_runs)})
        if needed == self._kept.get(key):
            return
        labels = f"{TEST_LABEL}={key.name}"
        await delete_owned(
            self._kube, REVISIONS, key.namespace, labels, test.metadata.uid, but=needed
        )
        self._kept[key] = needed
