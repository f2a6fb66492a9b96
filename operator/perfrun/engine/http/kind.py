"""Targets that speak HTTP."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from typing_extensions import override

from perfrun.engine.compiled import CompiledScenario
from perfrun.engine.http.carrier import HttpCarrier
from perfrun.engine.http.connection_policy import CONNECTION_POLICIES
from perfrun.engine.http.credentials import credential_of
from perfrun.engine.http.iteration import Iteration
from perfrun.engine.http.protocols import version_of
from perfrun.engine.http.request import compile_scenarios, origin_of
from perfrun.engine.http.tls.settings import trust
from perfrun.engine.load.kind import Carrier, Courses, Ended, Kind
from perfrun.logic.plan.network import Fence
from perfrun.measure.plan import RunPlan
from perfrun.reach.values import Values


class HttpKind(Kind):
    """Load TLS settings, credential and steps. Raises DataError if something cannot be resolved."""

    def __init__(self, plan: RunPlan, values: Values) -> None:
        self._target = plan.target.the_http
        self._values = values
        fence = Fence(plan.network, plan.namespace)
        self._trust = trust(self._target, values, fence)
        self._credential = credential_of(self._target, values, fence)
        self._header = self._credential.header if self._credential is not None else None

    @override
    def compile(self, plan: RunPlan) -> list[CompiledScenario]:
        return compile_scenarios(plan, self._values, self._header)

    @override
    async def check(self) -> None:
        """Check token, DNS, TCP and TLS, without a request."""
        await self.renew()
        origin = origin_of(self._target.url)
        home = version_of(self._target).pool(origin, self._trust.home, self._trust.fence)
        opened = await home.open()
        opened.connection.close()

    @override
    async def renew(self) -> None:
        if self._credential is not None:
            await self._credential.obtain()

    @override
    @contextlib.asynccontextmanager
    async def kept_fresh(self) -> AsyncIterator[None]:
        if self._credential is None:
            yield
            return
        keeping = asyncio.create_task(self._credential.keep())
        try:
            yield
        finally:
            keeping.cancel()

    @override
    def carrier(self, ended: Ended, course: Courses, *, notes_sends: bool) -> Carrier:
        policy = CONNECTION_POLICIES[self._target.connections]()
        return HttpCarrier(
            self._target, self._trust, policy, Iteration, ended, course, notes_sends=notes_sends
        )
