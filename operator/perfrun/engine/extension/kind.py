"""Targets whose protocol a package brings along."""

import asyncio
import contextlib
import ssl
import sys
from collections.abc import AsyncIterator
from typing import Any

from typing_extensions import override

from perfrun.api.quantities import NS_PER_S, format_exact_duration
from perfrun.api.test.extension import ExtensionTarget
from perfrun.engine.awaited.carrier import AwaitedCarrier
from perfrun.engine.awaited.sessions import Done, Limits, Session, Speaker
from perfrun.engine.compiled import CompiledScenario
from perfrun.engine.errors import ErrorClass, OpenError, exhausted_by, lost_by
from perfrun.engine.extension.defects import FOREIGN, is_ours, lost, told
from perfrun.engine.extension.farewells import Farewells
from perfrun.engine.extension.load import load, names_of
from perfrun.engine.extension.steps import ExtensionStep, compile_steps
from perfrun.engine.extension.turn import Turn
from perfrun.engine.load.kind import Carrier, Courses, Ended, Kind
from perfrun.extension import Extension, Peer, Reply
from perfrun.logic.plan.network import Fence
from perfrun.measure.plan import RunPlan
from perfrun.reach.resolver import Resolver
from perfrun.reach.values import Values, value_of


class ExtensionKind(Kind):
    """Its package, its options, its steps. Raises DataError for what cannot be resolved."""

    def __init__(self, plan: RunPlan, values: Values) -> None:
        self._target, self._values = plan.target.the_extension, values
        extension = load(self._target.kind, _options(self._target, values))
        self._names = names_of(extension.perform, leave_out=1)
        host, port = self._target.host, self._target.port
        resolver = Resolver(host, port, Fence(plan.network, plan.namespace))
        self._farewells = Farewells(extension)
        self._speaker = _Speaker(
            extension, Peer(host, port, resolver), self._target, self._farewells
        )

    @override
    def compile(self, plan: RunPlan) -> list[CompiledScenario]:
        return compile_steps(plan, self._values, self._names)

    @override
    async def check(self) -> None:
        """A connection, no request."""
        (await self._speaker.open()).abandon()

    @override
    async def renew(self) -> None:
        """What a connection needs, it needs when it is opened."""

    @override
    @contextlib.asynccontextmanager
    async def kept_fresh(self) -> AsyncIterator[None]:
        try:
            yield
        finally:
            await self._farewells.end()

    @override
    def carrier(self, ended: Ended, course: Courses, *, notes_sends: bool) -> Carrier:
        # What is in flight is bounded by the load, and no step uses two connections at once.
        limits = Limits(self._target.connections, sys.maxsize, self._target.timeout)
        return AwaitedCarrier(self._speaker, limits, ended, course, notes_sends=notes_sends)


def _options(target: ExtensionTarget, values: Values) -> dict[str, str]:
    where = "spec.target.extension.optionsFrom"
    given = {
        name: value_of(source, values, f"{where}.{name}")[0]
        for name, source in target.options_from.items()
    }
    return {**target.options, **given}


class _Speaker(Speaker[ExtensionStep]):
    """Has connections opened, within the time for it, and puts into words why one was not."""

    def __init__(
        self,
        extension: Extension[Any],
        peer: Peer,
        target: ExtensionTarget,
        farewells: Farewells,
    ) -> None:
        self._extension, self._peer, self._target = extension, peer, target
        self._farewells = farewells

    @override
    async def open(self) -> Session[ExtensionStep]:
        try:
            async with asyncio.timeout(self._target.connect_timeout / NS_PER_S) as limit:
                connection = await self._opened()
        except TimeoutError as error:
            within = format_exact_duration(self._target.connect_timeout)
            raise OpenError(
                ErrorClass.CONNECT, f"{self._what} was not ready within {within}"
            ) from error
        session = _Session(self._extension, connection, self._target.kind, self._farewells)
        if limit.expired():  # the extension has ignored that it was cancelled
            session.abandon()
            raise OpenError(ErrorClass.CONNECT, f"{self._what} was not ready in time")
        return session

    @property
    def _what(self) -> str:
        return f"{self._peer} ({self._target.kind})"

    async def _opened(self) -> Any:
        """A connection of the extension's. Raises OpenError, whatever that raises."""
        turn = Turn()
        try:
            return await self._extension.open(self._peer)
        except OpenError as error:
            if isinstance(error.reason, ErrorClass):
                raise
            refused = error.refused
            raise OpenError(ErrorClass.PROTOCOL, error.message, refused=refused) from error
        except TimeoutError as error:
            raise OpenError(ErrorClass.CONNECT, f"{self._what} gave up by itself") from error
        except ssl.SSLError as error:
            said = f"TLS with {self._what} failed: {lost(error)}"
            refused = isinstance(error, ssl.SSLCertVerificationError)
            raise OpenError(ErrorClass.TLS, said, refused=refused) from error
        except OSError as error:
            said = f"{self._what} could not be opened: {lost(error)}"
            raise OpenError(ErrorClass.CONNECT, said, exhausted_by(error)) from error
        except (*FOREIGN, asyncio.CancelledError) as error:
            if is_ours(error):
                raise
            said = told(self._target.kind, type(self._extension), error)
            raise OpenError(ErrorClass.PROTOCOL, said) from error
        finally:
            await turn.has_come()


class _Session(Session[ExtensionStep]):
    """One connection of an extension. After anything but a reply it is not used again."""

    def __init__(
        self, extension: Extension[Any], connection: Any, kind: str, farewells: Farewells
    ) -> None:
        self._extension, self._connection, self._kind = extension, connection, kind
        self._farewells = farewells
        self._broken = False

    @override
    async def perform(
        self, step: ExtensionStep, request: dict[str, str], values: dict[str, str]
    ) -> Done:
        turn = Turn()
        done = await self._performed(step, request, values)
        await turn.has_come()
        return done

    async def _performed(
        self, step: ExtensionStep, request: dict[str, str], values: dict[str, str]
    ) -> Done:
        broken, self._broken = self._broken, True
        try:
            reply = await self._extension.perform(self._connection, **request)
        except TimeoutError:
            return Done(ErrorClass.TIMEOUT, said=f"{self._kind} gave up by itself")
        except OSError as error:
            return Done(lost_by(error), said=lost(error))
        except (*FOREIGN, asyncio.CancelledError) as error:
            if is_ours(error):
                raise
            return Done(ErrorClass.PROTOCOL, said=self._told(error))
        if not _is_sound(reply):
            said = f"{self._kind} has a defect: it gave something else than a Reply"
            return Done(ErrorClass.PROTOCOL, said=said)
        self._broken = broken
        return step.judged(reply, values)

    @override
    def is_usable(self) -> bool:
        if self._broken:
            return False
        try:
            return bool(self._extension.is_usable(self._connection))
        except FOREIGN:
            self._broken = True
            return False

    @override
    def abandon(self) -> None:
        self._farewells.begin(self._connection)

    def _told(self, error: BaseException) -> str:
        return told(self._kind, type(self._extension), error)


def _is_sound(reply: object) -> bool:
    if not isinstance(reply, Reply):
        return False
    parts: tuple[object, ...] = reply  # a NamedTuple checks nothing
    body, error, said, *counts = parts
    return (
        isinstance(body, bytes)
        and isinstance(said, str)
        and (error is None or isinstance(error, ErrorClass))
        and all(isinstance(count, int) and count >= 0 for count in counts)
    )
