"""Targets whose protocol comes from another package."""

import contextlib
import sys
from collections.abc import AsyncIterator

from typing_extensions import override

from perfrun.api.test.extension import ExtensionTarget
from perfrun.engine.awaited.carrier import AwaitedCarrier
from perfrun.engine.awaited.sessions import ConnectionLimits
from perfrun.engine.compiled import CompiledScenario
from perfrun.engine.extension.connection import ClosingConnections, ExtensionSpeaker
from perfrun.engine.extension.load import load, names_of
from perfrun.engine.extension.steps import compile_steps
from perfrun.engine.load.kind import Carrier, Courses, Ended, Kind
from perfrun.extension import Peer
from perfrun.logic.plan.network import Fence
from perfrun.measure.plan import RunPlan
from perfrun.reach.resolver import Resolver
from perfrun.reach.values import Values, value_of


class ExtensionKind(Kind):
    """Load the package, the options and the steps. Raises DataError if something cannot be
    resolved."""

    def __init__(self, plan: RunPlan, values: Values) -> None:
        self._target, self._values = plan.target.the_extension, values
        extension = load(self._target.kind, _options(self._target, values))
        self._names = names_of(extension.perform, leave_out=1)
        host, port = self._target.host, self._target.port
        resolver = Resolver(host, port, Fence(plan.network, plan.namespace))
        self._closing = ClosingConnections(extension)
        self._speaker = ExtensionSpeaker(
            extension, Peer(host, port, resolver), self._target, self._closing
        )

    @override
    def compile(self, plan: RunPlan) -> list[CompiledScenario]:
        return compile_steps(plan, self._values, self._names)

    @override
    async def check(self) -> None:
        """Open a connection, without a request."""
        (await self._speaker.open()).abandon()

    @override
    @contextlib.asynccontextmanager
    async def kept_fresh(self) -> AsyncIterator[None]:
        try:
            yield
        finally:
            await self._closing.end()

    @override
    def carrier(self, ended: Ended, course: Courses, *, notes_sends: bool) -> Carrier:
        # The load limits what is in flight, and no step uses two connections at once.
        limits = ConnectionLimits(self._target.connections, sys.maxsize, self._target.timeout)
        return AwaitedCarrier(self._speaker, limits, ended, course, notes_sends=notes_sends)


def _options(target: ExtensionTarget, values: Values) -> dict[str, str]:
    where = "spec.target.extension.optionsFrom"
    given = {
        name: value_of(source, values, f"{where}.{name}")[0]
        for name, source in target.options_from.items()
    }
    return {**target.options, **given}
