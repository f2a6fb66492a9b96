"""The teardown of a run whose worker 0 was lost: a Job with one pod runs it."""

import logging

from perfrun.api.run.perfrun import PerfRun
from perfrun.controller.objects.accounts import Accounts
from perfrun.controller.objects.events import Events
from perfrun.controller.objects.jobs import teardown_job_manifest
from perfrun.controller.objects.status import write_status
from perfrun.controller.objects.writing import create_once
from perfrun.controller.run.facts import as_timedelta
from perfrun.controller.run.open_runs import OpenRun
from perfrun.controller.settings import Settings
from perfrun.kube.client import Kube
from perfrun.kube.errors import KubeError, TerminatingError
from perfrun.kube.resources import JOBS, PERF_RUNS
from perfrun.logic.plan.run_plan import longest_clean_up
from perfrun.logic.run.facts import RunFacts
from perfrun.logic.run.status import not_launched, tearing_down

logger = logging.getLogger(__name__)

RETRY_S = 5.0


class CleanUps:
    """Starts teardowns; the run's reconciler waits for their end."""

    def __init__(
        self, kube: Kube, events: Events, settings: Settings, accounts: Accounts, *, with_ca: bool
    ) -> None:
        self._kube, self._events, self._accounts = kube, events, accounts
        self._settings, self._with_ca = settings, with_ca

    async def start(self, run: PerfRun, opened: OpenRun, facts: RunFacts) -> float:
        """Record the deadline, then create the Job; seconds until the run should be looked at
        again.

        If it cannot be created, the reason may pass before the deadline does, so this is tried
        again.
        """
        if facts.clean_up is None:
            deadline = facts.now + as_timedelta(longest_clean_up(opened.plan))
            body = await write_status(self._kube, PERF_RUNS, run.metadata, tearing_down(deadline))
            run = PerfRun.parse(body)
        job = teardown_job_manifest(
            opened.key, opened.plan, opened.spec, self._settings, with_ca=self._with_ca
        )
        try:
            await self._accounts.ensure(run.metadata.namespace)
            await create_once(self._kube, JOBS, job, run.metadata.uid)
        except TerminatingError:
            raise
        except KubeError as error:
            logger.warning("run %s: no Job for its teardown yet: %s", opened.key, error)
            changes = not_launched(str(error))
            await write_status(self._kube, PERF_RUNS, run.metadata, changes)
            return RETRY_S
        name = job["metadata"]["name"]
        note = f"worker 0 was lost: created Job {name}, which runs the teardown"
        await self._events.record("PerfRun", run.metadata, "CleaningUp", note)
        return 1.0
