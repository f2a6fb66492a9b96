"""Carries the load of targets that are used with ``await``: one task per iteration.

HTTP does without tasks, because they would be most of the cost of a request. A database, a page or
a message broker answers so slowly that this cost does not matter, and such a kind only has to
provide a :class:`Speaker` with three short methods.
"""

import asyncio
from base64 import b64encode
from collections.abc import Callable
from time import monotonic_ns
from typing import Any

from typing_extensions import override

from perfrun.api.quantities import NS_PER_S
from perfrun.engine.awaited.sessions import (
    ConnectionLimits,
    Done,
    Session,
    Sessions,
    Speaker,
    UnusedError,
)
from perfrun.engine.errors import FORESEEN, ErrorClass, OpenError, spoilt_by
from perfrun.engine.load.kind import Carrier, Course, Courses, Ended, VirtualUser
from perfrun.engine.load.timer import Deadline
from perfrun.measure.picture import Picture, is_worse
from perfrun.measure.record import Outcome, Timing


class AwaitedCarrier(Carrier):
    """The iterations in flight, and their connections."""

    def __init__(
        self,
        speaker: Speaker[Any],
        limits: ConnectionLimits,
        ended: Ended,
        course: Courses,
        *,
        notes_sends: bool = False,
        looks: bool = False,
    ) -> None:
        """``looks``: sessions can be photographed; the picture of the worst visit is kept."""
        self.looks = looks
        self.limits = limits
        self.ended, self.course = ended, course
        self.notes_sends = notes_sends
        self.on_quiet: Callable[[], None] | None = None
        self.first_send = self.last_send = 0
        self.sessions = Sessions(speaker, limits)
        self.exhausted = self.sessions.exhausted
        self._loop = asyncio.get_running_loop()
        self._walks: dict[_Walk, None] = {}
        self._first: _Walk | None = None
        self._deadline = Deadline(limits.timeout, self._walks.keys())

    @property
    @override
    def forbidden(self) -> str | None:  # type: ignore[override]
        return self.sessions.forbidden

    @property
    @override
    def connections(self) -> int:
        return self.sessions.opened

    @property
    @override
    def extracted(self) -> dict[str, str]:
        return self._first.values if self._first is not None else {}

    @override
    def begin(
        self, course: Course[Any], number: int, due: int, user: VirtualUser, now: int
    ) -> None:
        walk = _Walk(self, user, course, number, due, now)
        if self._first is None:
            self._first = walk
        self._walks[walk] = None
        walk.task = self._loop.create_task(walk.run())

    @override
    def in_flight(self) -> int:
        return len(self._walks)

    @override
    def has_connected(self, users: int) -> bool:
        return self.sessions.has_connected(users)

    @override
    def censor(self) -> None:
        for walk in list(self._walks):
            walk.censor()

    @override
    def close(self) -> None:
        self._deadline.close()
        self.sessions.close()

    def retire(self, walk: "_Walk") -> None:
        """An iteration is over, and its user does not start another one at once."""
        del self._walks[walk]
        if self.on_quiet is not None and not self._walks:
            self.on_quiet()

    def report_defect(self, defect: dict[str, Any]) -> None:
        """Report a defect to the exception handler of the loop."""
        self._loop.call_exception_handler(defect)

    def note_send(self, now: int) -> None:
        """An iteration sends for the first time."""
        self.last_send = now
        self.first_send = self.first_send or now


