"""``python -m perfrun.controller.uninstall``: ends all runs before the operator is removed.

Runs in progress end as Inconclusive, and their Jobs and the workers' service accounts are deleted.
Everything else stays: the custom resources and the history. The chart's pre-delete hook runs it.
"""

import asyncio
import logging
import sys
from collections.abc import Awaitable
from datetime import UTC, datetime

from perfrun.api import Json
from perfrun.api.metadata import Metadata
from perfrun.api.run.perfrun import PerfRunStatus, WorkerCounts
from perfrun.controller.objects.manifests import MANAGED_BY, WORKER_ACCOUNT
from perfrun.controller.objects.status import correct_status, read_status
from perfrun.controller.settings import Settings
from perfrun.kube.client import Kube
from perfrun.kube.errors import KubeError, NotFoundError
from perfrun.kube.resources import ACCOUNTS, JOBS, PERF_RUNS, Resource
from perfrun.logic.run.status import done
from perfrun.logic.verdict.outcome import cancelled

logger = logging.getLogger("perfrun.uninstall")

MAX_PASSES = 20
PAUSE_S = 2.0
"""Together well within the deadline of the chart's Job."""

WHY = "perfrun was uninstalled while the run was in progress"


async def uninstall(kube: Kube, settings: Settings) -> None:
    """End all runs that are not done, and delete the Jobs of workers.

    Repeated until nothing more is found, because the operator is still running and may start
    another run meanwhile. Raises KubeError if something is left after the last pass.
    """
    for _ in range(MAX_PASSES):
        if not await _pass(kube, settings):
            await _drop_accounts(kube, settings)
            return
        await asyncio.sleep(PAUSE_S)
    raise KubeError(0, f"runs are still in progress after {MAX_PASSES} attempts to end them")


async def _pass(kube: Kube, settings: Settings) -> int:
    """One pass. Returns how many runs and Jobs had to be ended, whether that worked or not."""
    found = 0
    namespaces: list[str | None] = [*settings.watch_namespaces]
    for namespace in namespaces or [None]:
        for run in await kube.list(PERF_RUNS, namespace):
            if run.get("status", {}).get("phase") != "Done":
                found += not run["metadata"].get("deletionTimestamp")
                await _attempt("PerfRun", run, _end(kube, run))
        for job in await kube.list(
            JOBS, namespace, labels=f"{MANAGED_BY}=perfrun", only_metadata=True
        ):
            if _is_worker_job(job) and not job["metadata"].get("deletionTimestamp"):
                found += 1
                await _attempt("Job", job, _delete(kube, JOBS, job))
    return found


async def _drop_accounts(kube: Kube, settings: Settings) -> None:
    """Delete the service account of workers wherever there has been a run."""
    runs = (
        await kube.list(PERF_RUNS, None, only_metadata=True)
        if not settings.watch_namespaces
        else []
    )
    seen = {run["metadata"]["namespace"] for run in runs}
    for namespace in sorted(seen | {*settings.watch_namespaces}):
        account = await kube.find(ACCOUNTS, namespace, WORKER_ACCOUNT)
        if (
            account is not None
            and account["metadata"].get("labels", {}).get(MANAGED_BY) == "perfrun"
        ):
            await _attempt("ServiceAccount", account, _delete(kube, ACCOUNTS, account))


async def _attempt(kind: str, body: Json, work: Awaitable[None]) -> None:
    """Do it for one object; a failure does not affect the others."""
    where = f"{kind} {body['metadata'].get('namespace')}/{body['metadata'].get('name')}"
    try:
        await work
    except (KubeError, ValueError) as error:
        logger.warning("%s could not be ended yet: %s", where, error)


async def _delete(kube: Kube, resource: Resource, body: Json) -> None:
    meta = body["metadata"]
    await kube.delete(resource, meta["namespace"], meta["name"], uid=meta["uid"])
    logger.info("deleted %s %s/%s", resource.kind, meta["namespace"], meta["name"])


async def _end(kube: Kube, run: Json) -> None:
    """Write the end of one run; if the operator wrote meanwhile, the next pass does it."""
    about = Metadata.model_validate(run["metadata"])
    # Whoever wrote what cannot be read: the run ends in any case.
    status = read_status(PerfRunStatus, run) or PerfRunStatus()
    run_verdict = cancelled(WHY, status.workers or WorkerCounts(planned=0))
    ended = done(status, about.generation, datetime.now(UTC), run_verdict)
    try:
        await correct_status(kube, PERF_RUNS, run, ended)
    except NotFoundError:
        return
    logger.info("ended PerfRun %s/%s", about.namespace, about.name)


def _is_worker_job(job: Json) -> bool:
    owners = job["metadata"].get("ownerReferences", [])
    return any(owner.get("kind") == "PerfRun" for owner in owners)


async def _main() -> int:
    kube = await Kube.connect()
    try:
        await uninstall(kube, Settings.from_env())
    except KubeError as error:
        logger.error("running tests could not be ended: %s", error)  # noqa: TRY400
        return 1
    finally:
        await kube.close()
    return 0


if __name__ == "__main__":
    logging.basicConfig(level="INFO", format="%(message)s")
    sys.exit(asyncio.run(_main()))
