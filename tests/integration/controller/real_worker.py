"""Workers as processes: what the kubelet would start in the pods that the Job controller makes."""

import asyncio
import os
import sys
from pathlib import Path

from tests.integration.controller.apiserver import Json, until
from tests.integration.controller.world import World


async def work(world: World, run: str, count: int, folder: Path) -> str:
    """Start the workers of a run once there are pods for them; what they have logged."""

    async def look() -> list[Json] | None:
        pods = await world.pods(run)
        return pods if len(pods) == count else None

    pods = await until(f"run {run} has {count} pods", look)
    (plan,) = await world.config_maps(run, "plan")
    for name, text in plan["data"].items():
        (folder / name).write_text(text)
    logs = await asyncio.gather(
        *(_process(world, pod, index, folder) for index, pod in enumerate(pods))
    )
    return "".join(logs)


async def _process(world: World, pod: Json, index: int, folder: Path) -> str:
    token = folder / f"token-{index}"
    token.write_text(await world.token(pod))
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "perfrun.worker",
        env={
            **os.environ,
            "PERFRUN_PLAN": str(folder / "plan.json"),
            "PERFRUN_CA": str(folder / "ca.crt"),
            "PERFRUN_COORDINATOR": world.operator.coordinator,
            "PERFRUN_TOKEN_FILE": str(token),
            "PERFRUN_SECRETS": str(folder / "values"),
            "PERFRUN_REPORT_DEADLINE": "30",
            "JOB_COMPLETION_INDEX": str(index),
        },
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    return said.decode()
