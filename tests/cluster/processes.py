"""Processes that outlive us: started, recorded by pid and start time, awaited and stopped.

A pid alone is not an identity: once its process ended, the kernel gives it to another one. The
record therefore holds the start time and the boot too, and nothing else is ever signalled.
"""

import contextlib
import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import FrameType

from tests.cluster.commands import tail_of
from tests.cluster.errors import ClusterError
from tests.cluster.paths import write

STOP_SECONDS = 10.0
# In the environment of all that is started here, and so of what that starts.
MARK = "PERFRUN_PROCESS_OF"
POLL_SECONDS = 0.05
GO = {"GOGC": "400", "GOMEMLIMIT": "1GiB"}
"""For programs in Go: they collect garbage less often, which is two fifths of what an API server
that has just started does; and as often as they need to where much is held."""


@dataclass(frozen=True)
class Record:
    """Who a started process is; ``fingerprint`` tells a changed command line or configuration."""

    name: str
    pid: int
    started: int
    boot: str
    fingerprint: str
    log: str


def boot_id() -> str:
    """The kernel's name for this boot: start times only compare within one."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def parse_stat(text: str) -> tuple[str, int]:
    """State letter and start time from /proc/PID/stat, whose second field may hold anything."""
    fields = text.rpartition(")")[2].split()
    return fields[0], int(fields[19])


def start_time(pid: int) -> int | None:
    """The start time of a live process in clock ticks since boot; None if ended or a zombie."""
    try:
        state, started = parse_stat(Path(f"/proc/{pid}/stat").read_text())
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if state in "ZX" else started


def alive(record: Record | None) -> bool:
    """Whether that very process still runs, and not another that got its pid."""
    if record is None or record.boot != boot_id():
        return False
    return start_time(record.pid) == record.started


def _reap(pid: int) -> None:
    # A child of ours that ended stays a zombie until somebody asks for its exit code.
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)


def signal_record(record: Record, number: int) -> None:
    """Signal that very process, and do nothing if it has ended."""
    if alive(record):
        with contextlib.suppress(ProcessLookupError):
            os.kill(record.pid, number)


@contextlib.contextmanager
def _uninterrupted() -> Iterator[None]:
    """Hold Ctrl-C and SIGTERM back: between a start and its record, nobody could clean up."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    held: list[int] = []

    def hold(number: int, _frame: FrameType | None) -> None:
        held.append(number)

    before = {int(n): signal.signal(n, hold) for n in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        for number in held:
            signal.raise_signal(number)


class Processes:
    """The recorded processes of one folder: ``run/`` has the records, ``logs/`` the logs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.records = folder / "run"
        self.logs = folder / "logs"

    def log(self, name: str) -> Path:
        """Where a process writes."""
        return self.logs / f"{name}.log"

    def record(self, name: str) -> Record | None:
        """What was recorded when a process of that name was started last."""
        try:
            return Record(**json.loads((self.records / f"{name}.json").read_text()))
        except (FileNotFoundError, ValueError, TypeError):
            return None

    def names(self) -> list[str]:
        """The names of all recorded processes, running or not."""
        return sorted(path.stem for path in self.records.glob("*.json"))

    def start(
        self,
        name: str,
        argv: Sequence[str | Path],
        fingerprint: str = "",
    ) -> Record:
        """Start a process in a session of its own and record it before anything can interrupt."""
        self.logs.mkdir(parents=True, exist_ok=True)
        log = self.log(name)
        if log.exists():
            log.replace(log.with_suffix(".log.1"))
        with log.open("wb") as out, _uninterrupted():
            try:
                process = subprocess.Popen(
                    [str(word) for word in argv],
                    stdin=subprocess.DEVNULL,
                    stdout=out,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                    env={**os.environ, **GO, MARK: str(self.folder)},
                    cwd=self.logs,
                )
            except OSError as error:
                raise ClusterError(f"cannot start {name} ({argv[0]}): {error}") from error
            started = start_time(process.pid)
            record = Record(name, process.pid, started or -1, boot_id(), fingerprint, str(log))
            write(self.records / f"{name}.json", json.dumps(asdict(record)))
            # It shall outlive us: Popen must not complain that nobody waits for it.
            process.returncode = 0
        return record

    def wait(self, record: Record, ready: Callable[[], bool], seconds: float) -> None:
        """Wait until ``ready``; if it ends first or takes too long, show the log's last lines."""
        deadline = time.monotonic() + seconds
        # Alive first: on a port that is taken, somebody else may answer for one that ended.
        while not (alive(record) and ready()):
            ended = not alive(record)
            if ended or time.monotonic() > deadline:
                why = "ended at once" if ended else f"is not ready after {seconds:.0f} s"
                raise ClusterError(
                    f"{record.name} {why}. From {record.log}:\n{tail_of(Path(record.log))}"
                )
            time.sleep(POLL_SECONDS)

    def stop(self, name: str, seconds: float = STOP_SECONDS) -> None:
        """Stop a recorded process: ask, wait, then kill; a recycled pid is left alone."""
        record = self.record(name)
        if record is not None:
            signal_record(record, signal.SIGTERM)
            deadline = time.monotonic() + seconds
            while alive(record):
                if time.monotonic() > deadline:
                    signal_record(record, signal.SIGKILL)
                _reap(record.pid)
                time.sleep(POLL_SECONDS)
            _reap(record.pid)
        (self.records / f"{name}.json").unlink(missing_ok=True)

    def stop_all(self, names: Sequence[str] | None = None, seconds: float = STOP_SECONDS) -> None:
        """Stop several, all asked at once and then awaited in the order given."""
        chosen = list(names) if names is not None else self.names()
        for name in chosen:
            if (record := self.record(name)) is not None:
                signal_record(record, signal.SIGTERM)
        for name in chosen:
            self.stop(name, seconds)
