"""What proved nothing is done again: a table."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from perfrun.api.run.perfrun import Verdict
from perfrun.api.test.baseline import Baseline, TrendStatus
from perfrun.logic.plan.names import retry_run_name, short_hash
from perfrun.logic.schedule.retry import LastRun, confirmation, retry

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
FIRST = short_hash("uid-1")


def name(number: int) -> str:
    return retry_run_name("shop", FIRST, number)


def ended(**changes: Any) -> LastRun:
    usual: dict[str, Any] = {
        "name": "shop-r1",
        "uid": "uid-1",
        "reason": "Requested",
        "verdict": Verdict.INCONCLUSIVE,
        "completed": NOW - timedelta(seconds=5),
        "measured": True,
    }
    return LastRun(**{**usual, **changes})


AGAIN = {"reason": "Retry", "name": name(1), "uid": "uid-2"}

TABLE: list[tuple[str, dict[str, Any], int, str | None, str | None]] = [
    ("an inconclusive one is tried again", {}, 1, None, name(1)),
    ("not where nobody asked for it", {}, 0, None, None),
    ("a passed one is not", {"verdict": Verdict.PASS}, 3, None, None),
    ("a missed objective is an answer", {"verdict": Verdict.WARN}, 3, None, None),
    ("an error is told of, not repeated", {"verdict": Verdict.ERROR}, 3, None, None),
    ("one that was stopped stays stopped", {"measured": False}, 3, None, None),
    ("an old one is history", {"completed": NOW - timedelta(hours=2)}, 3, None, None),
    ("the second try counts from the first run", AGAIN, 2, name(1), name(2)),
    ("and not beyond the limit", AGAIN, 1, name(1), None),
    ("noted already, it does not rise again", {}, 1, name(1), None),
    ("a hand-made Retry is a first run", {"reason": "Retry"}, 1, None, name(1)),
]


@pytest.mark.parametrize(
    ("changes", "limit", "noted", "expected"),
    [row[1:] for row in TABLE],
    ids=[row[0] for row in TABLE],
)
def test_retry(
    changes: dict[str, Any], limit: int, noted: str | None, expected: str | None
) -> None:
    due = retry("shop", ended(**changes), limit, noted, NOW)
    assert (due.name if due else None) == expected
    assert due is None or due.reason == "Retry"


def test_retries_come_to_an_end() -> None:
    last, noted, names = ended(), None, []
    for number in range(10):
        due = retry("shop", last, 3, noted, NOW)
        if due is None:
            break
        noted = due.name
        names.append(due.name)
        last = ended(name=due.name, uid=f"uid-retry-{number}", reason="Retry")
    assert names == [name(1), name(2), name(3)]


def suspect(state: str = "Suspect", confirming: int | None = 3) -> TrendStatus:
    return TrendStatus(
        state=state, confirming=confirming, runs=["shop-1"], since="2026-11-24T11:00:00Z"
    )


def test_a_suspicion_is_checked_by_runs_with_names_of_their_own() -> None:
    first = confirmation("shop", suspect(), None, Baseline())
    assert first is not None
    assert first.startswith("shop-k")
    second = confirmation("shop", suspect(), first, Baseline())
    assert second == first.removesuffix("-1") + "-2"


def test_runs_that_prove_nothing_are_not_repeated_for_ever() -> None:
    name: str | None = None
    for _ in range(6):
        name = confirmation("shop", suspect(), name, Baseline())
        assert name is not None
    assert confirmation("shop", suspect(), name, Baseline()) is None


def test_the_next_suspicion_begins_anew() -> None:
    first = confirmation("shop", suspect(), None, Baseline())
    later = suspect().model_copy(update={"runs": ["shop-9"]})
    second = confirmation("shop", later, first, Baseline())
    assert second is not None
    assert second != first
    assert second.endswith("-1")


@pytest.mark.parametrize("trend", [suspect("Stable"), suspect(confirming=0), suspect("Regressed")])
def test_what_is_not_suspected_is_not_checked(trend: TrendStatus) -> None:
    assert confirmation("shop", trend, None, Baseline()) is None
