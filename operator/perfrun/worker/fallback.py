"""What a worker decides by itself while it cannot reach its coordinator."""

from perfrun.api.quantities import NS_PER_S, format_duration
from perfrun.logic.plan.run_plan import SEARCH_AWAY
from perfrun.logic.plan.stop import StopWatch
from perfrun.measure.plan import RunPlan
from perfrun.measure.report import Hold, Interval, Order

AWAY_AFTER = 5 * NS_PER_S
"""The coordinator counts as lost after this time without an answer."""
BY_FALLBACK = "judged by a single worker, because the coordinator could not be reached"


class Fallback:
    """Judges a worker's own intervals all the time, and acts only if the coordinator does not
    answer. ``now`` is monotonic ns.
    """

    def __init__(self, plan: RunPlan, now: int) -> None:
        self._watch = StopWatch(plan, workers=1)
        self._searching = plan.load.capacity is not None
        self._hold: Hold | None = None
        self._heard = now

    def note_answer(self, order: Order, now: int) -> None:
        """The coordinator has answered."""
        self._heard = now
        if order.hold is not None and order.hold != self._hold:
            self._hold = order.hold
            self._watch.watch_only(order.hold.start, order.hold.start + order.hold.length)

    def judge(self, interval: Interval, now: int) -> Order | None:
        """The coordinator's answer to this interval, if the coordinator is lost and the answer
        matters."""
        sentence = self._watch.take(0, interval, now)
        if sentence is None or now - self._heard <= AWAY_AFTER:
            return None
        reason = f"{sentence} ({BY_FALLBACK})"
        if self._searching:
            return Order(hold=self._hold, cut=reason)
        return Order(stop=reason, breached=True)

    def gave_up(self, now: int) -> str | None:
        """Why it is useless to wait for the next hold of a capacity search."""
        if not self._searching or now - self._heard <= SEARCH_AWAY:
            return None
        return f"the coordinator could not be reached for {format_duration(now - self._heard)}"
