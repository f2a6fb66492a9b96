"""perfrun's engine in a process of its own: ``python -m tests.conformance.engine PLAN OUT``.

The plan is that of a run; OUT receives T0 and the worker's report.
"""

import json
import sys
from pathlib import Path
from time import monotonic_ns

import uvloop

from perfrun.engine.run import Engine
from perfrun.engine.values import NoValues
from perfrun.measure.plan import RunPlan
from perfrun.measure.report import WorkerReport
from perfrun.worker.main import raise_descriptor_limit, spare_collector


async def _run(plan: RunPlan) -> tuple[int, WorkerReport]:
    engine = Engine(plan, 0, NoValues())
    spare_collector()
    start = monotonic_ns() + 100_000_000
    return start, await engine.run(start)


def main(plan: Path, out: Path) -> None:
    """Run a plan, and leave T0 and the report behind."""
    raise_descriptor_limit()
    start, report = uvloop.run(_run(RunPlan.model_validate_json(plan.read_bytes())))
    out.with_suffix(".start").write_text(json.dumps(start))
    out.write_bytes(report.pack())


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
