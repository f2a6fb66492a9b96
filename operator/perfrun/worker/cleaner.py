"""The worker that only cleans up: it runs the teardown in place of a worker 0 that was lost."""

import asyncio

from perfrun.engine.errors import EngineError
from perfrun.engine.run import tear_down
from perfrun.measure.plan import RunPlan
from perfrun.measure.report import Ready, WorkerReport
from perfrun.reach.foreign import foreign
from perfrun.worker.client import Client, CoordinatorAwayError, WorkerRefusedError
from perfrun.worker.config import Config
from perfrun.worker.lines import log
from perfrun.worker.secrets import MountedValues

VALUES_SECONDS = 20.0
"""How long it waits for what the setup has extracted; then it does what it can without."""


class Cleaner:
    """One such worker. It does not wait for a signal: what was not undone then is not undone."""

    def __init__(self, config: Config, plan: RunPlan) -> None:
        self._config, self._plan = config, plan

    async def live(self) -> int:
        """The whole life; returns the exit code, 0 once the report was taken."""
        async with Client(self._config, self._plan.uid) as client:
            try:
                report = await self._clean_up(await self._values(client))
                log("teardown", attempts=report.teardown.attempts, trouble=report.untidy or "no")
                await client.report(report, self._config.report_deadline)
            except WorkerRefusedError as error:
                log("refused", message=str(error))
            except CoordinatorAwayError as error:
                log("undelivered", message=str(error))
            else:
                return 0
        return 1

    async def _values(self, client: Client) -> dict[str, str]:
        """What the setup has extracted, as far as the coordinator knows it."""
        try:
            async with asyncio.timeout(VALUES_SECONDS):
                return (await client.ready(Ready())).values
        except TimeoutError:
            log("away", message="the coordinator does not say what the setup has extracted")
            return {}

    async def _clean_up(self, values: dict[str, str]) -> WorkerReport:
        try:
            return await tear_down(self._plan, MountedValues(self._config.secrets), values)
        except EngineError as error:
            report = WorkerReport.of_nothing()
            report.untidy = foreign(error.message)
            return report
