"""The clock and the timer around a pacer: asks it what to do now, and does it."""

import asyncio
from time import monotonic_ns
from typing import Protocol

from perfrun.engine.load.kind import VirtualUser
from perfrun.engine.load.pacers import Drop, End, Leave, Pacer, Release, WaitUntil
from perfrun.engine.load.timer import new_alarm


class IterationStarter(Protocol):
    """Carries out what a pacer decides. All times are monotonic ns."""

    def begin(self, number: int, due: int, now: int, lag: int, user: VirtualUser) -> None:
        """Start an iteration at ``now``, ``lag`` ns later than it should have been released."""

    def drop(self, number: int, due: int) -> None:
        """An iteration was due and cannot be started."""

    def load_ended(self, early: str | None = None) -> None:
        """Nothing will be released any more; ``early`` is the reason if the load ends early."""


class Pacing:
    """Carries out a pacer's decisions in time. Needs a running event loop."""

    def __init__(self, pacer: Pacer, starter: IterationStarter) -> None:
        self._pacer, self._starter = pacer, starter
        pacer.idles = self._idle
        self._alarm = new_alarm(asyncio.get_running_loop(), self._wake)
        self._wakes_at = 0
        """The time of the alarm, monotonic ns."""
        self._runs = False

    def start(self) -> None:
        """Start the pacer's schedule; after a stop or an end, its next one."""
        now = monotonic_ns()
        self._pacer.start(now)
        self._runs = True
        self._wake_at(now)

    def stop(self) -> None:
        """Release nothing any more."""
        for user in self._pacer.stop(monotonic_ns()):
            user.leave()
        if self._runs:
            self._runs = False
            self._alarm.clear()

    def close(self) -> None:
        """Stop for good."""
        self.stop()
        self._alarm.close()

    def _idle(self, user: VirtualUser, until: WaitUntil | End | None) -> None:
        if until is None:
            if user.state is not None:
                user.leave()
        elif isinstance(until, WaitUntil):
            if until.time < self._wakes_at:
                self._wake_at(until.time)
        else:
            user.leave()
            self._finish(until)

    def _wake_at(self, time: int) -> None:
        self._wakes_at = time
        self._alarm.at(time)

    def _wake(self) -> None:
        if not self._runs:  # the alarm had already rung when it was cleared
            return
        next_, starter, now = self._pacer.next, self._starter, monotonic_ns()
        for _ in range(self._pacer.batch):
            answer = next_(now)
            if isinstance(answer, Release):
                starter.begin(answer.number, answer.due, now, answer.lag, answer.user)
                now = monotonic_ns()
                if answer.then > now:
                    self._wake_at(answer.then)
                    return
            elif isinstance(answer, Drop):
                starter.drop(answer.number, answer.due)
            elif isinstance(answer, WaitUntil):
                self._wake_at(answer.time)
                return
            elif isinstance(answer, Leave):
                answer.user.leave()
            else:
                self._finish(answer)
                return
        self._wake_at(1)  # there may be more: continue at once, but after the loop's sockets

    def _finish(self, end: End) -> None:
        self.stop()
        self._starter.load_ended(end.early)
