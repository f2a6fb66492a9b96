"""Attempts to reach the target before the load: less and less often, and not forever."""

from collections.abc import Awaitable, Callable
from time import monotonic

from perfrun.engine.errors import EngineError, ErrorClass, ToolError
from perfrun.measure.report import Trouble
from perfrun.reach.foreign import foreign

FIRST_PAUSE, MAX_PAUSE = 1.0, 10.0
"""Seconds between two attempts."""
GROWTH = 1.5
MAX_REFUSALS = 3
"""Consecutive failures, for example of a login: more could lock an account."""


Log = Callable[..., None]
"""Writes a line of the worker's log: an event, and fields without values from Secrets."""


class Reaching:
    """The attempts of one worker to reach its target."""

    def __init__(
        self,
        check: Callable[[], Awaitable[None]],
        log: Log,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        """``check`` raises EngineError if the target cannot be reached; ``clock`` returns
        seconds."""
        self._check, self._log, self._clock = check, log, clock
        self._trouble: Trouble | None = None
        """Problem of the last attempt."""
        self._refusals = 0
        self._pause = FIRST_PAUSE
        self._due = 0.0

    async def tried(self) -> Trouble | None:
        """Why the target cannot be reached, from an attempt now, or from the last one if the next
        is not due yet. Raises EngineError if another attempt will not help.
        """
        if self._clock() < self._due:
            return self._trouble
        try:
            await self._check()
        except EngineError as error:
            self._failed(error)
        else:
            self._trouble = None
        if self._trouble is not None and self._trouble.reason == ErrorClass.NOT_READY:
            return self._trouble  # it waits by itself
        self._due = self._clock() + self._pause
        self._pause = min(GROWTH * self._pause, MAX_PAUSE)
        return self._trouble

    def _failed(self, error: EngineError) -> None:
        self._refusals = self._refusals + 1 if error.refused else 0
        hopeless = error.reason is ErrorClass.POLICY or isinstance(error, ToolError)
        if hopeless or self._refusals >= MAX_REFUSALS:
            raise error
        trouble = Trouble(reason=error.reason, message=foreign(error.message))
        if trouble != self._trouble:
            self._log("trouble", reason=error.reason, message=error.message)
        self._trouble = trouble
