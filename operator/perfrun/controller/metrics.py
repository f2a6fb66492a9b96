"""The operator's metrics: a contract. The figures of the last finished run of each test.

Gauges follow from the PerfRuns and are the same after a restart; counters start from 0. A
percentile without enough samples, or one that is only a lower bound, is an absent series.
"""

from collections.abc import Callable, Iterator
from typing import TypeVar, get_args

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    Metric,
    SummaryMetricFamily,
)
from prometheus_client.registry import Collector

from perfrun.api.baseline import TrendState
from perfrun.api.metric import QUANTILES
from perfrun.api.perfrun import PerfRun, RequestCounts, SloStatus, Verdict
from perfrun.api.quantities import NS_PER_S, parse_duration, parse_percent, parse_rate
from perfrun.api.slo import parse_limit
from perfrun.api.times import parse_time
from perfrun.controller.store import Key, Store

T = TypeVar("T")
Labels = list[str]

_TEST = ["namespace", "test"]
_STEP = [*_TEST, "step"]
_SLO = [*_TEST, "metric", "of", "bound", "on_breach"]


class Metrics(Collector):
    """Collects what is known of all tests at the moment of the scrape."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.leading = False
        """Whether this operator acts. A standby shows no tests, or each would be there twice."""
        self._last: dict[Key, PerfRun] = {}
        self._next: dict[Key, float] = {}
        self._missed: dict[Key, int] = {}
        self._runs: dict[tuple[Key, Verdict], int] = {}
        self._requests: dict[tuple[Key, str], int] = {}
        self._notified: dict[tuple[str, str], int] = {}
        self._trends: dict[Key, TrendState] = {}

    # --- what has happened --------------------------------------------------------------------

    def see_run(self, run: PerfRun) -> None:
        """A finished run, as read: the latest of its test is shown."""
        key = _test_of(run)
        known = self._last.get(key)
        if known is None or _completed(known) <= _completed(run):
            self._last[key] = run

    def count_run(self, run: PerfRun) -> None:
        """A run that has just come to its end in this process."""
        self.see_run(run)
        key = _test_of(run)
        if run.status.verdict is not None:
            _add(self._runs, (key, run.status.verdict), 1)
        if run.status.summary is not None:
            for outcome, count in _outcomes(run.status.summary.requests).items():
                _add(self._requests, (key, outcome), count)

    def missed(self, test: Key) -> None:
        """A scheduled time without a run."""
        _add(self._missed, test, 1)

    def show_trend(self, test: Key, state: TrendState | None) -> None:
        """How the test's last run compares; None: it does not want to know, or has none."""
        if state is None:
            self._trends.pop(test, None)
        else:
            self._trends[test] = state

    def notified(self, receiver: str, outcome: str) -> None:
        """A notice that was delivered, or given up."""
        _add(self._notified, (receiver, outcome), 1)

    def next_run(self, test: Key, time: str | None) -> None:
        """When the test runs next by its schedule."""
        if time is None:
            self._next.pop(test, None)
        else:
            self._next[test] = parse_time(time).timestamp()

    def drop_test(self, test: Key) -> None:
        """The test is gone, and its series with it."""
        self._last.pop(test, None)
        self._next.pop(test, None)
        self._missed.pop(test, None)
        self._trends.pop(test, None)
        self._runs = {key: count for key, count in self._runs.items() if key[0] != test}
        self._requests = {key: count for key, count in self._requests.items() if key[0] != test}

    # --- what is shown -------------------------------------------------------------------------

    def collect(self) -> Iterator[Metric]:
        """All families; called by the registry at each scrape."""
        yield GaugeMetricFamily(
            "perfrun_leader", "1: this operator acts; 0: it stands by.", self.leading
        )
        if not self.leading:
            return
        yield from self._figures()
        yield from self._objectives()
        yield from self._told()
        yield from self._bookkeeping()

    def _figures(self) -> Iterator[Metric]:
        latency = SummaryMetricFamily(
            "perfrun_latency_seconds",
            'Response time in the last run; step "" is all.',
            labels=_STEP,
        )
        throughput = GaugeMetricFamily(
            "perfrun_throughput", "Successful requests a second in the last run.", labels=_STEP
        )
        errors = GaugeMetricFamily(
            "perfrun_error_ratio", "Failed requests of those sent in the last run.", labels=_STEP
        )
        for key, run in self._last.items():
            parts = [("", run.status.summary), *((step.name, step) for step in run.status.steps)]
            for name, part in parts:
                if part is None:
                    continue
                labels = [*key, name]
                for stat, quantile in QUANTILES.items():
                    text = getattr(part.latency, stat, None)
                    seconds = _parsed(parse_duration, text)
                    if seconds is not None:
                        latency.add_sample(
                            "perfrun_latency_seconds",
                            {**dict(zip(_STEP, labels, strict=True)), "quantile": str(quantile)},
                            seconds / NS_PER_S,
                        )
                _gauge(throughput, labels, _parsed(parse_rate, part.throughput))
                _gauge(errors, labels, _parsed(parse_percent, part.error_rate))
        yield from (latency, throughput, errors)

    def _objectives(self) -> Iterator[Metric]:
        verdict = GaugeMetricFamily(
            "perfrun_verdict",
            "1 for the verdict of the last run, 0 for the others.",
            labels=[*_TEST, "verdict"],
        )
        measured = GaugeMetricFamily(
            "perfrun_slo_measured",
            "What an objective measured in the last run, in base units.",
            labels=_SLO,
        )
        limit = GaugeMetricFamily(
            "perfrun_slo_limit", "The limit of an objective, in base units.", labels=_SLO
        )
        met = GaugeMetricFamily(
            "perfrun_slo_met", "1: met, 0: missed; absent: neither could be shown.", labels=_SLO
        )
        for key, run in self._last.items():
            for each in Verdict:
                verdict.add_metric([*key, each.value], float(run.status.verdict is each))
            for slo in run.status.slos:
                for bound, text in (("max", slo.max), ("min", slo.min)):
                    if text is None:
                        continue
                    labels = [*key, slo.metric, slo.of, bound, slo.on_breach]
                    _gauge(measured, labels, _base(slo.metric, slo.measured))
                    _gauge(limit, labels, _base(slo.metric, text))
                    _gauge(met, labels, _met(slo))
        yield from (verdict, measured, limit, met)

    def _told(self) -> Iterator[Metric]:
        trend = GaugeMetricFamily(
            "perfrun_trend",
            "1 for how the last run compares with those before it.",
            labels=[*_TEST, "state"],
        )
        notices = CounterMetricFamily(
            "perfrun_notifications",
            "Notices to receivers that were delivered, or given up.",
            labels=["receiver", "outcome"],
        )
        for key, state in self._trends.items():
            for one in get_args(TrendState):
                trend.add_metric([*key, one], float(one == state))
        for labels, count in self._notified.items():
            notices.add_metric(list(labels), count)
        yield trend
        yield notices

    def _bookkeeping(self) -> Iterator[Metric]:
        requests = CounterMetricFamily(
            "perfrun_requests",
            "Requests of finished runs by outcome, since the operator started.",
            labels=[*_TEST, "outcome"],
        )
        runs = CounterMetricFamily(
            "perfrun_runs",
            "Finished runs by verdict, since the operator started.",
            labels=[*_TEST, "verdict"],
        )
        missed = CounterMetricFamily(
            "perfrun_missed_schedules",
            "Scheduled times without a run, since the operator started.",
            labels=_TEST,
        )
        active = GaugeMetricFamily(
            "perfrun_run_active", "Runs that are not done, queued ones included.", labels=_TEST
        )
        last = GaugeMetricFamily(
            "perfrun_last_run_timestamp_seconds", "When the last run was completed.", labels=_TEST
        )
        coming = GaugeMetricFamily(
            "perfrun_next_run_timestamp_seconds", "When the schedule is due next.", labels=_TEST
        )
        for (key, outcome), count in self._requests.items():
            requests.add_metric([*key, outcome], count)
        for (key, verdict), count in self._runs.items():
            runs.add_metric([*key, verdict.value], count)
        for key, count in self._missed.items():
            missed.add_metric(list(key), count)
        for key in self._store.tests:
            active.add_metric(list(key), sum(not run.done for run in self._store.runs_of(key)))
        for key, run in self._last.items():
            last.add_metric(list(key), _completed(run))
        for key, time in self._next.items():
            coming.add_metric(list(key), time)
        yield from (requests, runs, missed, active, last, coming)


