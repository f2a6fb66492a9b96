"""Only the very process that was recorded is ever signalled."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.cluster import leftovers
from tests.cluster.errors import ClusterError
from tests.cluster.processes import MARK, Processes, alive, parse_stat, signal_record

SLEEP = [sys.executable, "-c", "import time; print('up', flush=True); time.sleep(60)"]


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    """Processes of a folder that are ended whatever happens."""
    made = Processes(tmp_path)
    yield made
    made.stop_all(seconds=1)


def test_stat_of_a_name_with_spaces_and_parentheses() -> None:
    fields = " ".join(["S", *map(str, range(4, 22)), "4242", "9"])
    assert parse_stat(f"17 (a) b (c) {fields}") == ("S", 4242)


def test_start_records_and_stop_ends(processes: Processes) -> None:
    record = processes.start("sleeper", SLEEP, "print")
    assert processes.record("sleeper") == record
    assert alive(record)
    processes.stop("sleeper")
    assert not alive(record)
    assert processes.record("sleeper") is None


def test_recycled_pid_is_left_alone(processes: Processes) -> None:
    record = processes.start("sleeper", SLEEP)
    for other in (replace(record, started=record.started - 1), replace(record, boot="earlier")):
        assert not alive(other)
        signal_record(other, signal.SIGKILL)
    assert alive(record)


def test_one_that_ignores_the_request_is_killed(processes: Processes) -> None:
    code = "import signal, time; signal.signal(15, signal.SIG_IGN); print(1, flush=True)"
    record = processes.start("stubborn", [sys.executable, "-c", f"{code}; time.sleep(60)"])
    log = processes.log("stubborn")
    processes.wait(record, lambda: log.read_text() != "", 10)
    processes.stop("stubborn", seconds=0.2)
    assert not alive(record)


def test_error_shows_the_log_of_one_that_ends(processes: Processes) -> None:
    record = processes.start("broken", [sys.executable, "-c", "raise SystemExit('no such flag')"])
    with pytest.raises(ClusterError, match=r"broken ended at once(.|\n)*no such flag"):
        processes.wait(record, lambda: False, 10)


def test_unrecorded_child_is_found_by_its_mark(processes: Processes, tmp_path: Path) -> None:
    # The parent waits, so that the child is there when the mark is looked for.
    code = f"import subprocess; subprocess.Popen({SLEEP!r}, start_new_session=True).wait()"
    parent = processes.start("parent", [sys.executable, "-c", code])
    log = processes.log("parent")
    processes.wait(parent, lambda: "up" in log.read_text(), 10)
    with subprocess.Popen(SLEEP, stdout=subprocess.DEVNULL) as other:
        assert len(leftovers.marked(MARK, tmp_path)) == 2
        leftovers.stop_marked(tmp_path)
        assert leftovers.marked(MARK, tmp_path) == set()
        assert other.poll() is None
        other.kill()
