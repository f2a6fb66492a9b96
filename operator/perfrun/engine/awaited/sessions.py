"""Connections of awaited targets: opened up to a limit, lent to one iteration at a time."""

import asyncio
from collections import deque
from collections.abc import Mapping
from time import monotonic_ns
from typing import Any, Literal, NamedTuple, Protocol, TypeVar

from perfrun.engine.compiled import AwaitedStep
from perfrun.engine.errors import ErrorClass, OpenError
from perfrun.engine.load.kind import VirtualUser
from perfrun.engine.record.recorder import StepTally
from perfrun.measure.record import Outcome, Timing
from perfrun.measure.report import MAX_FORBIDDEN
from perfrun.reach.foreign import foreign

S_contra = TypeVar("S_contra", bound=AwaitedStep, contravariant=True)


class Done(NamedTuple):
    """The result of one step."""

    error: str | None = None
    """The class that it failed with; None: it succeeded."""
    received: int = 0
    """Bytes, as far as known."""
    passed: int = 0
    failed: int = 0
    """Checks."""
    message: str = ""
    """Why it failed, in words: never a value of a parameter, which may be a secret."""
    measures: Mapping[str, float] = {}
    """Of a success, by name of :data:`perfrun.api.test.metric.MEASURES`: ns, or plain numbers."""
    aside: int = 0
    """ns that the generator itself caused; they do not count."""
    status: int = 0
    """The HTTP status code of the answer; 0: it has none."""


class UnusedError(OSError):
    """The server had closed the idle connection before it read the request."""


class Session(Protocol[S_contra]):
    """A connection to the target; one iteration uses it at a time."""

    async def perform(self, step: S_contra, request: Any, values: dict[str, str]) -> Done:
        """Execute a step with its rendered request; extracted values go into ``values``.

        Whatever the target answers is a :class:`Done`. Raises OSError if the connection is lost,
        UnusedError if it is known to have been lost before.
        """

    async def picture(self) -> bytes | None:
        """A picture of it, as a small JPEG; None: there is nothing to show. Returns soon."""
        return None

    def doing(self) -> str:
        """What it is doing, for the message of a step that times out; may be empty."""
        return ""

    def is_usable(self) -> bool:
        """Whether it can be used again."""

    def abandon(self) -> None:
        """Close it at once, whatever it is doing."""


class Speaker(Protocol[S_contra]):
    """How connections to a target are opened."""

    async def open(self) -> Session[S_contra]:
        """Open a new connection. Raises OpenError."""


class ConnectionLimits(NamedTuple):
    """The limits of a carrier."""

    connections: Literal["Shared", "PerUser", "PerRequest"]
    most: int
    """Maximum number of open connections; a step that finds none waits for one."""
    timeout: int
    """ns that a step may take, including the wait for its connection."""


class Sessions:
    """All connections of one load."""

    def __init__(self, speaker: Speaker[Any], limits: ConnectionLimits) -> None:
        self.limits = limits
        self.opened = 0
        """Connections opened so far."""
        self.exhausted: dict[str, int] = {}
        """How often the generator ran out of Ports, Descriptors or Memory."""
        self.forbidden: str | None = None
        """The first message of a policy that refused a host."""
        self._speaker = speaker
        self._loop = asyncio.get_running_loop()
        self._idle: list[Session[Any]] = []
        self._free = limits.most
        """Number of connections that may still be opened."""
        self._waiting: deque[asyncio.Future[Session[Any] | None]] = deque()
        self._opening = self._attempts = 0

    def has_connected(self, users: int) -> bool:
        """Whether the first connections of this number of users are open, or have failed."""
        return self._attempts >= users or (self._attempts > 0 and not self._opening)

    def close(self) -> None:
        """Close idle connections."""
        while self._idle:
            self._idle.pop().abandon()

    async def take(self, user: VirtualUser, tally: StepTally) -> Session[Any]:
        """A connection for a step. Raises OpenError."""
        session: Session[Any]
        if isinstance(kept := user.state, _Kept):
            session, user.state = kept.session, None
            if session.is_usable():
                return session
            self.drop(session)
        while self._idle:
            if (session := self._idle.pop()).is_usable():
                return session
            self.drop(session)
        if self._free:
            self._free -= 1
        elif (handed := await self._wait()) is not None:
            return handed
        return await self._open(tally)

    async def _wait(self) -> Session[Any] | None:
        """An existing connection; None: a new one may be opened."""
        waiting: asyncio.Future[Session[Any] | None] = self._loop.create_future()
        self._waiting.append(waiting)
        try:
            return await waiting
        except asyncio.CancelledError:
            # It may have been given something in the same cycle of the loop.
            if waiting.done() and not waiting.cancelled():
                self._hand_on(waiting.result())
            raise

    async def _open(self, tally: StepTally) -> Session[Any]:
        since = monotonic_ns()
        self._opening += 1
        opened = False
        try:
            session = await self._speaker.open()
            opened = True
        except OpenError as error:
            self._note(error)
            raise
        finally:
            self._opening -= 1
            self._attempts += 1
            if not opened:
                self._hand_on(None)
        self.opened += 1
        tally.sample(Timing.CONNECT, Outcome.SUCCESS, monotonic_ns() - since)
        return session

    def _note(self, error: OpenError) -> None:
        if error.exhausted is not None:
            self.exhausted[error.exhausted] = self.exhausted.get(error.exhausted, 0) + 1
        if error.reason is ErrorClass.POLICY:
            self.note_forbidden(error.message)

    def note_forbidden(self, sentence: str) -> None:
        """Keep the first message of a policy."""
        self.forbidden = self.forbidden or foreign(sentence, MAX_FORBIDDEN)

    def give(self, user: VirtualUser, session: Session[Any]) -> None:
        """A step is over: its connection is free for others, if it is usable."""
        if self.limits.connections == "PerRequest" or not session.is_usable():
            self.drop(session)
        elif self.limits.connections == "PerUser":
            user.state = _Kept(self, session)
        else:
            self._hand_on(session)

    def drop(self, session: Session[Any]) -> None:
        """Close a connection: the step that has waited longest may open a new one."""
        session.abandon()
        self._hand_on(None)

    def _hand_on(self, session: Session[Any] | None) -> None:
        """Give a connection, or with None the right to open one, to the step that has waited
        longest."""
        while self._waiting:
            waiting = self._waiting.popleft()
            if not waiting.done():
                waiting.set_result(session)
                return
        if session is None:
            self._free += 1
        else:
            self._idle.append(session)


class _Kept(NamedTuple):
    """A connection that belongs to one user."""

    sessions: Sessions
    session: Session[Any]

    def close(self) -> None:
        """The user leaves: close its connection."""
        self.sessions.drop(self.session)
