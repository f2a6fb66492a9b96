"""One iteration that executes its steps: callbacks, no coroutines, no look-ups."""

import asyncio
from time import monotonic_ns
from typing import Any

from perfrun.engine.errors import ErrorClass, ResponseError, spoilt_by
from perfrun.engine.http.attempts import MAX_REFUSALS, STATUSES, FurtherAttempts, follow
from perfrun.engine.http.carrier import HttpCarrier
from perfrun.engine.http.connection_policy import HttpUser
from perfrun.engine.http.cookies import path_of, with_cookies
from perfrun.engine.http.link import Link
from perfrun.engine.http.mismatch import NO_ANSWER, unanswered
from perfrun.engine.http.pool import Opened, Pool
from perfrun.engine.http.request import CompiledStep, shown
from perfrun.engine.load.kind import Course, VirtualUser
from perfrun.engine.response.content import unpacked
from perfrun.engine.response.extract import Answer
from perfrun.engine.response.read_plan import ReadMode
from perfrun.measure.record import Outcome, Timing

_SAFE = frozenset({b"GET", b"HEAD", b"OPTIONS", b"TRACE"})


class Iteration:
    """One run through a scenario. Every path ends in one call of :meth:`_end`.

    Response time of the first step counts from when the iteration was due; of later steps, from
    the first byte written (before there is one: from when the step was begun).
    """

    __slots__ = (
        "_at",
        "_carrier",
        "_connection",
        "_due",
        "_more",
        "_number",
        "_opening",
        "_pool",
        "_request",
        "_stays",
        "_step",
        "_steps",
        "_tally",
        "_user",
        "_whole",
        "_written",
        "begun",
        "values",
    )

    _step: CompiledStep
    _request: Any
    """In the form that its protocol sends."""

    def __init__(self, carrier: HttpCarrier) -> None:
        self._carrier = carrier
        self._connection: Link | None = None
        self._more: FurtherAttempts | None = None
        self._opening: asyncio.Task[None] | asyncio.Handle | None = None
        self._pool = carrier.home
        self.begun = 0
        """When the request in flight was begun, monotonic ns; 0: none."""
        self.values: dict[str, str] = {}
        """Values that the steps have extracted so far."""
        carrier.all.append(self)

    def start(
        self, course: Course[CompiledStep], number: int, due: int, user: VirtualUser, now: int
    ) -> None:
        """Start; only if it is new, or was returned to ``carrier.spare``."""
        self._take(course)
        self._number = number
        self._due = due
        self._user = user
        self._at = 0
        if self.values:
            self.values = {}
        self.send_step(now)

    def _take(self, course: Course[CompiledStep]) -> None:
        self._steps, self._whole, self._stays = course

    def send_step(self, now: int) -> None:
        """Begin the next step."""
        self._begin(now, None)

    def _begin(self, now: int, connection: Link | None) -> None:
        """Begin a step, over the connection that it holds or over any free one."""
        self._step, self._tally = step, tally = self._steps[self._at]
        tally.sent += 1
        self.begun = now
        self._written = 0
        self._more = None
        request = step.raw
        if request is None:
            try:
                request = step.render(self._number, self.values)
            # an exception that a tenant's data causes ends only this iteration
            except Exception as error:
                self._connection = connection
                self._spoil(error)
                return
        self._request = request
        if connection is None:
            self._attempt(self._carrier.home, now)
        else:
            self._write(connection)

    def _attempt(self, pool: Pool, now: int) -> None:
        self._pool = pool
        connection = self._carrier.take(pool, self._user, now)
        if connection is None:
            self._opening = self._carrier.connect(self, pool)
        else:
            self._write(connection)

    def _write(self, connection: Link) -> None:
        self._connection = connection
        request = self._request
        if self._carrier.prepares:
            try:
                request = self._prepared(request)
            except Exception as error:
                self._spoil(error)
                return
        self._written = monotonic_ns()
        self._tally.attempts += 1
        connection.send(self, request, self._step.read_plan)

    def _spoil(self, error: Exception) -> None:
        """Fail before the attempt is written: its data cannot be sent."""
        # Not at once: the user may start over and find nothing again, endlessly.
        self._opening = self._carrier.soon(self._spoilt, spoilt_by(error))

    def _spoilt(self, message: str) -> None:
        self._opening = None
        self._fail(ErrorClass.DATA, message)

    # --- what happens to it -------------------------------------------------------------------

    def connected(self, opened: Opened) -> None:
        """A connection was opened for this iteration."""
        self._opening = None
        connection, tally = opened.connection, self._tally
        if opened.connect:  # not if HTTP/2 had room on a connection
            tally.sample(Timing.DNS, Outcome.SUCCESS, opened.dns)
            tally.sample(Timing.CONNECT, Outcome.SUCCESS, opened.connect)
        if opened.tls:
            tally.sample(Timing.TLS, Outcome.SUCCESS, opened.tls)
        if connection.transport.is_closing():
            self._fail(ErrorClass.RESET)
        else:
            self._write(connection)

    def not_connected(self, error: ErrorClass) -> None:
        """No connection could be opened for this iteration."""
        self._opening = None
        self._fail(error)

    def responded(self, connection: Link, now: int) -> None:  # noqa: C901 - the hot path
        """The response to the last attempt is complete."""
        tally, step, carrier = self._tally, self._step, self._carrier
        tally.bytes_received += connection.received
        held: Link | None = connection
        if not connection.keep_alive or connection.home is not carrier.held:
            self._give_back(now)
            held = None
        status = connection.status
        if status == tally.usual or self._is_fine(status):
            if step.checks:
                tally.checks_passed += step.checks
        else:
            tally.status_codes[status] += 1
            if held is not None:
                self._give_back(now)
                held = None
            if not self._passes(connection, now):
                return
            tally.counted += 1
        took = now - self._written
        if connection.first_byte == now:
            tally.add_quick(took)
        else:
            tally.add_service(took)
            tally.add_ttfb(connection.first_byte - self._written)
            tally.add_body(now - connection.first_byte)
        tally.add_latency(self._age(now) if self._more or not self._at else took)
        self._at += 1
        if self._at < len(self._steps):
            self._go_on(held, now)
            return
        if self._at > 1:  # the journey of a single step is its latency
            self._whole.journeys[Outcome.SUCCESS].values.append(now - self._due)
        # The hot path of a closed load: the user starts over on the same connection.
        number = carrier.ended(self._user, step.think_time, now)
        if number < 0:
            if held is not None:
                self._give_back(now)
            carrier.retire(self)
            return
        if not self._stays:
            self._take(carrier.course(number, now))
        self._number = number
        self._due = now
        self._at = 0
        if self.values:
            self.values = {}
        self._begin(now, held)

    def _is_fine(self, status: int) -> bool:
        """Whether the status alone makes the response a success, which is then noted."""
        if self._carrier.cookies or status not in self._step.fine:
            return False
        self._tally.note_fine(status)
        return True

    def broken(self, error: ErrorClass, message: str = "") -> None:
        """The last attempt will have no response."""
        if message == NO_ANSWER:
            message = unanswered(self._pool.origin.scheme)
        self._count_bytes()
        self._connection = None
        self._fail(error, message)

    def unanswered(self, error: ErrorClass) -> None:
        """A connection that has answered before was lost before the first byte of a response.

        A server may close an idle connection while a request is on its way. A request that changes
        nothing is sent again, over a new connection (RFC 9110, 9.2.2), as another attempt.
        """
        method, _, _ = self._carrier.version.plain(self._request).partition(b" ")
        if method not in _SAFE:
            self.broken(error)
            return
        self._further(self._written)
        self._connection = None
        self._opening = self._carrier.connect(self, self._pool)

    def refused(self) -> None:
        """The server never processed the last attempt: it does not count."""
        now = monotonic_ns()
        more = self._further(now)
        more.refusals += 1
        if more.refusals > MAX_REFUSALS:
            self.broken(ErrorClass.RESET)
            return
        self._tally.attempts -= 1
        self._connection = None
        self._attempt(self._pool, now)

    def timed_out(self) -> None:
        """The request has timed out."""
        self._outlasted(Outcome.TIMEOUT, monotonic_ns())
        self._give_up()
        self._fail(ErrorClass.TIMEOUT)

    def censor(self) -> None:
        """The run is over; how this iteration would have ended is unknown."""
        now = monotonic_ns()
        if self.begun:
            self._outlasted(Outcome.CENSORED, now)
            self._give_up()
            self._tally.censored += 1
            self._tally.sample(Timing.LATENCY, Outcome.CENSORED, self._age(now))
        self._whole.censored += 1
        self._whole.journeys[Outcome.CENSORED].values.append(now - self._due)
        self._end(0, now)

    # --- what a response means ----------------------------------------------------------------

    def _passes(self, connection: Link, now: int) -> bool:
        """Whether the step succeeded; if not, the iteration has been redirected, retried or
        ended."""
        try:
            if self._carrier.cookies:
                self._keep_cookies(connection)
            there = self._redirected(connection)
            error, message = (None, "") if there is not None else self._judged(connection)
        except ResponseError as unusable:
            there, error, message = None, unusable.reason, unusable.message
        except Exception as defect:  # whatever the target sent ends this request only
            there, error, message = None, ErrorClass.DATA, spoilt_by(defect)
        if there is not None:
            self._attempt(there, now)
            return False
        if error is not None:
            if self._tally.lacks_example(connection.status):
                if hint := connection.hint():
                    message = f"{message}; {hint}"
                request = shown(self._carrier.version.plain(self._request), self.values)
                self._tally.note_example(connection.status, f"{request}: {message or error}")
            self._fail(error, message)
        elif self._step.trace is not None:
            self._tally.note_slow(self._age(now), self._step.trace(self._number))
        return error is None

    def _keep_cookies(self, connection: Link) -> None:
        path = path_of(self._carrier.version.plain(self._request))
        cookies = HttpUser.of(self._user).cookies
        cookies.set(self._pool.origin, path, connection.headers(b"set-cookie"))

    def _judged(self, connection: Link) -> tuple[ErrorClass | None, str]:
        """What is wrong with a final response, as a class and in words. Extracts values."""
        step = self._step
        body = b""
        if step.read_plan.mode is ReadMode.BODY:
            body = b"".join(connection.body)
            if self._carrier.compression:
                body = unpacked(body, connection, step.read_plan.size_limit)
        answer = Answer(body)
        judged = step.expectation.judge(connection.status, answer, self.values)
        self._tally.checks_passed += judged.passed
        self._tally.checks_failed += judged.failed
        if judged.error is None and (missing := step.extract(connection, answer, self.values)):
            return ErrorClass.DATA, missing
        return judged.error, judged.message

    def _redirected(self, connection: Link) -> Pool | None:
        """The destination of a redirect, if the response is one; the next request is then prepared.

        Raises ResponseError.
        """
        carrier, version = self._carrier, self._carrier.version
        status, step = connection.status, self._step
        if status not in STATUSES or not carrier.redirects or step.expectation.wants(status):
            return None
        if (location := connection.header(b"location")) is None:
            return None
        plain = version.plain(self._request)
        there = follow(
            status,
            location,
            plain,
            self._pool.origin,
            step.secret_names,
            secret_body=step.secret_body,
        )
        more = self._further(self._written)
        # probably a loop: this is not the answer that anybody wanted
        if more.hops == carrier.redirects:
            raise ResponseError(ErrorClass.PROTOCOL, f"more than {carrier.redirects} redirects")
        more.hops += 1
        self._request = version.encoder(there.origin.scheme)(there.request)
        return carrier.pool(there.origin)

    # --- what comes after it: the next step, another attempt, or the end ----------------------

    def _go_on(self, held: Link | None, now: int) -> None:
        """Continue with the next step: at once, or after the pause of the last one."""
        if not (pause := self._step.think_time):
            self._begin(now, held)
            return
        if held is not None:
            self._give_back(now)
        self._carrier.think(self, pause)

    def _fail(self, error: ErrorClass, message: str = "") -> None:
        now = monotonic_ns()
        tally, whole = self._tally, self._whole
        if self._connection is not None:
            self._give_back(now)
        if error in self._carrier.again_after and self._tries_again(now):
            return
        tally.fail(error, message)
        latency, outcome = self._age(now), Outcome.FAILURE
        if error is ErrorClass.TIMEOUT:
            latency, outcome = max(latency, self._carrier.timeout), Outcome.TIMEOUT
        elif self._written:
            tally.sample(Timing.SERVICE, outcome, now - self._written)
        tally.sample(Timing.LATENCY, outcome, latency)
        if self._step.trace is not None:
            tally.note_slow(latency, self._step.trace(self._number))
        whole.failed += 1
        whole.journeys[outcome].values.append(now - self._due)
        self._end(self._step.think_time, now)

    def _tries_again(self, now: int) -> bool:
        more = self._further(now)
        if more.retries == self._carrier.retries:
            return False
        more.retries += 1
        self._attempt(self._pool, now)
        return True

    def _further(self, now: int) -> FurtherAttempts:
        if self._more is None:
            self._more = FurtherAttempts(self._written or now)
        return self._more

    def _prepared(self, request: Any) -> Any:
        carrier = self._carrier
        if carrier.notes_sends and not self._at and self._more is None:
            carrier.note_send(monotonic_ns())
        if not carrier.cookies:
            return request
        plain = carrier.version.plain(request)
        value = HttpUser.of(self._user).cookies.header(self._pool.origin, path_of(plain))
        encode = carrier.version.encoder(self._pool.origin.scheme)
        return encode(with_cookies(plain, value)) if value else request

    def _end(self, pause: int, now: int) -> None:
        """End the iteration. This must be the last action, because it may be started again in
        it."""
        carrier, user = self._carrier, self._user
        self.begun = 0
        number = carrier.ended(user, pause, now)
        if number < 0:
            carrier.retire(self)
        else:
            self.start(carrier.course(number, now), number, now, user, now)

    # --- the connection and the time of the request in flight -----------------------------------

    def _outlasted(self, outcome: Outcome, now: int) -> None:
        """Record lower bounds for a request whose end was not seen."""
        connection = self._connection
        if connection is None:
            return
        age = now - self._written
        self._tally.sample(Timing.SERVICE, outcome, age)
        if not connection.first_byte:
            self._tally.sample(Timing.TTFB, outcome, age)

    def _age(self, now: int) -> int:
        """How long the request has taken so far: of later steps, from its first byte written."""
        if not self._at:
            return now - self._due
        if self._more is not None:
            return now - self._more.since
        return now - (self._written or self.begun)

    def _give_back(self, now: int) -> None:
        """The response is complete: release the connection, if it can be used again."""
        connection = self._connection
        assert connection is not None
        self._connection = None
        if connection.keep_alive:
            self._carrier.give(self._pool, self._user, connection, now)
        else:
            connection.close()

    def _count_bytes(self) -> None:
        """Count the bytes of a response that did not arrive completely."""
        connection = self._connection
        assert connection is not None
        # before that, the counted bytes are those of the previous response
        if connection.first_byte:
            self._tally.bytes_received += connection.received

    def _give_up(self) -> None:
        if self._connection is not None:
            self._count_bytes()
            self._connection.abandon()
            self._connection = None
        if self._opening is not None:
            self._opening.cancel()
            self._opening = None
