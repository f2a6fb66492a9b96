"""The connections of an extension: opened, used and closed, each with a time limit."""

import asyncio
import contextlib
import ssl
from typing import Any

from typing_extensions import override

from perfrun.api.quantities import NS_PER_S, format_exact_duration
from perfrun.api.test.extension import ExtensionTarget
from perfrun.engine.awaited.sessions import Done, Session, Speaker
from perfrun.engine.errors import ErrorClass, OpenError, exhausted_by, lost_by
from perfrun.engine.extension.load import FOREIGN, defect_message, is_ours, lost
from perfrun.engine.extension.steps import ExtensionStep
from perfrun.extension import CLOSE_SECONDS, Extension, Peer, Reply


class ClosingConnections:
    """Connections that are being closed. The load waits for none of them, its report for all."""

    def __init__(self, extension: Extension[Any]) -> None:
        self._extension = extension
        self._tasks: set[asyncio.Task[None]] = set()

    def begin(self, connection: Any) -> None:
        """Close a connection. Needs a running event loop."""
        task = asyncio.get_running_loop().create_task(self._close(connection))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def end(self) -> None:
        """Wait until all are closed, or should be. One that ignores its cancellation is left
        alone."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=CLOSE_SECONDS + 1)

    async def _close(self, connection: Any) -> None:
        # Its exception goes to nobody: the connection is not used again either way.
        with contextlib.suppress(*FOREIGN):
            async with asyncio.timeout(CLOSE_SECONDS):
                await self._extension.close(connection)


class Turn:
    """Notices whether the event loop has run since. Otherwise users of an extension that blocks, or
    answers at once, would start over forever, and nothing could end the load.
    """

    def __init__(self) -> None:
        self._has_come = False
        self._handle = asyncio.get_running_loop().call_soon(self._comes)

    async def has_come(self) -> None:
        """Wait for the loop, if it has not run."""
        if not self._has_come:
            self._handle.cancel()
            await asyncio.sleep(0)

    def _comes(self) -> None:
        self._has_come = True


class ExtensionSpeaker(Speaker[ExtensionStep]):
    """Opens connections within the time limit, and explains failures."""

    def __init__(
        self,
        extension: Extension[Any],
        peer: Peer,
        target: ExtensionTarget,
        closing: ClosingConnections,
    ) -> None:
        self._extension, self._peer, self._target = extension, peer, target
        self._closing = closing

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
        session = _Session(self._extension, connection, self._target.kind, self._closing)
        if limit.expired():  # the extension has ignored its cancellation
            session.abandon()
            raise OpenError(ErrorClass.CONNECT, f"{self._what} was not ready in time")
        return session

    @property
    def _what(self) -> str:
        return f"{self._peer} ({self._target.kind})"

    async def _opened(self) -> Any:
        """A connection of the extension. Raises OpenError, whatever the extension raises."""
        turn = Turn()
        try:
            return await self._extension.open(self._peer)
        except OpenError as error:
            if isinstance(error.reason, ErrorClass):
                raise
            refused = error.refused
            raise OpenError(ErrorClass.PROTOCOL, error.message, refused=refused) from error
        except TimeoutError as error:
            raise OpenError(
                ErrorClass.CONNECT, (f"{self._what} was cancelled by the extension itself")
            ) from error
        except ssl.SSLError as error:
            message = f"TLS with {self._what} failed: {lost(error)}"
            refused = isinstance(error, ssl.SSLCertVerificationError)
            raise OpenError(ErrorClass.TLS, message, refused=refused) from error
        except OSError as error:
            message = f"{self._what} could not be opened: {lost(error)}"
            raise OpenError(ErrorClass.CONNECT, message, exhausted_by(error)) from error
        except (*FOREIGN, asyncio.CancelledError) as error:
            if is_ours(error):
                raise
            message = defect_message(self._target.kind, type(self._extension), error)
            raise OpenError(ErrorClass.PROTOCOL, message) from error
        finally:
            await turn.has_come()


class _Session(Session[ExtensionStep]):
    """One connection of an extension. Without a reply it is not used again."""

    def __init__(
        self, extension: Extension[Any], connection: Any, kind: str, closing: ClosingConnections
    ) -> None:
        self._extension, self._connection, self._kind = extension, connection, kind
        self._closing = closing
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
            return Done(
                ErrorClass.TIMEOUT, message=(f"{self._kind} was cancelled by the extension itself")
            )
        except OSError as error:
            return Done(lost_by(error), message=lost(error))
        except (*FOREIGN, asyncio.CancelledError) as error:
            if is_ours(error):
                raise
            return Done(ErrorClass.PROTOCOL, message=self._defect(error))
        if not _is_sound(reply):
            message = f"{self._kind} has a defect: it did not return a Reply"
            return Done(ErrorClass.PROTOCOL, message=message)
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
        self._closing.begin(self._connection)

    def _defect(self, error: BaseException) -> str:
        return defect_message(self._kind, type(self._extension), error)


def _is_sound(reply: object) -> bool:
    if not isinstance(reply, Reply):
        return False
    parts: tuple[object, ...] = reply  # a NamedTuple does not check types
    body, error, message, *counts = parts
    return (
        isinstance(body, bytes)
        and isinstance(message, str)
        and (error is None or isinstance(error, ErrorClass))
        and all(isinstance(count, int) and count >= 0 for count in counts)
    )
