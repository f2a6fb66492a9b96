"""The end of a run: merge, judge, store the result, write the verdict once, clean up."""

import asyncio
import logging
from datetime import UTC, datetime

from perfrun.api import Json
from perfrun.api.metadata import Metadata
from perfrun.api.run.perfrun import PerfRun, PerfRunStatus, ResultRef, Verdict, WorkerCounts
from perfrun.api.times import parse_time
from perfrun.controller.metrics import Metrics
from perfrun.controller.objects.events import Events
from perfrun.controller.objects.manifests import (
    CONTENT_LABEL,
    RUN_LABEL,
    SHA_ANNOTATION,
    result_config_maps,
)
from perfrun.controller.objects.status import correct_status, read_status, write_status
from perfrun.controller.objects.writing import delete_owned, store_config_map
from perfrun.controller.run.environment import EnvironmentReader
from perfrun.controller.run.open_runs import OpenRun, OpenRuns
from perfrun.controller.run.sampler import Sampler
from perfrun.kube.client import Kube, owned_by
from perfrun.kube.errors import KubeError, RefusedError
from perfrun.kube.resources import CONFIG_MAPS, JOBS, PERF_RUNS
from perfrun.logic.comparison.comparable import left_out
from perfrun.logic.plan.names import job_name, teardown_job_name
from perfrun.logic.run.facts import RunFacts
from perfrun.logic.run.losses import losses, untidy
from perfrun.logic.run.status import done, identified, is_enforced, kept, not_compared
from perfrun.logic.verdict.judge import judge
from perfrun.logic.verdict.outcome import RunOutcome, RunVerdict, errored, unreported
from perfrun.measure.observed import add_observations
from perfrun.report.document import result_document

logger = logging.getLogger(__name__)

RESULT_MOST_BYTES = 4 * 1024 * 1024
KEEP_TRIES = 10
"""With the queue's pauses, these tries take about two minutes."""
TEMPORARY = ("plan", "report", "observed")


