"""A finished run, and what Prometheus would read of it."""

from typing import Any

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from perfrun.controller.metrics import Metrics
from perfrun.controller.objects.store import Key, Store

Json = dict[str, Any]
Series = dict[tuple[str, frozenset[tuple[str, str]]], float]

TEST = Key("team", "shop")
COUNTS = {"sent": 100, "succeeded": 98, "failed": 1, "censored": 1}
PART: Json = {
    "requests": COUNTS,
    "attempts": {},
    "throughput": "99.5/s",
    "successRate": "98%",
    "errorRate": "1%",
    "latency": {"avg": "12ms", "p50": "10ms", "p95": "1.21s", "p999": "≥5s"},
}
DONE: Json = {
    "phase": "Done",
    "verdict": "Warn",
    "completionTime": "2026-11-22T02:06:10Z",
    "summary": {
        **PART, "window": "330s", "transactions": "99.5/s",
        "iterations": {"planned": 100, "started": 100, "dropped": 0},
    },
    "steps": [{"name": "list", "scenario": "browse", **PART}],
    "slos": [
        {"metric": "latency.p95", "of": "list", "max": "500ms", "measured": "1.21s",
         "verdict": "Warn", "message": "m"},
        {"metric": "errorRate", "max": "1%", "measured": "1%", "verdict": "Pass", "message": "m"},
        {"metric": "latency.p999", "max": "1s", "measured": "≥5s", "verdict": "Inconclusive",
         "message": "m"},
        {"metric": "dropped", "max": "0", "measured": "3", "verdict": "Fail", "onBreach": "Fail",
         "message": "m"},
    ],
}  # fmt: skip


def leading(store: Store | None = None, *labels: str) -> Metrics:
    """The metrics of the operator that acts; without a store, of one that knows ``TEST``."""
    metrics = Metrics(store or Store(tests={TEST: "uid"}), labels)
    metrics.leading = True
    return metrics


def scrape(metrics: Metrics) -> Series:
    registry = CollectorRegistry()
    registry.register(metrics)
    text = generate_latest(registry).decode()
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def of(name: str, **labels: str) -> tuple[str, frozenset[tuple[str, str]]]:
    return (name, frozenset({"namespace": "team", "test": "shop", **labels}.items()))
