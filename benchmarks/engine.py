"""perfrun's engine in this process, as a worker runs it: ``python -m benchmarks.engine SPEC``."""

import json
import sys
from pathlib import Path
from time import monotonic_ns
from typing import Any

import uvloop

from perfrun.api.load import Load
from perfrun.api.scenario import Scenario, default_scenarios
from perfrun.api.target import Target
from perfrun.engine.run import Engine
from perfrun.engine.values import NoValues
from perfrun.measure.plan import RunPlan
from perfrun.measure.report import WorkerReport
from perfrun.worker.main import raise_descriptor_limit, spare_collector


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


async def measure(spec: dict[str, Any]) -> WorkerReport:
    """Run the load at once."""
    engine = Engine(plan(spec), 0, NoValues())
    spare_collector()
    return await engine.run(monotonic_ns() + 50_000_000)


def main() -> None:
    """Print what was measured as one line of JSON."""
    raise_descriptor_limit()
    report = uvloop.run(measure(json.loads(Path(sys.argv[1]).read_text())))
    steps = report.window.steps
    lag = report.generator.lag
    print(
        json.dumps(
            {
                "rate": sum(step.succeeded for step in steps) * 1e9 / report.window_time,
                "failed": sum(step.failed for step in steps),
                "lag_us": {str(q): lag.quantile(q) / 1000 for q in (0.5, 0.9, 0.99, 0.999)},
            }
        )
    )


if __name__ == "__main__":
    main()
