"""perfrun's engine in a process of its own: ``python -m tests.conformance.engine PLAN OUT [STOP]``.

The plan is that of a run; OUT receives T0 and the worker's report. STOP: seconds from T0 after
which the load is ended early.
"""

import asyncio
import json
import sys
from pathlib import Path
from time import monotonic_ns

import uvloop

from perfrun.engine.run import Engine
from perfrun.measure.plan import RunPlan
from perfrun.measure.report import WorkerReport
from perfrun.reach.values import Values
from perfrun.worker.main import raise_descriptor_limit, spare_collector


async def _run(plan: RunPlan, stop: float | None) -> tuple[int, WorkerReport]:
    engine = Engine(plan, 0, Values())
    spare_collector()
    start = monotonic_ns() + 100_000_000
    if stop is not None:
        asyncio.get_running_loop().call_later(0.1 + stop, engine.stop, "by the suite")
    return start, await engine.run(start)


def main(plan: Path, out: Path, stop: float | None) -> None:
    """Run a plan, and leave T0 and the report behind."""
    raise_descriptor_limit()
    start, report = uvloop.run(_run(RunPlan.model_validate_json(plan.read_bytes()), stop))
    out.with_suffix(".start").write_text(json.dumps(start))
    out.write_bytes(report.pack())


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3]) if sys.argv[3:] else None)
