"""perfrun's engine in this process, as a worker runs it: ``python -m benchmarks.engine SPEC``."""

import json
import resource
import sys
from pathlib import Path
from time import monotonic_ns
from typing import Any

import uvloop
from typing_extensions import override

from perfrun.api.quantities import NS_PER_MS, NS_PER_S, NS_PER_US
from perfrun.api.test.load import Load
from perfrun.api.test.scenario import Scenario, default_scenarios
from perfrun.api.test.target import Target
from perfrun.engine.run import Engine
from perfrun.measure.plan import RunPlan
from perfrun.measure.report import Interval, WorkerReport
from perfrun.reach.values import Values
from perfrun.worker.main import raise_descriptor_limit, spare_collector

QUANTILES = (0.5, 0.9, 0.99, 0.999)


class Given(Values):
    """Secrets as the spec gives them, by name."""

    def __init__(self, secrets: dict[str, str]) -> None:
        self._secrets = secrets

    @override
    def secret(self, name: str, key: str, field: str) -> str:
        return self._secrets[name]


def plan(spec: dict[str, Any]) -> RunPlan:
    """The plan of the whole load for one worker."""
    scenarios = [Scenario.parse(scenario) for scenario in spec.get("scenarios", ())]
    return RunPlan(
        uid="bench",
        namespace="bench",
        test="bench",
        run="bench",
        seed=1,
        target=Target.parse(spec["target"]),
        scenarios=scenarios or default_scenarios(),
        load=Load.parse(spec["load"]),
    )


async def measure(spec: dict[str, Any]) -> dict[str, Any]:
    """Run the load at once; what the parent is told of it."""
    engine = Engine(plan(spec), 0, Given(spec.get("secrets", {})))
    spare_collector()
    rest = resident()
    report = await engine.run(monotonic_ns() + 50 * NS_PER_MS, _encode)
    return {"resident_at_rest": rest, **_figures(report)}


def resident() -> int:
    """Bytes of memory that this process has now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()


def _encode(interval: Interval) -> None:
    # A worker posts it to its coordinator; without one, its making is still part of the work.
    interval.to_bytes()


def _figures(report: WorkerReport) -> dict[str, Any]:
    steps, lag = report.window.steps, report.generator.lag
    latency = steps[0].timings["latency/success"]
    sent = sum(step.sent for step in steps)
    return {
        "rate": sum(step.succeeded for step in steps) * NS_PER_S / report.window_time,
        "cpu_us": report.generator.cpu_time / NS_PER_US / max(1, sent),
        "failed": sum(step.failed for step in steps),
        "dropped": sum(scenario.dropped for scenario in report.window.scenarios),
        "latency_us": [latency.quantile(quantile) / 1000 for quantile in QUANTILES],
        "lag_us": [lag.quantile(quantile) / 1000 for quantile in QUANTILES],
    }


def main() -> None:
    """Print what was measured as one line of JSON."""
    raise_descriptor_limit()
    figures = uvloop.run(measure(json.loads(Path(sys.argv[1]).read_text())))
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
