"""Targets that are databases."""

import asyncio

from typing_extensions import override

from perfrun.api.quantities import NS_PER_MS
from perfrun.engine.awaited.carrier import AwaitedCarrier
from perfrun.engine.awaited.sessions import ConnectionLimits, Session, Speaker
from perfrun.engine.compiled import CompiledScenario
from perfrun.engine.load.kind import Carrier, Courses, Ended, Kind
from perfrun.engine.sql.steps import SqlStep, compile_sql
from perfrun.logic.plan.network import Fence
from perfrun.logic.plan.shape import share
from perfrun.measure.plan import RunPlan
from perfrun.reach.dsn import Dsn, LoginTimeouts, parse_dsn
from perfrun.reach.login import login
from perfrun.reach.resolver import Resolver
from perfrun.reach.values import Values

_WHERE = "spec.target.sql.dsnFrom"
_LATER = 100 * NS_PER_MS
"""How much longer the server's own limit is, so that a slow statement ends here first, as a
timeout.
"""


class SqlKind(Kind):
    """Load address, login and statements. Raises DataError if something cannot be resolved."""

    def __init__(self, plan: RunPlan, values: Values, index: int) -> None:
        self._target, self._values = plan.target.the_sql, values
        ref = self._target.dsn_from.secret_key_ref
        dsn = parse_dsn(values.secret(ref.name, ref.key, _WHERE), _WHERE)
        resolver = Resolver(dsn.host, dsn.port, Fence(plan.network, plan.namespace))
        self._speaker = _SqlSpeaker(dsn, resolver, plan)
        self._most = max(1, share(self._target.max_connections, plan.load.workers, index))

    @override
    def compile(self, plan: RunPlan) -> list[CompiledScenario]:
        return compile_sql(plan, self._values)

    @override
    async def check(self) -> None:
        """Check name, connection and login, without a statement."""
        (await self._speaker.open()).abandon()

    @override
    async def close(self) -> None:
        while self._speaker.closing:
            await asyncio.wait(self._speaker.closing)

    @override
    def carrier(self, ended: Ended, course: Courses, *, notes_sends: bool) -> Carrier:
        target = self._target
        limits = ConnectionLimits(target.connections, self._most, target.timeout)
        return AwaitedCarrier(self._speaker, limits, ended, course, notes_sends=notes_sends)


class _SqlSpeaker(Speaker[SqlStep]):
    """Opens connections by the driver of the DSN."""

    def __init__(self, dsn: Dsn, resolver: Resolver, plan: RunPlan) -> None:
        target = plan.target.the_sql
        self._times = LoginTimeouts(target.connect_timeout, target.timeout + _LATER)
        self._login = dsn, resolver, plan.user_agent, self._times
        self._driver = dsn.driver
        self.closing: set[asyncio.Task[None]] = set()
        """Connections that are being closed by the driver; each ends within some seconds."""

    @override
    async def open(self) -> Session[SqlStep]:
        connection = await login(*self._login)
        # Load only the driver that is needed.
        match self._driver:
            case "mysql":
                from perfrun.engine.sql.mysql import MysqlSession

                return MysqlSession(connection)
            case "postgresql":
                from perfrun.engine.sql.postgres import PostgresSession

                closing = self.closing if self._times.statement is None else None
                return PostgresSession(connection, closing)
