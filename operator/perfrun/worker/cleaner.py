"""The worker that only cleans up: it runs the teardown in place of a worker 0 that was lost."""

import asyncio

from perfrun.engine.errors import EngineError
from perfrun.engine.run import tear_down
from perfrun.measure.plan import RunPlan
from perfrun.measure.report import Ready, WorkerReport
from perfrun.reach.foreign import foreign
from perfrun.reach.values import Values
from perfrun.worker.client import Client, CoordinatorAwayError, WorkerRefusedError
from perfrun.worker.config import Config
from perfrun.worker.lines import log

VALUES_SECONDS = 20.0
"""How long it waits for the values that the setup extracted; then it does what it can without
them."""


class Cleaner:
    """One such worker. It does not handle signals: if it is stopped, the rest is not undone."""

    def __init__(self, config: Config, plan: RunPlan) -> None:
        self._config, self._plan = config, plan

    async def live(self) -> int:
        """Run it; returns the exit code, 0 if the report was accepted."""
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
        """The values that the setup extracted, as far as the coordinator knows them."""
        try:
            async with asyncio.timeout(VALUES_SECONDS):
                return (await client.ready(Ready())).values
        except TimeoutError:
            log("away", message="the coordinator did not send the values that the setup extracted")
            return {}

    async def _clean_up(self, values: dict[str, str]) -> WorkerReport:
        try:
            return await tear_down(self._plan, Values(self._config.secrets), values)
        except EngineError as error:
            report = WorkerReport.of_nothing()
            report.untidy = foreign(error.message)
            return report
