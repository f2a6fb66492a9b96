"""What is told of worker processes. Real processes take their place."""

import asyncio
import signal
import sys
from pathlib import Path

import pytest

from perfrun.api.run.perfrun import Phase
from perfrun.local.workers import WorkerProcess
from perfrun.logic.run.losses import losses
from tests.unit.logic.facts import facts


async def ended(
    tmp_path: Path, program: str, number: signal.Signals | None = None
) -> WorkerProcess:
    """Worker 1, once it has ended; ``number``: by that signal."""
    log = tmp_path / "log"
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-S", "-c", program, stdout=output
        )
    worker = WorkerProcess(1, process, log)
    if number is not None:
        worker.end(at_once=number is signal.SIGKILL)
    await worker.wait()
    return worker


SLEEPING = "import time; time.sleep(60)"


@pytest.mark.parametrize(
    ("program", "number", "problem", "left_undone"),
    [
        pytest.param(SLEEPING, signal.SIGKILL, "it was ended by SIGKILL", True, id="killed"),
        pytest.param(SLEEPING, signal.SIGTERM, "it was ended by SIGTERM", False, id="as it begins"),
        pytest.param("print('one\\ntwo')", None, "two", False, id="its last line"),
        pytest.param(
            "raise SystemExit(1)", None, "it ended with code 1", False, id="without a word"
        ),
        pytest.param(
            "raise SystemExit(77)", None, "it ended with code 77", True, id="not by its own code"
        ),
    ],
)
async def test_how_a_worker_ended_is_told_and_whether_it_has_cleaned_up(
    tmp_path: Path, program: str, number: signal.Signals | None, problem: str, left_undone: bool
) -> None:
    known = (await ended(tmp_path, program, number)).facts(())
    assert known.dead
    assert (known.problem, known.left_undone) == (problem, left_undone)
    assert known.sentence == f"worker 1: {problem}"


async def test_a_worker_that_lives_has_no_problem(tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(sys.executable, "-S", "-c", SLEEPING)
    worker = WorkerProcess(1, process, tmp_path / "log")
    try:
        known = worker.facts(())
        assert (known.dead, known.problem, known.left_undone) == (False, None, False)
    finally:
        worker.end(at_once=True)
        await worker.wait()


@pytest.mark.parametrize(
    ("late", "said"),
    [
        (False, "it was stopped by a signal (its measurements before that are counted)"),
        (True, "it took too long and was stopped (its measurements before that are counted)"),
    ],
)
async def test_a_worker_that_was_ended_and_has_reported_is_a_loss(
    tmp_path: Path, late: bool, said: str
) -> None:
    worker = await ended(tmp_path, "print('delivered')")
    worker.late = late
    known = facts(Phase.RUNNING, workers=[worker.facts({1})], reported=frozenset({0, 1}))
    assert losses(known, {1}) == [f"worker 1: {said}"]
