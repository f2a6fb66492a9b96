"""The progress of a run, second by second: the series of the report, and the interval messages."""

import asyncio
from collections.abc import Callable
from time import monotonic_ns
from typing import Protocol

from perfrun.api.quantities import NS_PER_S
from perfrun.engine.record.recorder import Totals
from perfrun.measure.histogram import Histogram
from perfrun.measure.report import Interval
from perfrun.measure.series import Second, Series
from perfrun.measure.sketch import Sketch

OnInterval = Callable[[Interval], None]


class Counted(Protocol):
    """Whose progress it is."""

    def totals(self) -> Totals:
        """The current counts."""

    def take_recent(self) -> Histogram:
        """The latencies of requests that succeeded since the last call."""

    def take_worst_lag(self) -> int:
        """The worst lag (ns) of an iteration that was started since the last call."""


class Intervals:
    """Reads the counts each second after T0, at no cost to the hot path."""

    def __init__(self, recorder: Counted, start: int, in_flight: Callable[[], int]) -> None:
        self.series = Series()
        self._recorder, self._start, self._in_flight = recorder, start, in_flight
        self._known: Totals = recorder.totals()
        self._next = 0
        self._sequence = 0
        self._on_interval: OnInterval | None = None
        self._timer: asyncio.TimerHandle | None = None

    def begin(self, on_interval: OnInterval | None) -> None:
        """Start reading, and report each second that passed."""
        self._on_interval = on_interval
        self._next = max(0, monotonic_ns() - self._start) // NS_PER_S + 1
        self._set_timer()

    def end(self) -> None:
        """Add the counts of the last, incomplete second."""
        if self._timer is not None:
            self._timer.cancel()
        second = max(0, monotonic_ns() - self._start) // NS_PER_S
        self._take(second, self._recorder.totals(), self._recorder.take_recent())

    def _set_timer(self) -> None:
        wait = self._start + self._next * NS_PER_S - monotonic_ns()
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(max(0, wait) / NS_PER_S, self._second)

    def _second(self) -> None:
        elapsed = monotonic_ns() - self._start
        # Timers of the loop may fire slightly early.
        second = max(self._next, elapsed // NS_PER_S)
        totals, latency = self._recorder.totals(), self._recorder.take_recent()
        self._take(second - 1, totals, latency)
        self._next = second + 1
        self._set_timer()
        if self._on_interval is not None:
            self._sequence += 1
            self._on_interval(self._interval(elapsed, totals, latency))

    def _take(self, second: int, totals: Totals, latency: Histogram) -> None:
        """Add new counts to ``second`` (from 0); missed seconds stay empty."""
        known, self._known = self._known, totals
        errors = {name: count - known.errors.get(name, 0) for name, count in totals.errors.items()}
        self.series.put(
            second,
            Second(
                planned=totals.planned - known.planned,
                started=totals.started - known.started,
                succeeded=totals.succeeded - known.succeeded,
                failed=totals.failed - known.failed,
                errors=errors,
                in_flight=self._in_flight(),
                lag=self._recorder.take_worst_lag(),
                latency=Sketch.of(latency),
            ),
        )

    def _interval(self, elapsed: int, totals: Totals, latency: Histogram) -> Interval:
        return Interval(
            sequence=self._sequence,
            elapsed=elapsed,
            in_flight=self._in_flight(),
            planned=totals.planned,
            started=totals.started,
            dropped=totals.dropped,
            sent=totals.sent,
            succeeded=totals.succeeded,
            failed=totals.failed,
            errors=totals.errors,
            latency=latency,
        )
