"""Collects what is known about all tests at the time of the scrape."""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import get_args

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from perfrun.api.run.perfrun import PerfRun
from perfrun.api.test.baseline import TrendState
from perfrun.api.times import parse_time
from perfrun.controller.metrics.counters import Counters
from perfrun.controller.metrics.families import TEST, merged, showable
from perfrun.controller.metrics.figures import (
    RunFigures,
    completed,
    figure_families,
    figures_of,
    objective_families,
)
from perfrun.controller.metrics.live import live_families
from perfrun.controller.metrics.per_test import TestLabels, kept_families
from perfrun.controller.objects.store import Key, Store
from perfrun.coordinator.live import Live
from perfrun.measure.plan import RunPlan

logger = logging.getLogger(__name__)

TESTS_AT_ONCE = 100
"""About 20 ms of the main loop."""


class Metrics(Collector):
    """What the operator shows: it is notified of events, and the registry asks it at
    each scrape.
    """

    def __init__(self, store: Store, test_labels: Sequence[str] = ()) -> None:
        """``test_labels``: the keys of labels of tests that are shown."""
        self._store = store
        self.leading = False
        """Whether this operator leads. A standby shows no tests, or each would be
        exported twice.
        """
        self.in_progress: Callable[[], Iterable[tuple[RunPlan, Live]]] = tuple
        """The progress of loads that have begun; the one that began last comes last."""
        self.loop_lag: Callable[[], float] = float
        """The longest time in the last minute for which the main loop stood still, in seconds."""
        self.watch_ages: Callable[[], Mapping[str, float]] = dict
        """By kind: seconds since its watch was last known to be up to date."""
        self._last: dict[Key, RunFigures] = {}
        self._next: dict[Key, float] = {}
        self._trends: dict[Key, TrendState] = {}
        self._ready: dict[Key, bool] = {}
        self._counters = Counters()
        self._labels = TestLabels(test_labels)

    # --- events --------------------------------------------------------------------------------

    def see_test(self, test: Key, labels: Mapping[str, str]) -> None:
        """A test, as read."""
        self._labels.see(test, labels)

    def see_run(self, run: PerfRun) -> None:
        """A finished run, as read: the latest of its test is shown, but for runs with overrides."""
        if run.spec.overrides is not None:
            return
        key = _test_of(run)
        known = self._last.get(key)
        if known is None or known.completed <= completed(run):
            self._last[key] = figures_of(run)

    def count_run(self, run: PerfRun) -> None:
        """A run that has just ended in this process."""
        self.see_run(run)
        self._counters.run(_test_of(run), run)

    def missed(self, test: Key) -> None:
        """A scheduled time without a run."""
        self._counters.missed(test)

    def show_trend(self, test: Key, state: TrendState | None) -> None:
        """How the test's last run compares; None if the test does not want comparisons, or has
        none.
        """
        if state is None:
            self._trends.pop(test, None)
        else:
            self._trends[test] = state

    def show_ready(self, test: Key, *, ready: bool) -> None:
        """Whether the test can be run as it is."""
        self._ready[test] = ready

    def expect_receivers(self, names: Iterable[str]) -> None:
        """The existing receivers of notices."""
        for name in names:
            self._counters.expect_receiver(name)

    def notified(self, receiver: str, outcome: str) -> None:
        """A notice that was delivered, or given up."""
        self._counters.notified(receiver, outcome)

    def next_run(self, test: Key, time: str | None) -> None:
        """When the test runs next by its schedule."""
        if time is None:
            self._next.pop(test, None)
        else:
            self._next[test] = parse_time(time).timestamp()

    def drop_test(self, test: Key) -> None:
        """The test is gone, with its series."""
        self._last.pop(test, None)
        self._next.pop(test, None)
        self._trends.pop(test, None)
        self._ready.pop(test, None)
        self._counters.drop(test)
        self._labels.drop(test)

    # --- families ------------------------------------------------------------------------------

    def collect(self) -> Iterator[Metric]:
        """All families; called by the registry at each scrape."""
        yield from self.own()
        yield from self.of_tests()

    def own(self) -> Iterator[Metric]:
        """Metrics of the operator itself. Any thread may call it."""
        yield GaugeMetricFamily(
            "perfrun_leader", "1: this operator leads; 0: it is on standby.", self.leading
        )
        yield GaugeMetricFamily(
            "perfrun_loop_lag_seconds",
            "The longest stall of the operator's main loop in the last minute.",
            self.loop_lag(),
        )
        ages = GaugeMetricFamily(
            "perfrun_watch_age_seconds",
            "Time since a list confirmed that the watch of a kind is up to date.",
            labels=["kind"],
        )
        for kind, age in self.watch_ages().items():
            ages.add_metric([kind], age)
        yield ages

    def of_tests(self) -> Iterator[Metric]:
        """Metrics of tests and receivers, only for the leader, and only in the main loop."""
        yield from merged(self.steps())

    def steps(self) -> Iterator[list[Metric]]:
        """The result of :meth:`of_tests`, in steps of a few tests: between two steps the main loop
        can do other work. All values of one test are from the same moment.
        """
        if not self.leading:
            return
        known = (self._last, self._ready, self._next, self._trends, self._store.tests)
        keys = list(dict.fromkeys(key for some in known for key in some))
        for start in range(0, max(len(keys), 1), TESTS_AT_ONCE):
            yield self._of(keys[start : start + TESTS_AT_ONCE])
        yield _collected(lambda: live_families(self._live()), self._counters.notices)

    def _of(self, keys: Sequence[Key]) -> list[Metric]:
        last = {key: self._last[key] for key in keys if key in self._last}
        tests = [key for key in keys if key in self._store.tests]
        return _collected(
            lambda: figure_families(last),
            lambda: objective_families(last),
            lambda: self._states(keys),
            lambda: kept_families(self._store, tests),
            lambda: self._counters.families(tests),
            lambda: self._labels.families(tests),
        )

    def _live(self) -> dict[Key, Live]:
        # If several runs of a test are in progress, the one that began last.
        return {
            Key(plan.namespace, plan.test): live
            for plan, live in self.in_progress()
            if not self._is_overridden(plan)
        }

    def _is_overridden(self, plan: RunPlan) -> bool:
        record = self._store.runs.get(Key(plan.namespace, plan.run))
        return record is not None and record.overridden

    def _states(self, keys: Iterable[Key]) -> Iterator[Metric]:
        accepted = GaugeMetricFamily(
            "perfrun_test_ready",
            "1: the test can be run; 0: invalid, refused by a policy, or stalled.",
            labels=TEST,
        )
        coming = GaugeMetricFamily(
            "perfrun_next_run_timestamp_seconds", "When the schedule is due next.", labels=TEST
        )
        trend = GaugeMetricFamily(
            "perfrun_trend",
            "1 for the state of the trend of the last run.",
            labels=[*TEST, "state"],
        )
        for key in keys:
            if key in self._ready:
                accepted.add_metric(list(key), self._ready[key])
            if key in self._next:
                coming.add_metric(list(key), self._next[key])
            if key in self._trends:
                for one in get_args(TrendState):
                    trend.add_metric([*key, one], float(one == self._trends[key]))
        yield from (accepted, coming, trend)


def _collected(*groups: Callable[[], Iterable[Metric]]) -> list[Metric]:
    """The families of all groups except those that fail."""
    collected: list[Metric] = []
    for group in groups:
        try:
            collected += list(showable(group()))
        except Exception:
            logger.exception("metrics: a group of series is missing from this scrape")
    return collected


def _test_of(run: PerfRun) -> Key:
    return Key(run.metadata.namespace, run.spec.test_ref.name)
