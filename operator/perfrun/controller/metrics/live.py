"""``perfrun_live_*``: runs in progress, from the intervals that workers post. Never judged."""

from collections.abc import Iterator, Mapping

from prometheus_client.core import GaugeMetricFamily, Metric, SummaryMetricFamily

from perfrun.api.quantities import NS_PER_S
from perfrun.api.test.metric import QUANTILES
from perfrun.controller.metrics.families import TEST, add, number
from perfrun.controller.objects.store import Key
from perfrun.coordinator.live import Live
from perfrun.logic.plan.stop import NOT_AWAITED_AFTER


def live_families(runs: Mapping[Key, Live]) -> Iterator[Metric]:
    """The progress of each test's load; no series for a test without a run in progress."""
    rate = GaugeMetricFamily(
        "perfrun_live_rate", "Requests that ended per second, in the last interval.", labels=TEST
    )
    in_flight = GaugeMetricFamily(
        "perfrun_live_in_flight", "Requests that wait for their response.", labels=TEST
    )
    latency = SummaryMetricFamily(
        "perfrun_live_latency_seconds",
        "Response time of requests that succeeded in the last one to two seconds.",
        labels=TEST,
    )
    requests = GaugeMetricFamily(
        "perfrun_live_requests",
        "Requests since the load began, including the warm-up.",
        labels=[*TEST, "outcome"],
    )
    iterations = GaugeMetricFamily(
        "perfrun_live_iterations",
        "Iterations since the load began, including the warm-up.",
        labels=[*TEST, "state"],
    )
    elapsed = GaugeMetricFamily(
        "perfrun_live_elapsed_seconds", "Time since the load began.", labels=TEST
    )
    workers = GaugeMetricFamily(
        "perfrun_live_workers", "Workers that have recently sent an interval.", labels=TEST
    )
    for key, live in runs.items():
        add(rate, key, live.rate)
        add(in_flight, key, live.in_flight)
        add(elapsed, key, live.elapsed, NS_PER_S)
        workers.add_metric(list(key), sum(one.age <= NOT_AWAITED_AFTER for one in live.workers))
        for quantile, ns in _quantiles(live).items():
            named = {**dict(zip(TEST, key, strict=True)), "quantile": quantile}
            if (seconds := number(ns, NS_PER_S)) is not None:
                latency.add_sample(latency.name, named, seconds)
        for outcome in ("succeeded", "failed"):
            add(requests, [*key, outcome], getattr(live, outcome))
        for state in ("planned", "started", "dropped"):
            add(iterations, [*key, state], getattr(live, state))
    yield from (rate, in_flight, latency, requests, iterations, elapsed, workers)


def _quantiles(live: Live) -> dict[str, float]:
    return {str(QUANTILES[name]): ns for name, ns in live.recent.items()}
