"""The line that a run under way shows."""

from datetime import UTC, datetime

import pytest

from perfrun.api.run.perfrun import Phase
from perfrun.controller.run.progress import progress_line
from perfrun.coordinator.live import Live, WorkerLive
from perfrun.coordinator.search import SearchView
from perfrun.logic.plan.capacity import Bracket
from perfrun.logic.run.facts import JobState, RunFacts

S = 1_000_000_000
MS = 1_000_000
NOW = datetime(2026, 11, 22, 2, 0, tzinfo=UTC)
FACTS = RunFacts(
    phase=Phase.RUNNING, now=NOW, accepted=NOW, start_timeout=S, planned=2, job=JobState.ACTIVE,
    launched=True,
)  # fmt: skip
ONE, TWO = WorkerLive(0, 1, 0), WorkerLive(1, 1, 0)


@pytest.mark.parametrize(
    ("live", "line"),
    [
        (Live(), "the load is running; no interval has arrived yet"),
        (Live(elapsed=12 * S, rate=998.4, recent={"p50": 10 * MS, "p95": 31 * MS},
              workers=(ONE, TWO)),
         "12s, 998 requests/s, p95 31ms, 0 failed"),
        (Live(elapsed=12 * S + 1, rate=0.0, failed=7, workers=(ONE, TWO)),
         "12s, 0 requests/s, 7 failed"),
        (Live(elapsed=S, rate=10.0, dropped=3, workers=(ONE,)),
         "1s, 10 requests/s, 0 failed, 3 dropped, 1 of 2 workers heard of"),
        (Live(elapsed=S, workers=(ONE, TWO), search=SearchView(0, 0.0, Bracket(0, None, False, False))),
         "1s, before the first hold, 0 requests/s, 0 failed"),
        (Live(elapsed=S, workers=(ONE, TWO), search=SearchView(3, 400.0, Bracket(200, None, False, False))),
         "1s, hold 3 at 400/s, at least 200/s, 0 requests/s, 0 failed"),
        (Live(elapsed=S, workers=(ONE, TWO), search=SearchView(4, 283.0, Bracket(200, 400, False, True))),
         "1s, hold 4 at 283/s, between 200/s and 400/s, 0 requests/s, 0 failed"),
    ],
)  # fmt: skip
def test_progress_line(live: Live, line: str) -> None:
    assert progress_line(live, FACTS) == line
