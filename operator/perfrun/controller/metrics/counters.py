"""What has happened since the operator started.

Each counter exists from 0 on. One that appeared with its first event would hide it, because
``increase()`` needs an earlier sample.
"""

from collections.abc import Iterable, Iterator
from typing import TypeVar, get_args

from prometheus_client.core import CounterMetricFamily, Metric

from perfrun.api.run.perfrun import NoticeOutcome, PerfRun, RequestCounts, Verdict
from perfrun.controller.metrics.families import TEST
from perfrun.controller.objects.store import Key

T = TypeVar("T")

NOTICE_OUTCOMES = get_args(NoticeOutcome)
_OUTCOMES = ("succeeded", "failed", "censored")
_MAX_COUNT = 2**53
"""Limit for one run; a float cannot count more, and a status that says so is wrong."""


class Counters:
    """Counts by test, and notices by receiver."""

    def __init__(self) -> None:
        self._missed: dict[Key, int] = {}
        self._runs: dict[tuple[Key, Verdict], int] = {}
        self._overridden: dict[tuple[Key, Verdict], int] = {}
        """Runs with overrides."""
        self._requests: dict[tuple[Key, str], int] = {}
        self._notices: dict[tuple[str, str], int] = {}

    def run(self, test: Key, run: PerfRun) -> None:
        """A run has ended."""
        if run.spec.overrides is not None:
            if run.status.verdict is not None:
                _add(self._overridden, (test, run.status.verdict), 1)
            return
        if run.status.verdict is not None:
            _add(self._runs, (test, run.status.verdict), 1)
        if run.status.summary is not None:
            for outcome, count in _outcomes(run.status.summary.requests).items():
                if 0 <= count <= _MAX_COUNT:
                    _add(self._requests, (test, outcome), count)

    def missed(self, test: Key) -> None:
        """A scheduled time without a run."""
        _add(self._missed, test, 1)

    def expect_receiver(self, name: str) -> None:
        """Create a receiver's counters before its first notice."""
        for outcome in NOTICE_OUTCOMES:
            _add(self._notices, (name, outcome), 0)

    def notified(self, receiver: str, outcome: str) -> None:
        """A notice that was delivered, or given up."""
        _add(self._notices, (receiver, outcome), 1)

    def drop(self, test: Key) -> None:
        """The test is gone."""
        self._missed.pop(test, None)
        for verdict in Verdict:
            self._runs.pop((test, verdict), None)
            self._overridden.pop((test, verdict), None)
        for outcome in _OUTCOMES:
            self._requests.pop((test, outcome), None)

    def families(self, tests: Iterable[Key]) -> Iterator[Metric]:
        """The counters of ``tests``, including those without any event."""
        requests = CounterMetricFamily(
            "perfrun_requests",
            "Requests of finished runs by outcome, since the operator started.",
            labels=[*TEST, "outcome"],
        )
        runs = CounterMetricFamily(
            "perfrun_runs",
            "Finished runs by verdict, since the operator started.",
            labels=[*TEST, "verdict"],
        )
        overridden = CounterMetricFamily(
            "perfrun_override_runs",
            "Finished runs with overrides by verdict, since the operator started.",
            labels=[*TEST, "verdict"],
        )
        missed = CounterMetricFamily(
            "perfrun_missed_schedules",
            "Scheduled times without a run, since the operator started.",
            labels=TEST,
        )
        for key in tests:
            missed.add_metric(list(key), self._missed.get(key, 0))
            for verdict in Verdict:
                labels = [*key, verdict.value]
                runs.add_metric(labels, self._runs.get((key, verdict), 0))
                overridden.add_metric(labels, self._overridden.get((key, verdict), 0))
            for outcome in _OUTCOMES:
                requests.add_metric([*key, outcome], self._requests.get((key, outcome), 0))
        yield from (requests, runs, overridden, missed)

    def notices(self) -> Iterator[Metric]:
        """The notices to each receiver."""
        notices = CounterMetricFamily(
            "perfrun_notifications",
            "Notifications that were delivered, or that failed for good.",
            labels=["receiver", "outcome"],
        )
        for labels, count in self._notices.items():
            notices.add_metric(list(labels), count)
        yield notices


def _outcomes(requests: RequestCounts) -> dict[str, int]:
    return {outcome: getattr(requests, outcome) for outcome in _OUTCOMES}


def _add(counts: dict[T, int], key: T, count: int) -> None:
    counts[key] = counts.get(key, 0) + count
