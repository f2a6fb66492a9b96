"""The progress of a run, from the intervals that its workers post: advisory, never judged."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from perfrun.api.quantities import NS_PER_S, format_duration
from perfrun.api.test.metric import QUANTILES
from perfrun.coordinator.search import SearchView
from perfrun.logic.plan.stop import NOT_AWAITED_AFTER
from perfrun.logic.run.facts import RunFacts
from perfrun.measure.histogram import Histogram, supports
from perfrun.measure.record import add_errors
from perfrun.measure.report import Interval

_NO_LATENCIES = Histogram()


@dataclass(frozen=True, slots=True)
class WorkerLive:
    """The state of one worker; ``age`` is the time (ns) since its last interval."""

    index: int
    sequence: int
    age: int


@dataclass(frozen=True, slots=True)
class Live:
    """A snapshot over all workers. Counts are since T0, including the warm-up."""

    elapsed: int = 0
    """ns since T0 of the most advanced worker."""
    in_flight: int = 0
    planned: int = 0
    started: int = 0
    dropped: int = 0
    sent: int = 0
    succeeded: int = 0
    failed: int = 0
    rate: float = 0.0
    """Requests that ended in the last interval, per second."""
    errors: Mapping[str, int] = field(default_factory=dict)
    recent: Mapping[str, float] = field(default_factory=dict)
    """Percentiles (ns) of the requests that succeeded in the last one to two seconds, if there are
    enough of them.
    """
    workers: tuple[WorkerLive, ...] = ()
    """Workers that have posted an interval, by index."""
    search: SearchView | None = None
    """Progress of a capacity search."""


@dataclass(slots=True)
class _Track:
    """The last interval of one worker, when it arrived (ns), and the rate since the previous one.

    Latencies are not kept here: a thousand workers' histograms would be 190 MB.
    """

    last: Interval
    came: int
    rate: float


class _Recent:
    """The latencies of the current second and of the previous one."""

    def __init__(self) -> None:
        self._second = 0
        self._now = Histogram()
        self._before = Histogram()

    def add(self, latency: Histogram, now: int) -> None:
        self._turn(now)
        self._now.add(latency)

    def percentiles(self, now: int) -> Mapping[str, float]:
        self._turn(now)
        return percentiles(Histogram.merged((self._before, self._now)))

    def _turn(self, now: int) -> None:
        passed = now // NS_PER_S - self._second
        if passed:
            self._before = self._now if passed == 1 else Histogram()
            self._now = Histogram()
            self._second += passed


class LiveMerge:
    """Collects intervals and creates :class:`Live` snapshots."""

    def __init__(self) -> None:
        self._tracks: dict[int, _Track] = {}
        self._recent = _Recent()

    def take(self, index: int, interval: Interval, now: int) -> None:
        """Add one interval; a repeated one changes nothing."""
        before = self._tracks.get(index)
        if before is not None and interval.sequence <= before.last.sequence:
            before.came = now
            return
        rate = _rate(before.last if before else None, interval)
        counts = interval.model_copy(update={"latency": _NO_LATENCIES})
        self._tracks[index] = _Track(counts, now, rate)
        self._recent.add(interval.latency, now)

    def snapshot(self, now: int) -> Live:
        """A snapshot at ``now`` (ns, on the clock of :meth:`take`)."""
        every = [track.last for track in self._tracks.values()]
        present = [
            track for track in self._tracks.values() if now - track.came <= NOT_AWAITED_AFTER
        ]
        errors: dict[str, int] = {}
        for interval in every:
            add_errors(errors, interval.errors)
        return Live(
            elapsed=max((interval.elapsed for interval in every), default=0),
            in_flight=sum(track.last.in_flight for track in present),
            planned=sum(interval.planned for interval in every),
            started=sum(interval.started for interval in every),
            dropped=sum(interval.dropped for interval in every),
            sent=sum(interval.sent for interval in every),
            succeeded=sum(interval.succeeded for interval in every),
            failed=sum(interval.failed for interval in every),
            rate=sum(track.rate for track in present),
            errors=errors,
            recent=self._recent.percentiles(now),
            workers=tuple(
                WorkerLive(index, track.last.sequence, now - track.came)
                for index, track in sorted(self._tracks.items())
            ),
        )


def percentiles(histogram: Histogram) -> Mapping[str, float]:
    """The percentiles of a live view for which there are enough samples, in ns."""
    return {
        name: histogram.quantile(QUANTILES[name])
        for name in ("p50", "p95", "p99")
        if supports(histogram.count, QUANTILES[name])
    }


def _rate(before: Interval | None, interval: Interval) -> float:
    """Requests that ended per second between two intervals of one worker."""
    ended = interval.succeeded + interval.failed
    since = 0
    if before is not None:
        ended -= before.succeeded + before.failed
        since = before.elapsed
    took = interval.elapsed - since
    return max(ended, 0) * NS_PER_S / took if took > 0 else 0.0


def progress_line(live: Live, facts: RunFacts) -> str:
    """``12s, 998 requests/s, p95 31ms, 0 failed``, as far as it is known."""
    if not live.workers:
        return "the load is running; no interval has arrived yet"
    parts = [f"{live.elapsed // NS_PER_S}s", f"{live.rate:.0f} requests/s"]
    if live.search is not None:
        parts.insert(1, live.search.line())
    if (p95 := live.recent.get("p95")) is not None:
        parts.append(f"p95 {format_duration(p95)}")
    parts.append(f"{live.failed} failed")
    if live.dropped:
        parts.append(f"{live.dropped} dropped")
    if len(live.workers) < facts.planned:
        parts.append(f"{len(live.workers)} of {facts.planned} workers have sent an interval")
    return ", ".join(parts)
