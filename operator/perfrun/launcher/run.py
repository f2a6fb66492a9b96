"""Run one command when a worker says so, and tell what came of it: ``run.py FOLDER``.

Both have the folder in common. The worker writes ``start`` (what to run) and ``stop``; this program
writes ``done``, each in one go. Each of them holds a lock as long as it lives (``worker`` and
``launcher``), so that the other one sees its end, whatever that was. Nothing of the command is left
when this program ends.
"""

from __future__ import annotations

import fcntl
import json
import os
import select
import signal
import sys
import time
from contextlib import suppress

TYPE_CHECKING = False
if TYPE_CHECKING:  # typing takes long to load
    import resource
    from collections.abc import Callable

MOST_TAIL = 4096
"""Bytes of the last output that are told."""
TERM_SECONDS = 5.0
"""What a command that is stopped gets to end by itself."""
WAIT_SECONDS = 0.05
_PDEATHSIG, _SUBREAPER = 1, 36
_READ = 65536


def main(folder: str) -> None:
    """Wait for the start, run the command, tell its end. Whoever is to start it may be gone."""
    for number in (signal.SIGTERM, signal.SIGINT):
        # The worker is told too, and decides; what ends it ends this program.
        signal.signal(number, lambda *_: None)
    own = os.open(f"{folder}/launcher", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.flock(own, fcntl.LOCK_EX)
    while not os.path.exists(f"{folder}/start"):
        if is_to_stop(folder) or worker_is_gone(folder):
            return
        time.sleep(WAIT_SECONDS)
    with open(f"{folder}/start", encoding="utf-8") as file:
        order = json.load(file)
    told = json.dumps(Command(folder, order["argv"], order["env"], order["hidden"]).run())
    with open(f"{folder}/done.new", "w", encoding="utf-8") as file:
        file.write(told)
    os.rename(f"{folder}/done.new", f"{folder}/done")


def is_to_stop(folder: str) -> bool:
    """Whether the worker wants no more of it."""
    return os.path.lexists(f"{folder}/stop")


def worker_is_gone(folder: str) -> bool:
    """Whether there was a worker, and is none any more."""
    try:
        found = os.open(f"{folder}/worker", os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(found, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    finally:
        os.close(found)
    return True


class Command:
    """The one time that the command is run."""

    def __init__(
        self, folder: str, argv: list[str], env: dict[str, str], hidden: list[str]
    ) -> None:
        """``env`` is added to ours; ``hidden`` are the names of variables that are secret."""
        self.folder, self.argv = folder, argv
        self.env = {**os.environ, **env}
        self.hidden = [self.env.get(name, "").strip() for name in hidden]
        self.tail = b""
        self.stopped = False
        self.kill_at: float | None = None

    def run(self) -> dict[str, str | int | bool | None]:
        """How it ended, and the most memory that it had."""
        output, failure, pid = self.start()
        while True:
            self.copy(output, WAIT_SECONDS)
            if (ended := self.look(pid)) is not None:
                break
        self.signal(pid, signal.SIGKILL)  # what it has left running
        self.sweep()
        while self.copy(output, 0):
            pass
        status, usage = ended
        code = os.waitstatus_to_exitcode(status)
        with os.fdopen(failure, "rb") as file:
            missing = file.read(MOST_TAIL).decode("utf-8", "replace")
        return {
            "missing": missing or None,
            "code": code if code >= 0 else None,
            "signal": signal.Signals(-code).name if code < 0 else None,
            "stopped": self.stopped,
            # Of the process, or of the largest one that it has waited for (wait4).
            "peak": usage.ru_maxrss * 1024,
            "tail": self.told(),
        }

    def start(self) -> tuple[int, int, int]:
        """Start it in a session of its own: its output, why it could not be started, its id."""
        out, into = os.pipe()
        failure, failed = os.pipe()
        control = bind_to_us() if os.getpid() != 1 else None
        pid = os.fork()
        if pid == 0:
            try:
                os.setsid()
                if control is not None:
                    control(_PDEATHSIG, signal.SIGKILL)
                for number in (signal.SIGTERM, signal.SIGINT, signal.SIGPIPE):
                    signal.signal(number, signal.SIG_DFL)
                nothing = os.open(os.devnull, os.O_RDONLY)
                for source, target in ((nothing, 0), (into, 1), (into, 2)):
                    os.dup2(source, target)
                os.execvpe(self.argv[0], self.argv, self.env)
            except BaseException as error:
                why = error.strerror if isinstance(error, OSError) else repr(error)
                os.write(failed, f"{self.argv[0]}: {why}".encode("utf-8", "replace"))
            finally:
                os._exit(127)
        os.close(into)
        os.close(failed)
        os.set_blocking(out, False)
        return out, failure, pid

    def copy(self, output: int, seconds: float) -> bool:
        """Hand on what it has said, and keep the end of it. Returns whether there may be more."""
        poll = select.poll()
        poll.register(output, select.POLLIN)
        if not poll.poll(seconds * 1000):
            return False
        try:
            said = os.read(output, _READ)
        except BlockingIOError:
            return False
        if not said:
            time.sleep(seconds / 10)  # it has closed its output, and may go on
            return False
        self.tail = (self.tail + said)[-MOST_TAIL:]
        with suppress(OSError):
            os.write(1, said)
        return True

    def look(self, pid: int) -> tuple[int, resource.struct_rusage] | None:
        """Whether it has ended; meanwhile, whether it is to."""
        ended, status, usage = os.wait4(pid, os.WNOHANG)
        if ended:
            return status, usage
        if worker_is_gone(self.folder):
            self.stopped = True
            self.signal(pid, signal.SIGKILL)
        elif self.kill_at is None and is_to_stop(self.folder):
            self.stopped = True
            self.kill_at = time.monotonic() + TERM_SECONDS
            self.signal(pid, signal.SIGTERM)
        elif self.kill_at is not None and time.monotonic() > self.kill_at:
            self.signal(pid, signal.SIGKILL)
        return None

    def signal(self, pid: int, number: signal.Signals) -> None:
        """To all of its session's first group, which it leads."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, number)

    def sweep(self) -> None:
        """End what has left the group: it has become our child when its parent ended."""
        with suppress(OSError):
            while left := children():
                for pid in left:
                    with suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
                    os.waitpid(pid, 0)

    def told(self) -> str:
        """The end of its output, without the values of the variables that are secret."""
        text = self.tail.decode("utf-8", "replace")
        for value in self.hidden:
            if value:
                text = text.replace(value, "***")
        return text


def children() -> list[int]:
    """The ids of our children."""
    with open(f"/proc/self/task/{os.getpid()}/children", encoding="ascii") as file:
        return [int(pid) for pid in file.read().split()]


def bind_to_us() -> Callable[..., int]:
    """Have what the command leaves behind become our child; returns the call that does so.

    The first process of a container needs none of that: with it everything else ends.
    """
    import ctypes

    control: Callable[..., int] = ctypes.CDLL(None).prctl
    control(_SUBREAPER, 1, 0, 0, 0)
    return control


if __name__ == "__main__":
    main(sys.argv[1])
