"""``python -m perfrun.controller.uninstall``: before the operator goes, end what it has running.

Runs under way end as Inconclusive, their Jobs go, and nothing else: the custom resources and the
history stay. Run by the chart's pre-delete hook.
"""

import asyncio
import logging
import sys
from datetime import UTC, datetime

from perfrun.api.metadata import Metadata
from perfrun.api.perfrun import WorkerCounts
from perfrun.api.times import format_time
from perfrun.controller.kube import (
    JOBS,
    PERF_RUNS,
    ConflictError,
    Json,
    Kube,
    KubeError,
    NotFoundError,
)
from perfrun.controller.manifests import MANAGED_BY
from perfrun.controller.settings import Settings
from perfrun.controller.status import as_json, conditions_json, write_status
from perfrun.logic.verdict import cancelled, conditions

logger = logging.getLogger("perfrun.uninstall")

WHY = "perfrun was uninstalled while it was under way"


async def uninstall(kube: Kube, settings: Settings) -> None:
    """End all runs that are not done, and delete the Jobs of workers."""
    namespaces: list[str | None] = [*settings.watch_namespaces]
    for namespace in namespaces or [None]:
        for run in await kube.list(PERF_RUNS, namespace):
            if run.get("status", {}).get("phase") != "Done":
                await _end(kube, run)
        for job in await kube.list(JOBS, namespace, labels=f"{MANAGED_BY}=perfrun"):
            meta = job["metadata"]
            if _is_worker_job(job):
                await kube.delete(JOBS, meta["namespace"], meta["name"], uid=meta["uid"])
                logger.info("deleted Job %s/%s", meta["namespace"], meta["name"])


async def _end(kube: Kube, run: Json) -> None:
    """Write the end of one run; the operator may still be writing, so look again on conflict."""
    judgement = cancelled(WHY, WorkerCounts(planned=0))
    while True:
        about = Metadata.model_validate(run["metadata"])
        now = datetime.now(UTC).replace(microsecond=0)
        changes = {
            "phase": "Done",
            "verdict": judgement.verdict.value,
            "message": judgement.message,
            "completionTime": format_time(now),
            "conditions": conditions_json(conditions(judgement, [], now)),
            "queue": None,
            "progress": None,
        }
        try:
            await write_status(kube, PERF_RUNS, about, as_json(changes))
        except ConflictError:
            run = await kube.get(PERF_RUNS, about.namespace, about.name)
            if run.get("status", {}).get("phase") == "Done":
                return
        except NotFoundError:
            return
        else:
            logger.info("ended PerfRun %s/%s", about.namespace, about.name)
            return


def _is_worker_job(job: Json) -> bool:
    owners = job["metadata"].get("ownerReferences", [])
    return any(owner.get("kind") == "PerfRun" for owner in owners)


async def _main() -> int:
    kube = await Kube.connect()
    try:
        await uninstall(kube, Settings.from_env())
    except KubeError as error:
        logger.error("could not end what is running: %s", error)  # noqa: TRY400
        return 1
    finally:
        await kube.close()
    return 0


if __name__ == "__main__":
    logging.basicConfig(level="INFO", format="%(message)s")
    sys.exit(asyncio.run(_main()))
