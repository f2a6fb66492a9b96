"""When ``stopWhen`` ends a load: the outcomes of each second in, a sentence out.

A condition is true when its limit was exceeded in every second that had outcomes, over a span of at
least ``for``. Seconds without outcomes neither interrupt a span nor begin or end one.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from perfrun.api.quantities import NS_PER_S, format_duration
from perfrun.api.test.load import StopCondition
from perfrun.api.test.metric import ERROR_RATE, METRICS, QUANTILES, TIMEOUT_RATE, Notation
from perfrun.api.test.slo import format_measured
from perfrun.measure.histogram import Histogram
from perfrun.measure.plan import RunPlan
from perfrun.measure.report import Interval
from perfrun.measure.wire import TIMEOUT

NOT_AWAITED_AFTER = 5 * NS_PER_S
"""Live figures and stop conditions do not wait for a worker that has posted nothing for this long.
It is not lost: see docs/explanation/reliability.md."""
MAX_PENDING = 30
"""How many seconds are kept while a worker reports, but not about them: each takes a histogram."""

_NO_LATENCIES = Histogram()


@dataclass(slots=True)
class StopSecond:
    """What ended in one second of the load, in all workers or in one."""

    number: int
    """Counted from T0, starting at 0."""
    succeeded: int = 0
    failed: int = 0
    """Including timeouts."""
    timeouts: int = 0
    latency: Histogram = field(default_factory=Histogram)
    """Of successful requests."""

    @property
    def outcomes(self) -> int:
        """Requests that ended."""
        return self.succeeded + self.failed

    def add(self, other: "StopSecond") -> None:
        """Add the same second of another worker."""
        self.succeeded += other.succeeded
        self.failed += other.failed
        self.timeouts += other.timeouts
        self.latency.add(other.latency)


def second_of(before: Interval | None, interval: Interval) -> StopSecond:
    """What ended between two intervals of one worker, counted for the second that has passed.

    Without the interval before, nothing is known unless this is the worker's first: the interval
    may count the whole load so far.
    """
    number = max(interval.elapsed // NS_PER_S - 1, 0)
    if before is None and interval.sequence > 1:
        return StopSecond(number)
    known = before or interval.model_copy(update={"succeeded": 0, "failed": 0, "errors": {}})
    return StopSecond(
        number,
        succeeded=max(interval.succeeded - known.succeeded, 0),
        failed=max(interval.failed - known.failed, 0),
        timeouts=max(interval.errors.get(TIMEOUT, 0) - known.errors.get(TIMEOUT, 0), 0),
        latency=interval.latency,
    )


@dataclass(slots=True)
class _Span:
    """Since which second a condition's limit has been exceeded, and by at least how much."""

    since: int
    least: float


class StopJudge:
    """Looks at each second once, in order."""

    def __init__(self, conditions: Sequence[StopCondition], timeout: int) -> None:
        """``timeout`` (ns) is the minimum duration of a request that timed out."""
        self._conditions = conditions
        self._timeout = timeout
        self._spans: dict[int, _Span] = {}

    def take(self, second: StopSecond) -> str | None:
        """Why the load is to end, as in ``errorRate was at least 83.3% for 10s, above 50%``."""
        if not second.outcomes:
            return None
        for index, condition in enumerate(self._conditions):
            value = _value(condition.metric, second, self._timeout)
            if value is None:
                continue  # a second of fast failures has no latency
            if value <= condition.limit:
                self._spans.pop(index, None)
                continue
            span = self._spans.setdefault(index, _Span(second.number, value))
            span.least = min(span.least, value)
            lasted = (second.number + 1 - span.since) * NS_PER_S
            if lasted >= condition.for_:
                return _sentence(condition, span.least, lasted)
        return None

    def restart(self) -> None:
        """Forget the past seconds: another load begins."""
        self._spans.clear()