class _Walk:
    """The iterations of one user, one after the other."""

    __slots__ = (
        "_aside",
        "_at",
        "_carrier",
        "_course",
        "_due",
        "_entered",
        "_number",
        "_over",
        "_overdue",
        "_session",
        "_step",
        "_tally",
        "_user",
        "_written",
        "begun",
        "task",
        "values",
    )

    task: asyncio.Task[None]

    def __init__(
        self,
        carrier: AwaitedCarrier,
        user: VirtualUser,
        course: Course[Any],
        number: int,
        due: int,
        now: int,
    ) -> None:
        self._carrier, self._user = carrier, user
        self.values: dict[str, str] = {}
        """Values that its steps have extracted so far."""
        self._session: Session[Any] | None = None
        self._over = False
        """Whether it was censored: nothing more is counted."""
        self.begun = 0
        """When the awaited step was entered, monotonic ns; 0: no step is awaited. Not before its
        task runs: one that is cancelled earlier would be gone without having been counted."""
        self._set_out(course, number, due, now)

    def _set_out(self, course: Course[Any], number: int, due: int, now: int) -> None:
        self._course, self._number, self._due = course, number, due
        self._aside = 0
        self.values.clear()
        self._enter(0, now)

    def _enter(self, at: int, now: int) -> None:
        """Begin a step: from now on it counts."""
        self._at = at
        self._step, self._tally = self._course.steps[at]
        self._tally.sent += 1
        self._entered, self._written, self._overdue = now, 0, False

    async def run(self) -> None:
        """Run the iteration, and those that its user starts at once afterwards."""
        while True:
            await self._walk()
            if self._over:
                return
            now = monotonic_ns()
            number = self._carrier.ended(self._user, self._step.think_time, now)
            if number < 0:
                self._carrier.retire(self)
                return
            self._set_out(self._carrier.course(number, now), number, now, now)

    async def _walk(self) -> None:
        """All steps, up to the first one that fails."""
        whole, last = self._course.tally, len(self._course.steps) - 1
        while True:
            error = await self._one_step()
            if self._over:
                return
            now = monotonic_ns()
            if error is not None:
                outcome = Outcome.TIMEOUT if error == ErrorClass.TIMEOUT else Outcome.FAILURE
                whole.failed += 1
                whole.journeys[outcome].values.append(now - self._due - self._aside)
                return
            if self._at == last:
                break
            if self._step.think_time:
                await asyncio.sleep(self._step.think_time / NS_PER_S)
                now = monotonic_ns()
            self._enter(self._at + 1, now)
        if last:  # the journey of a single step is its latency
            whole.journeys[Outcome.SUCCESS].values.append(now - self._due - self._aside)

    async def _one_step(self) -> str | None:
        """Run and count one step; returns the class that it failed with."""
        done = await self._performed()
        if self._over:
            return None
        tally, now = self._tally, monotonic_ns() - done.aside
        tally.bytes_received += done.received
        if done.status:
            tally.status_codes[done.status] += 1
        tally.checks_passed += done.passed
        tally.checks_failed += done.failed
        self._aside += done.aside
        if done.error is None:
            tally.add_service(now - self._written)
            tally.add_latency(self._age(now))
            tally.measure(done.measures)
        else:
            if done.error == ErrorClass.POLICY:
                self._carrier.sessions.note_forbidden(done.message)
            if done.status and tally.lacks_example(done.status):
                tally.note_example(done.status, done.message or done.error)
            self._count_failure(done.error, now, done.message)
        self._entered = 0
        if done.error == ErrorClass.DATA:
            # Not at once: the user may start over and find nothing again, endlessly.
            await asyncio.sleep(0)
        return done.error

    async def _performed(self) -> Done:
        carrier, user = self._carrier, self._user
        self.begun = self._entered
        try:
            request = self._step.render(self._number, self.values)
        except Exception as error:  # caused by a tenant's data: it ends only this iteration
            self.begun = 0
            if not isinstance(error, FORESEEN):
                self._report_defect(error)
            return Done(ErrorClass.DATA, message=spoilt_by(error))
        try:
            try:
                done = await self._send(request)
            except UnusedError:
                self._drop()
                done = await self._send(request)
        except (Exception, asyncio.CancelledError) as error:
            looked = 0
            if carrier.looks and self._overdue and not self._over:
                looked = await self._look(ErrorClass.TIMEOUT, 0)
            return self._broken_off(error)._replace(aside=looked)
        finally:
            self.begun = 0
        if self._overdue or self._over:  # the kind has continued although it was cancelled
            return self._broken_off(asyncio.CancelledError())
        if carrier.looks:
            looked = await self._look(done.error, done.aside)
            done = done._replace(aside=done.aside + looked)
        session, self._session = self._session, None
        assert session is not None, "the step was sent over it"
        carrier.sessions.give(user, session)
        return done

    async def _send(self, request: Any) -> Done:
        """Run the step over a connection. Raises UnusedError if it does not count as an attempt."""
        carrier, tally = self._carrier, self._tally
        self._session = session = await carrier.sessions.take(self._user, tally)
        self._written = now = monotonic_ns()
        tally.attempts += 1
        if carrier.notes_sends and not self._at:
            carrier.note_send(now)
        try:
            return await session.perform(self._step, request, self.values)
        except UnusedError:
            tally.attempts -= 1
            raise

    async def _look(self, error: str | None, aside: int) -> int:
        """Keep a picture of a visit at its end, if it is the worst so far. Returns how long this
        took, ns."""
        whole, began = self._course.tally, monotonic_ns()
        took = began - self._due - self._aside - aside
        if self._session is None or (error is None and self._at < len(self._course.steps) - 1):
            return 0
        if whole.picture is not None and not is_worse(error is not None, took, whole.picture):
            return 0
        try:
            made = await self._pictured(self._session, error, max(0, took))
        except Exception as defect:  # caused by the kind: this iteration must still be counted
            message = f"step {self._step.name} could not be photographed"
            self._carrier.report_defect({"message": message, "exception": defect})
        else:
            # Another visit may have been pictured in the meantime.
            if made is not None and made.is_worse(whole.picture):
                whole.picture = made
        return monotonic_ns() - began

    async def _pictured(
        self, session: Session[Any], error: str | None, took: int
    ) -> Picture | None:
        if (jpeg := await session.picture()) is None:
            return None
        return Picture(
            scenario=self._course.tally.name,
            step=self._step.name,
            error=error or "",
            took=took,
            jpeg=b64encode(jpeg).decode(),
        )

    def _broken_off(self, error: BaseException) -> Done:
        """What ended a step before it was done. Its connection cannot be used again."""
        message = self._session.doing() if self._session is not None else ""
        self._drop()
        if self._overdue:
            self.task.uncancel()
            return Done(ErrorClass.TIMEOUT, message=message)
        match error:
            case asyncio.CancelledError():
                raise error
            case OpenError():
                return Done(error.reason, message=error.message)
            case OSError():
                return Done(ErrorClass.RESET)
            # caused by what was to be sent, or by the response
            case UnicodeError() | RecursionError():
                return Done(ErrorClass.DATA, message=spoilt_by(error))
        # A defect of the kind must not leave the run waiting forever.
        self._report_defect(error)
        return Done(ErrorClass.PROTOCOL)

    def _report_defect(self, defect: BaseException) -> None:
        message = f"step {self._step.name} failed because of a defect of perfrun"
        self._carrier.report_defect({"message": message, "exception": defect})

    def timed_out(self) -> None:
        """The step has timed out. A kind that does not stop is cancelled only once."""
        if not self._overdue:
            self._overdue = True
            self.task.cancel()

    def _drop(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            self._carrier.sessions.drop(session)

    def _count_failure(self, error: str, now: int, message: str) -> None:
        tally = self._tally
        tally.fail(error, message)
        age, outcome = self._age(now), Outcome.FAILURE
        if error == ErrorClass.TIMEOUT:
            outcome = Outcome.TIMEOUT
        if self._overdue:  # a kind may also give up by itself, before that
            age = max(age, self._carrier.limits.timeout)
        if self._written:
            tally.sample(Timing.SERVICE, outcome, now - self._written)
        tally.sample(Timing.LATENCY, outcome, age)

    def _age(self, now: int) -> int:
        """Response time: of the first step from when it was due, of others from its sending."""
        return now - (self._due if not self._at else self._written or self._entered)

    def censor(self) -> None:
        """The run is over; how this iteration would have ended is unknown."""
        now, whole = monotonic_ns(), self._course.tally
        self._over = True
        if self._entered:
            self._tally.censored += 1
            if self._written:
                self._tally.sample(Timing.SERVICE, Outcome.CENSORED, now - self._written)
            self._tally.sample(Timing.LATENCY, Outcome.CENSORED, self._age(now))
        whole.censored += 1
        whole.journeys[Outcome.CENSORED].values.append(now - self._due)
        self.task.cancel()
        self._drop()
        self._carrier.ended(self._user, 0, now)
        self._user.leave()
        self._carrier.retire(self)