class Finisher:
    """Brings runs to their end. Every step may be repeated; the status is written last."""

    def __init__(
        self,
        kube: Kube,
        runs: OpenRuns,
        events: Events,
        metrics: Metrics,
        environment: EnvironmentReader,
        sampler: Sampler,
    ) -> None:
        self._kube = kube
        self._environment = environment
        self._sampler = sampler
        self._runs = runs
        self._events = events
        self._metrics = metrics
        self._judging = asyncio.Semaphore(1)
        self._keep_tries: dict[str, int] = {}

    async def judge(self, run: PerfRun, opened: OpenRun, facts: RunFacts) -> Json:
        """Merge the reports and write the verdict. Returns the PerfRun after the change.

        ``facts`` say how workers were lost, and why the teardown was not run. Raises
        UnreadableError if the reports cannot be used.
        """
        # One at a time, because everything that a run measured is in memory meanwhile.
        async with self._judging:
            now = datetime.now(UTC)
            run_verdict, packed, machines = await self._judge(run, opened, facts, now)
        if packed is None:
            return await self.end(run, run_verdict)
        result = await self._keep(run, opened, packed)
        where = await self._environment.of(run, opened.spec, machines)
        return await self.end(run, run_verdict, kept(result, where), now)

    async def _judge(
        self, run: PerfRun, opened: OpenRun, facts: RunFacts, now: datetime
    ) -> tuple[RunVerdict, bytes | None, list[str]]:
        """The verdict, the packed result if anything was measured, and the machines."""
        planned = opened.plan.load.workers
        merged, reported, terminated = await self._runs.merged_report(run.metadata.uid)
        lost = losses(facts, terminated)
        holds = run.status.capacity.holds if run.status.capacity is not None else ()
        workers = WorkerCounts(planned=planned, ready=planned, reported=reported)
        if merged is None:
            told = lost or ["see kubectl describe job of this run"]
            nothing = unreported(workers, run.status.stopped, told, holds)
            left = untidy(facts) or await self._untidy(opened)
            return nothing.with_untidy(left), None, []
        if run.status.start_time is not None:
            started = parse_time(run.status.start_time)
            add_observations(merged.observed, self._sampler.observed(run.metadata.uid, started))
        outcome = RunOutcome(
            plan=opened.plan,
            report=merged,
            workers=workers,
            stopped=run.status.stopped,
            enforced=is_enforced(run.status.stopped),
            holds=holds,
            lost=lost,
            untidy=untidy(facts),
        )
        run_verdict = await asyncio.to_thread(judge, opened.spec, outcome)
        ended = run.model_copy(update={"status": run.status.updated(_done(run, run_verdict, now))})

        def pack() -> bytes:
            return result_document(opened.plan, opened.spec, ended, merged).pack()

        return run_verdict, await asyncio.to_thread(pack), merged.generator.machines

    async def untidy(self, opened: OpenRun) -> str | None:
        """What went wrong with a teardown that a separate pod ran."""
        async with self._judging:
            return await self._untidy(opened)

    async def _untidy(self, opened: OpenRun) -> str | None:
        report = await self._runs.teardown_report(opened.plan.uid)
        return report.untidy if report is not None else None

    async def end(
        self,
        run: PerfRun,
        run_verdict: RunVerdict,
        measured: PerfRunStatus | None = None,
        completed: datetime | None = None,
    ) -> Json:
        """Write the verdict and report it. Returns the PerfRun after the change.

        ``measured``: where the result is and where it was measured. ``completed``: when it was
        judged, as in the result; now, if it is in no result.
        """
        now = completed or datetime.now(UTC)
        changes = _done(run, run_verdict, now)
        if measured is not None:
            changes = changes.updated(measured)
        changes = self._ended(run, changes)
        try:
            body = await write_status(self._kube, PERF_RUNS, run.metadata, changes)
        except RefusedError as error:
            # If the run did not end here, it would be judged and refused again and again.
            run_verdict = errored(f"its verdict could not be written: {error}", counted(run))
            changes = self._ended(run, _done(run, run_verdict, now))
            body = await write_status(self._kube, PERF_RUNS, run.metadata, changes)
        ended = PerfRun.parse(body)
        self._metrics.count_run(ended)
        await self.report(ended)
        logger.info(
            "run %s/%s: %s: %s",
            run.metadata.namespace,
            run.metadata.name,
            run_verdict.verdict,
            run_verdict.message,
        )
        return body

    @staticmethod
    def _ended(run: PerfRun, changes: PerfRunStatus) -> PerfRunStatus:
        """The changes that end a run, and whether later runs are compared with it."""
        ended = run.model_copy(update={"status": run.status.updated(changes)})
        return changes.updated(not_compared(left_out(ended)))

    async def give_up(self, body: Json, why: str) -> None:
        """End a run that cannot be read, because somebody else has written into it. Done once."""
        about = Metadata.model_validate(body["metadata"])
        read = read_status(PerfRunStatus, body)
        status = read or PerfRunStatus()
        run_verdict = errored(
            f"this object cannot be read: {why}", status.workers or WorkerCounts(planned=0)
        )
        ended = done(status, about.generation, datetime.now(UTC), run_verdict)
        await self.delete_jobs(about.namespace, about.uid)
        known = (status.phase, status.verdict, status.message)
        if read is None or known != (ended.phase, ended.verdict, ended.message):
            await correct_status(self._kube, PERF_RUNS, body, ended)
            message = run_verdict.message
            await self._events.record("PerfRun", about, Verdict.ERROR.value, message, warning=True)

    async def report(self, ended: PerfRun) -> None:
        """The events for the verdict, and for what is left; reporting them twice
        creates them once.
        """
        verdict = ended.status.verdict
        if verdict is not None:
            bad = verdict not in (Verdict.PASS, Verdict.NOT_APPLICABLE)
            await self._events.record(
                "PerfRun", ended.metadata, verdict.value, ended.status.message or "", warning=bad
            )
        if (untidy := ended.status.untidy) is not None:
            await self._events.record(
                "PerfRun", ended.metadata, "TeardownFailed", untidy, warning=True
            )

    async def tidy(self, run: PerfRun) -> None:
        """Remove what a finished run no longer needs: its Jobs with their pods, plan
        and reports.
        """
        uid, namespace = run.metadata.uid, run.metadata.namespace
        await self.delete_jobs(namespace, uid)
        labels = f"{RUN_LABEL}={run.metadata.name},{CONTENT_LABEL} in ({','.join(TEMPORARY)})"
        await delete_owned(self._kube, CONFIG_MAPS, namespace, labels, uid)

    async def delete_jobs(self, namespace: str, uid: str) -> None:
        """End the load of a run: delete its Jobs and their pods."""
        for name in (job_name(uid), teardown_job_name(uid)):
            job = await self._kube.find(JOBS, namespace, name)
            if job is not None and owned_by(job, uid):
                await self._kube.delete(JOBS, namespace, name, uid=job["metadata"]["uid"])

    def forget(self, uid: str) -> None:
        """The run is over, or gone."""
        self._runs.close(uid)
        self._sampler.forget(uid)
        self._keep_tries.pop(uid, None)

    async def _keep(self, run: PerfRun, opened: OpenRun, packed: bytes) -> ResultRef | None:
        """Store the full result in ConfigMaps and return where; None if it cannot be stored.

        A verdict does not wait forever for its figures: they are given up if the API server refuses
        them, or fails again and again. Raises KubeError before that.
        """
        if len(packed) > RESULT_MOST_BYTES:
            await self._give_up(run, f"its size is {len(packed)} bytes")
            return None
        maps = result_config_maps(opened.key, opened.plan, packed)
        try:
            for body in maps:
                await store_config_map(self._kube, body, run.metadata.uid)
        except RefusedError as error:
            await self._give_up(run, str(error))
            return None
        except KubeError as error:
            tries = self._keep_tries[run.metadata.uid] = (
                self._keep_tries.get(run.metadata.uid, 0) + 1
            )
            if tries < KEEP_TRIES:
                raise
            await self._give_up(run, str(error))
            return None
        return ResultRef(
            config_maps=[body["metadata"]["name"] for body in maps],
            sha256=maps[0]["metadata"]["annotations"][SHA_ANNOTATION],
            bytes=len(packed),
        )

    async def _give_up(self, run: PerfRun, why: str) -> None:
        note = f"the full result is not stored: {why}"
        logger.warning("run %s/%s: %s", run.metadata.namespace, run.metadata.name, note)
        await self._events.record("PerfRun", run.metadata, "ResultNotKept", note, warning=True)


def counted(run: PerfRun) -> WorkerCounts:
    """Its workers, as far as is known."""
    return run.status.workers or WorkerCounts(planned=0)


def _done(run: PerfRun, run_verdict: RunVerdict, now: datetime) -> PerfRunStatus:
    changes = done(run.status, run.metadata.generation, now, run_verdict)
    script = run_verdict.script
    return changes.updated(identified(run.status, script.files if script is not None else ()))
