"""What a worker decides while its coordinator is away."""

from typing import Any

from perfrun.api.test.load import Load
from perfrun.logic.plan.run_plan import SEARCH_AWAY
from perfrun.measure.histogram import Histogram
from perfrun.measure.plan import RunPlan
from perfrun.measure.report import Hold, Interval, Order
from perfrun.worker.fallback import AWAY_AFTER, BY_FALLBACK, Fallback
from tests.unit.engine.server import plan

S = 1_000_000_000
OPEN = {"open": {"rate": "10/s", "duration": "60s"}}
SEARCH = {"capacity": {"from": "1/s", "to": "9/s", "hold": "30s"}}


def planned(load: dict[str, Any]) -> RunPlan:
    condition = {"metric": "errorRate", "above": "50%", "for": "3s"}
    one = plan("http://127.0.0.1:1", OPEN)
    return one.model_copy(update={"load": Load.model_validate({**load, "stopWhen": [condition]})})


def failing(second: int) -> Interval:
    return Interval(
        sequence=second, elapsed=second * S, in_flight=0, planned=10 * second,
        started=10 * second, dropped=0, sent=10 * second, succeeded=0, failed=10 * second,
        errors={"Status5xx": 10 * second}, latency=Histogram(),
    )  # fmt: skip


def test_it_speaks_only_when_the_coordinator_is_away() -> None:
    fallback = Fallback(planned(OPEN), now=0)
    for second in range(1, 20):
        fallback.note_answer(Order(), second * S)
        assert fallback.judge(failing(second), second * S) is None
    said = [fallback.judge(failing(second), second * S) for second in range(20, 27)]
    order = said[AWAY_AFTER // S]
    assert said[: AWAY_AFTER // S] == [None] * (AWAY_AFTER // S)
    assert order is not None
    assert order.breached
    assert order.stop == f"after 25s: errorRate was 100% for 25s, above 50% ({BY_FALLBACK})"


def test_in_a_search_it_cuts_the_hold() -> None:
    fallback = Fallback(planned(SEARCH), now=0)
    hold = Hold(number=4, rate=8, start=2 * S, length=30 * S)
    fallback.note_answer(Order(hold=hold), S)
    said = [fallback.judge(failing(second), second * S) for second in range(1, 12)]
    orders = [order for order in said if order is not None]
    assert orders[0].hold == hold
    assert "errorRate was 100%" in (orders[0].cut or "")
    assert all(order.stop is None for order in orders)


def test_a_search_is_given_up_after_a_while_and_another_load_never() -> None:
    for load, why in ((OPEN, None), (SEARCH, "the coordinator could not be reached for 121s")):
        fallback = Fallback(planned(load), now=0)
        assert fallback.gave_up(SEARCH_AWAY) is None
        assert fallback.gave_up(SEARCH_AWAY + S) == why
