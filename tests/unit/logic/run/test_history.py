"""What is kept of finished runs: never more than the limit, and the oldest goes first."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from perfrun.api.run.perfrun import Verdict
from perfrun.api.test.perftest import HistoryLimits
from perfrun.logic.run.history import RESULTS_KEPT, HistoryEntry, expired, stale_results

NOW = datetime(2026, 11, 22, 2, 0, tzinfo=UTC)


def run(
    name: str, age: int, verdict: Verdict | None = Verdict.PASS, *, result: bool = True
) -> HistoryEntry:
    return HistoryEntry(name, verdict, NOW - timedelta(minutes=age), result)


def test_passed_and_others_have_limits_of_their_own() -> None:
    runs = [
        run("old-pass", 50),
        run("new-pass", 10),
        run("old-fail", 60, Verdict.FAIL),
        run("new-error", 5, Verdict.ERROR),
    ]
    assert expired(runs, HistoryLimits(passed=1, other=2)) == ["old-pass"]
    assert expired(runs, HistoryLimits(passed=2, other=1)) == ["old-fail"]
    assert expired(runs, HistoryLimits(passed=1, other=1)) == ["old-fail", "old-pass"]
    assert expired(runs, HistoryLimits(passed=2, other=2)) == []


def test_limit_of_0_keeps_none() -> None:
    assert expired([run("one", 1)], HistoryLimits(passed=0, other=0)) == ["one"]


def test_run_without_a_verdict_is_no_pass() -> None:
    assert expired([run("odd", 1, None)], HistoryLimits(passed=0, other=1)) == []


def test_runs_of_the_same_second_go_by_name() -> None:
    assert expired([run("b", 1), run("a", 1)], HistoryLimits(passed=1)) == ["a"]


def test_only_the_last_results_are_kept_and_runs_without_one_do_not_count() -> None:
    runs = [run(f"r{age}", age, result=age % 2 == 0) for age in range(20)]
    assert stale_results(runs) == ["r18", "r16", "r14", "r12", "r10"]
    assert RESULTS_KEPT == 5


runs = st.lists(
    st.builds(
        run,
        st.text("abcdefgh", min_size=1, max_size=4),
        st.integers(0, 9),
        st.sampled_from(Verdict),
        result=st.booleans(),
    ),
    max_size=12,
    unique_by=lambda one: one.name,
)
limits = st.builds(HistoryLimits, passed=st.integers(0, 4), other=st.integers(0, 4))


@given(runs, limits)
def test_what_stays_is_within_the_limits_and_younger_than_what_goes(
    some: list[HistoryEntry], limit: HistoryLimits
) -> None:
    gone = set(expired(some, limit))
    for passed, most in ((True, limit.passed), (False, limit.other)):
        group = [one for one in some if (one.verdict is Verdict.PASS) == passed]
        stays = [one for one in group if one.name not in gone]
        goes = [one for one in group if one.name in gone]
        assert len(stays) == min(len(group), most)
        assert all(a.completed <= b.completed for a in goes for b in stays)


@given(runs, limits, st.randoms(use_true_random=False))
def test_trimming_again_or_in_another_order_changes_nothing(
    some: list[HistoryEntry], limit: HistoryLimits, random: object
) -> None:
    gone = expired(some, limit)
    assert expired([one for one in some if one.name not in gone], limit) == []
    shuffled = list(some)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert expired(shuffled, limit) == gone