class StopWatch:
    """Merges the intervals of workers by second, and says when a condition is true.

    A second is judged when every worker has reported it, or a later one. A worker that has been
    silent for :data:`NOT_AWAITED_AFTER` is not waited for.
    """

    def __init__(self, plan: RunPlan, workers: int) -> None:
        self._conditions = plan.load.stop_when
        self._timeout = plan.target.timeout
        self._judge = StopJudge(plan.load.stop_when, self._timeout)
        self._workers = workers
        self._last: dict[int, Interval] = {}
        self._heard: dict[int, int] = {}
        self._began: int | None = None
        self._pending: dict[int, StopSecond] = {}
        self._next = 0
        """The first second that is not judged yet."""
        self._scanned = 0
        """Workers before this index have reported the next second to be judged."""
        self._only: tuple[int, int] | None = None

    def add(self, conditions: Sequence[StopCondition]) -> None:
        """Judge these conditions too; before the first interval."""
        self._conditions = [*self._conditions, *conditions]
        self._judge = StopJudge(self._conditions, self._timeout)

    def watch_only(self, start: int, end: int) -> None:
        """Judge only the whole seconds between two times (ns after T0)."""
        self._judge.restart()
        self._only = -(-start // NS_PER_S), end // NS_PER_S

    def take(self, index: int, interval: Interval, now: int) -> str | None:
        """Add one interval, at ``now`` (ns of any monotonic clock).

        Returns why the load should end, as in ``after 12s: errorRate was 100% for 10s, above 50%``.
        """
        before = self._last.get(index)
        if not self._conditions or (before and interval.sequence <= before.sequence):
            return None
        second = second_of(before, interval)
        # Without its latencies: a thousand workers' histograms would be 190 MB.
        self._last[index] = interval.model_copy(update={"latency": _NO_LATENCIES})
        self._heard[index] = now
        if self._began is None:
            self._began = now
        # A post that arrives too late changes nothing, because its second has been judged.
        if second.number >= self._next:
            known = self._pending.setdefault(second.number, StopSecond(second.number))
            known.add(second)
        return self._judge_complete(now)

    def _judge_complete(self, now: int) -> str | None:
        while self._pending:
            number = min(self._pending)
            if len(self._pending) <= MAX_PENDING and not self._is_complete(number, now):
                return None
            second = self._pending.pop(number)
            self._next, self._scanned = number + 1, 0
            if self._only is not None and not self._only[0] <= number < self._only[1]:
                continue
            if (sentence := self._judge.take(second)) is not None:
                return f"after {format_duration((number + 1) * NS_PER_S)}: {sentence}"
        return None

    def _is_complete(self, number: int, now: int) -> bool:
        assert self._began is not None
        while self._scanned < self._workers:
            index = self._scanned
            last = self._last.get(index)
            is_reported = last is not None and last.elapsed // NS_PER_S > number
            if not is_reported and now - self._heard.get(index, self._began) <= NOT_AWAITED_AFTER:
                return False
            self._scanned += 1
        return True


def _value(metric: str, second: StopSecond, timeout: int) -> float | None:
    """A second's figure, however few samples a percentile has."""
    if metric == ERROR_RATE:
        return second.failed / second.outcomes
    if metric == TIMEOUT_RATE:
        return second.timeouts / second.outcomes
    latency = second.latency
    if second.timeouts:
        latency = Histogram.merged([latency])
        latency.fold([timeout] * second.timeouts)
    if not latency.count:
        return None
    name = METRICS[metric].statistic
    if name in QUANTILES:
        return latency.quantile(QUANTILES[name])
    return {"avg": latency.mean, "min": latency.least, "max": latency.greatest}[name]


def _sentence(condition: StopCondition, least: float, lasted: int) -> str:
    shown = format_measured(condition.metric, least, [condition.limit])
    # A ratio cannot exceed 100%, so "at least 100%" would sound odd.
    whole = METRICS[condition.metric].kind is Notation.PERCENT and least >= 1.0
    return (
        f"{condition.metric} was {'' if whole else 'at least '}{shown} for "
        f"{format_duration(lasted)}, above {condition.above}"
    )
