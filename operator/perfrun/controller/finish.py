"""The end of a run: merge, judge, keep the result, write the verdict once, tidy up."""

import asyncio
import logging
from datetime import UTC, datetime

from perfrun.api.perfrun import PerfRun, Phase, Verdict, WorkerCounts
from perfrun.api.times import format_time
from perfrun.controller.events import Events
from perfrun.controller.kube import (
    CONFIG_MAPS,
    JOBS,
    PERF_RUNS,
    Json,
    Kube,
)
from perfrun.controller.manifests import (
    CONTENT_LABEL,
    RUN_LABEL,
    SHA_ANNOTATION,
    result_config_maps,
)
from perfrun.controller.metrics import Metrics
from perfrun.controller.open_runs import OpenRun, OpenRuns, store_config_map
from perfrun.controller.pods import owned_by
from perfrun.controller.status import as_json, conditions_json, write_status
from perfrun.logic.names import job_name
from perfrun.logic.verdict import Judgement, RunOutcome, conditions, errored, judge
from perfrun.measure.record import ConservationError
from perfrun.measure.report import merge
from perfrun.measure.result import RunResult

logger = logging.getLogger(__name__)

RESULT_MOST_BYTES = 4 * 1024 * 1024
TEMPORARY = ("plan", "report")


class Finisher:
    """Brings runs to their end. Every step may be done twice; the status is written last."""

    def __init__(self, kube: Kube, runs: OpenRuns, events: Events, metrics: Metrics) -> None:
        self._kube = kube
        self._runs = runs
        self._events = events
        self._metrics = metrics

    async def judge(self, run: PerfRun, opened: OpenRun, losses: str | None) -> Json:
        """Merge what was reported and write the verdict. Gives the PerfRun as it is then."""
        planned = opened.plan.load.workers
        try:
            reports = await self._runs.reports(run.metadata.uid)
            ordered = [reports[index] for index in sorted(reports)]
            # In a thread, like all that grows with the workers: probes and other runs go on.
            merged = await asyncio.to_thread(merge, ordered) if ordered else None
        except (ConservationError, ValueError) as error:
            # Nothing will make them right: without an end here, the run would be judged for ever.
            why = f"the reports of its workers cannot be used: {error}"
            return await self.end(run, errored(why, WorkerCounts(planned=planned, ready=planned)))
        workers = WorkerCounts(planned=planned, ready=planned, reported=len(reports))
        if merged is None:
            why = f": {losses}" if losses else "; see kubectl describe job of this run"
            return await self.end(run, errored(f"no worker has reported{why}", workers))
        outcome = RunOutcome(
            plan=opened.plan, report=merged, workers=workers, stopped=run.status.stopped
        )
        judgement = await asyncio.to_thread(judge, opened.spec, outcome)
        result = RunResult(
            plan=opened.plan,
            slos=[slo.model_dump(mode="json") for slo in opened.spec.slos],
            start_time=run.status.start_time or "",
            workers_planned=planned,
            workers_reported=len(reports),
            report=merged,
            status=_judged(judgement),
        )
        kept = await self._keep(opened, result)
        return await self.end(run, judgement, kept)

    async def end(self, run: PerfRun, judgement: Judgement, result: Json | None = None) -> Json:
        """Write the verdict and tell of it. Gives the PerfRun as it is then."""
        now = datetime.now(UTC).replace(microsecond=0)
        changes = {
            **_judged(judgement),
            "observedGeneration": run.metadata.generation,
            "phase": Phase.DONE.value,
            "completionTime": format_time(now),
            "conditions": conditions_json(
                conditions(judgement, run.status.conditions, now, run.metadata.generation)
            ),
            "queue": None,
            "progress": None,
            "result": result,
        }
        body = await write_status(self._kube, PERF_RUNS, run.metadata, changes)
        done = PerfRun.parse(body)
        self._metrics.count_run(done)
        bad = judgement.verdict not in (Verdict.PASS, Verdict.NOT_APPLICABLE)
        await self._events.tell(
            "PerfRun", run.metadata, judgement.verdict.value, judgement.message, warning=bad
        )
        logger.info(
            "run %s/%s: %s: %s",
            run.metadata.namespace,
            run.metadata.name,
            judgement.verdict,
            judgement.message,
        )
        return body

    async def tidy(self, run: PerfRun) -> None:
        """Remove what a finished run needs no more: its Job with its pods, plan and reports."""
        self._runs.close(run.metadata.uid)
        namespace = run.metadata.namespace
        job = await self._kube.find(JOBS, namespace, job_name(run.metadata.uid))
        if job is not None and owned_by(job, run.metadata.uid):
            await self._kube.delete(
                JOBS, namespace, job["metadata"]["name"], uid=job["metadata"]["uid"]
            )
        labels = f"{RUN_LABEL}={run.metadata.name},{CONTENT_LABEL} in ({','.join(TEMPORARY)})"
        for body in await self._kube.list(CONFIG_MAPS, namespace, labels=labels):
            if owned_by(body, run.metadata.uid):
                await self._kube.delete(
                    CONFIG_MAPS, namespace, body["metadata"]["name"], uid=body["metadata"]["uid"]
                )

    async def _keep(self, opened: OpenRun, result: RunResult) -> Json | None:
        """Store the full result in ConfigMaps and say where; None where it is too large."""
        packed = await asyncio.to_thread(result.pack)
        if len(packed) > RESULT_MOST_BYTES:
            logger.warning("run %s: a result of %d bytes is not kept", opened.key, len(packed))
            return None
        maps = result_config_maps(opened.key, opened.plan, packed)
        for body in maps:
            await store_config_map(self._kube, body)
        return {
            "configMaps": [body["metadata"]["name"] for body in maps],
            "sha256": maps[0]["metadata"]["annotations"][SHA_ANNOTATION],
            "bytes": len(packed),
        }


def _judged(judgement: Judgement) -> Json:
    return {
        name: as_json(value)
        for name, value in (
            ("verdict", judgement.verdict.value),
            ("workers", judgement.workers),
            ("message", judgement.message),
            ("summary", judgement.summary),
            ("steps", judgement.steps),
            ("slos", judgement.slos),
            ("generator", judgement.generator),
        )
        if value is not None
    }
