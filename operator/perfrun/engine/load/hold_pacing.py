"""Who is released when in a capacity search: an open load for each hold."""

from typing_extensions import override

from perfrun.engine.load.pacers import IN_FLIGHT_PER_WORKER, OpenPacer, Pacer, Share, Starter
from perfrun.engine.load.virtual_user import VirtualUser
from perfrun.logic.plan.run_plan import hold_plan
from perfrun.logic.plan.shape import arrivals, share
from perfrun.measure.plan import RunPlan


class HoldPacer(Pacer):
    """Puts on one hold of a capacity search after the other, each as an open load of its own.

    The numbers of iterations go on from hold to hold. Uniform arrivals: N workers look like one.
    """

    def __init__(self, starter: Starter, plan: RunPlan, place: Share) -> None:
        self._starter, self._plan, self._place = starter, plan, place
        self._limit = share(IN_FLIGHT_PER_WORKER * place.workers, place.workers, place.worker)
        self._hold: OpenPacer | None = None

    @override
    def user_time(self) -> int:
        return 0

    @override
    def start(self) -> None:
        """Nothing is released before the first hold."""

    def begin(self, rate: float, start: int, length: int) -> None:
        """Take up a hold that starts ``start`` ns after T0; the one before must be over."""
        load, place = hold_plan(self._plan, rate, length).load, self._place
        begin = place.start + start
        due = arrivals(load, place.workers, place.worker, self._plan.seed)
        first = None if self._hold is None else self._hold.next_number
        self._hold = OpenPacer(
            self._starter,
            place._replace(start=begin),
            due,
            begin + length,
            self._limit,
            first,
        )
        self._hold.start()

    @override
    def stop(self) -> None:
        if self._hold is not None:
            self._hold.stop()

    @override
    def ended(self, user: VirtualUser, pause: int, now: int) -> int:
        assert self._hold is not None
        return self._hold.ended(user, pause, now)