def _test_of(run: PerfRun) -> Key:
    return Key(run.metadata.namespace, run.spec.test_ref.name)


def _completed(run: PerfRun) -> float:
    text = run.status.completion_time
    return parse_time(text).timestamp() if text else 0.0


def _outcomes(requests: RequestCounts) -> dict[str, int]:
    return {
        "succeeded": requests.succeeded,
        "failed": requests.failed,
        "censored": requests.censored,
    }


def _parsed(parse: Callable[[object], T], text: str | None) -> T | None:
    """The number behind a figure of a status; None for ``unsupported`` and ``>=5s``."""
    try:
        return parse(text)
    except ValueError:
        return None


def _base(metric: str, text: str | None) -> float | None:
    """A measurement or limit in base units: seconds, per second, ratio, bytes, count."""
    if text is None:
        return None
    try:
        value = parse_limit(metric, int(text) if text.isdigit() else text)
    except (ValueError, KeyError):
        return None
    timing = metric.split(".")[0] in ("latency", "service", "connect", "ttfb")
    return value / NS_PER_S if timing else value


def _met(slo: SloStatus) -> float | None:
    if slo.verdict is Verdict.PASS:
        return 1.0
    return 0.0 if slo.verdict in (Verdict.WARN, Verdict.FAIL) else None


def _gauge(family: GaugeMetricFamily, labels: Labels, value: float | None) -> None:
    if value is not None:
        family.add_metric(labels, value)


def _add(counts: dict[T, int], key: T, count: int) -> None:
    counts[key] = counts.get(key, 0) + count
