"""A finished run with a bit of everything, as a cluster holds it."""

from typing import Any

from perfrun.api.run.perfrun import PerfRun

LATENCY = {
    "avg": "96.4ms",
    "min": "1.9ms",
    "p50": "30.1ms",
    "p75": "44ms",
    "p90": "190.7ms",
    "p95": "612ms",
    "p99": "1.21s",
    "max": "≥5s",
    "unsupported": [{"statistic": "p999", "reason": "needs 10000 samples, but there were 330"}],
}


def step(name: str, scenario: str, **more: Any) -> dict[str, Any]:
    return {
        "name": name,
        "scenario": scenario,
        "throughput": "800.1/s",
        "errorRate": "0.06%",
        "requests": {"sent": 330, "succeeded": 329, "failed": 1, "censored": 0},
        "attempts": {"window": 330},
        "latency": LATENCY,
        **more,
    }


def warned() -> dict[str, Any]:
    return {
        "apiVersion": "perfrun.dev/v1alpha1",
        "kind": "PerfRun",
        "metadata": {"name": "api-under-load-rab3de4fgh5", "namespace": "shop"},
        "spec": {"testRef": {"name": "api-under-load"}},
        "status": {
            "phase": "Done",
            "verdict": "Warn",
            "message": "1 of 3 objectives missed: latency.p95 of list was 612ms, "
            "at most 500ms allowed",
            "startTime": "2026-11-22T02:00:03.123456Z",
            "workers": {"planned": 4, "ready": 4, "reported": 4},
            "summary": {
                "window": "330s",
                "iterations": {"planned": 330000, "started": 329990, "dropped": 10},
                "requests": {"sent": 329990, "succeeded": 329790, "failed": 200, "censored": 0},
                "attempts": {"window": 329990},
                "throughput": "999.4/s",
                "transactions": "999.4/s",
                "successRate": "99.94%",
                "errorRate": "0.06%",
                "timeoutRate": "0.01%",
                "latency": LATENCY,
                "errors": {"Timeout": 40, "Status5xx": 160},
            },
            "steps": [
                step("list", "browse"),
                step(
                    "create-order-with-a-long-name",
                    "buy",
                    latency={
                        **LATENCY,
                        "p99": None,
                        "unsupported": [
                            {"statistic": "p99", "reason": "needs 1000 samples, but there were 330"}
                        ],
                    },
                ),
            ],
            "slos": [
                {
                    "metric": "latency.p95",
                    "of": "list",
                    "max": "500ms",
                    "measured": "612ms",
                    "verdict": "Warn",
                    "message": "latency.p95 of list was 612ms, at most 500ms allowed",
                },
                {
                    "metric": "errorRate",
                    "max": "1%",
                    "measured": "0.06%",
                    "verdict": "Pass",
                    "message": "errorRate was 0.06%, at most 1% allowed: met",
                },
                {
                    "metric": "latency.p99",
                    "of": "buy",
                    "max": "1s",
                    "verdict": "Inconclusive",
                    "message": "latency.p99 of buy needs 1000 samples, but there were 330",
                },
                {
                    "metric": "throughput",
                    "min": "1000/s",
                    "verdict": "NotApplicable",
                    "message": "throughput is not judged in a burst",
                },
            ],
            "generator": {
                "lagP99": "0.21ms",
                "cpu": "61%",
                "ceiling": "78000/s",
                "coverage": "100%",
                "findings": [
                    {
                        "type": "Stall",
                        "effect": "Inflating",
                        "message": "a worker was paused for 210ms",
                    }
                ],
            },
        },
    }


def a_run(**status: Any) -> PerfRun:
    manifest = warned()
    manifest["status"].update(status)
    return PerfRun.model_validate(manifest)


def an_error(message: str, **status: Any) -> PerfRun:
    manifest = warned()
    manifest["status"] = {
        "phase": "Done",
        "verdict": "Error",
        "message": message,
        "workers": {"planned": 1},
        **status,
    }
    return PerfRun.model_validate(manifest)
