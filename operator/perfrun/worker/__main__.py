"""``python -m perfrun.worker``: one worker process, configured by its environment."""

import asyncio
import os
import sys
from collections.abc import Callable

from perfrun.measure.plan import RunPlan
from perfrun.worker.cleaner import Cleaner
from perfrun.worker.config import Config, ConfigError, from_environment
from perfrun.worker.lines import log, take_over
from perfrun.worker.main import Worker, load_plan, raise_descriptor_limit


def main() -> int:
    """The process; returns its exit code."""
    take_over()
    try:
        config = from_environment(os.environ)
        plan = load_plan(config)
    except ConfigError as error:
        log("misconfigured", message=str(error))
        return 2
    raise_descriptor_limit()
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        return runner.run(_live(config, plan))


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """uvloop's; None, which means asyncio's own, on Windows, where there is no uvloop."""
    if sys.platform == "win32":
        return None
    import uvloop

    return uvloop.new_event_loop


async def _live(config: Config, plan: RunPlan) -> int:
    cleans_up = config.index == plan.cleaner
    return await (Cleaner(config, plan) if cleans_up else Worker(config, plan)).live()


if __name__ == "__main__":
    sys.exit(main())
