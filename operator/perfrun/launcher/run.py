"""Run one command when a worker asks for it, and report how it ended: ``run.py FOLDER``.

Both share the folder. The worker writes ``start`` (what to run) and ``stop``; this program writes
``done``, each in one step. Each of them holds a lock while it is alive (``worker`` and
``launcher``), so that the other notices its end, whatever the reason. Nothing of the command is
left when this program ends, unless it forks faster than it can be killed (``SWEEP_SECONDS``).
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
if TYPE_CHECKING:  # typing takes long to import
    import resource
    from collections.abc import Callable, Iterable
    from typing import Any

    from perfrun.launcher.hiding import Hider

MAX_TAIL = 4096
"""Bytes of the last output that are reported, and characters of it after secrets are hidden."""
MAX_SPELLINGS = 6
"""Bytes that one byte of a secret may become, as in ``\u00e9``."""
TERM_SECONDS = 5.0
"""Seconds that a stopped command has to end by itself."""
SWEEP_SECONDS = 2.0
"""For processes that the command left behind: one that keeps forking could occupy this program
forever.
"""
WAIT_SECONDS = 0.05
_PDEATHSIG, _SUBREAPER = 1, 36
_READ = 65536
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
"""The command may have put a link or a pipe in the place of a file that we write."""


def main(folder: str) -> None:
    """Wait for the start, run the command, report its end. The starter may be gone."""
    for number in (signal.SIGTERM, signal.SIGINT):
        # The worker gets the signal too, and decides; its end ends this program.
        signal.signal(number, lambda *_: None)
    own = os.open(f"{folder}/launcher", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.flock(own, fcntl.LOCK_EX)
    worker = WorkerLock(folder)
    while not os.path.exists(f"{folder}/start"):
        if is_to_stop(folder) or worker.is_gone():
            return
        time.sleep(WAIT_SECONDS)
    worker.is_known()  # from now on the command may have changed its file
    with open(f"{folder}/start", encoding="utf-8") as file:
        order = json.load(file)
    environment = order["env"], order["hidden"]
    for place, argv in enumerate(order.get("before", [])):
        output = f"{folder}/before-{place}"
        end = Command(folder, worker, argv, *environment, output=f"{output}.new").run()
        if end["code"] != 0 or end["stopped"]:
            break
        os.rename(f"{output}.new", output)
    else:
        end = Command(folder, worker, order["argv"], *environment).run()
    report_end(folder, json.dumps(end))


def report_end(folder: str, end: str) -> None:
    """Write ``done``. The command may have put a link or a pipe in the place where it is first
    written.
    """
    with suppress(FileNotFoundError):
        os.unlink(f"{folder}/done.new")
    with os.fdopen(os.open(f"{folder}/done.new", _NEW, 0o600), "w", encoding="utf-8") as file:
        file.write(end)
    os.rename(f"{folder}/done.new", f"{folder}/done")


def is_to_stop(folder: str) -> bool:
    """Whether the worker has requested a stop."""
    return os.path.lexists(f"{folder}/stop")


class WorkerLock:
    """The other side, recognised by the lock that it holds."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self.lock: int | None = None

    def is_known(self) -> bool:
        """Whether there is or was a worker. Its file is opened once, because the command may
        replace it.
        """
        if self.lock is None:
            with suppress(OSError):
                self.lock = os.open(f"{self.folder}/worker", os.O_RDWR | os.O_CLOEXEC)
        return self.lock is not None

    def is_gone(self) -> bool:
        """Whether the worker has gone."""
        if not self.is_known() or self.lock is None:
            return False
        try:
            fcntl.flock(self.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True


class Command:
    """The single run of the command."""

    def __init__(
        self,
        folder: str,
        worker: WorkerLock,
        argv: list[str],
        env: dict[str, str],
        hidden: list[str],
        output: str | None = None,
    ) -> None:
        """``env`` is added to the environment; ``hidden`` are the names of secret variables;
        ``output`` is a file for what it writes to its standard output.
        """
        self.file = output
        self.folder, self.worker, self.argv = folder, worker, argv
        self.env = {**os.environ, **env}
        self.hidden = [value for name in hidden if (value := self.env.get(name, ""))]
        # A secret that begins before the reported output, and reaches into it, has to be found as a
        # whole.
        longest = max((len(os.fsencode(value)) for value in self.hidden), default=0)
        self.kept = MAX_TAIL + MAX_SPELLINGS * longest
        self.tail = b""
        self.stopped = False
        self.kill_at: float | None = None

    def run(self) -> dict[str, str | int | bool | None]:
        """How it ended, and its maximum memory."""
        output, failure, pid = self.start()
        while True:
            self.copy(output, WAIT_SECONDS)
            if (ended := self.look(pid)) is not None:
                break
        self.signal(pid, signal.SIGKILL)  # processes that it left running
        self.sweep(output)
        status, usage = ended
        code = os.waitstatus_to_exitcode(status)
        with os.fdopen(failure, "rb") as file:
            missing = file.read(MAX_TAIL).decode("utf-8", "replace")
        return {
            "missing": missing or None,
            "code": code if code >= 0 else None,
            "signal": name_of(-code) if code < 0 else None,
            "stopped": self.stopped,
            # For the process, or the largest one that it has waited for (wait4).
            "peak": usage.ru_maxrss * 1024,
            "tail": self.last_output(),
        }

    def start(self) -> tuple[int, int, int]:
        """Start it in a separate session. Returns its output, why it could not be
        started, its id.
        """
        out, into = os.pipe()
        failure, failed = os.pipe()
        stdout = into if self.file is None else os.open(self.file, _NEW, 0o600)
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
                for source, target in ((nothing, 0), (stdout, 1), (into, 2)):
                    os.dup2(source, target)
                os.execvpe(self.argv[0], self.argv, self.env)
            except BaseException as error:
                why = error.strerror if isinstance(error, OSError) else repr(error)
                os.write(failed, f"{self.argv[0]}: {why}".encode("utf-8", "replace"))
            finally:
                os._exit(127)
        for ours in {stdout, into, failed}:
            os.close(ours)
        os.set_blocking(out, False)
        return out, failure, pid

    def copy(self, output: int, seconds: float) -> bool:
        """Pass its output on, and keep the end of it. Returns whether there may be more."""
        poll = select.poll()
        poll.register(output, select.POLLIN)
        if not poll.poll(seconds * 1000):
            return False
        try:
            read = os.read(output, _READ)
        except BlockingIOError:
            return False
        if not read:
            time.sleep(seconds / 10)  # it has closed its output, but may continue
            return False
        self.tail = (self.tail + read)[-self.kept :]
        with suppress(OSError):
            os.write(1, read)
        return True

    def look(self, pid: int) -> tuple[int, resource.struct_rusage] | None:
        """Whether it has ended; also checks whether it has to."""
        ended, status, usage = os.wait4(pid, os.WNOHANG)
        if ended:
            return status, usage
        if self.worker.is_gone():
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
        """Send a signal to the first process group of its session, which it leads."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, number)

    def sweep(self, output: int) -> None:
        """End the processes that left the group, which became children of this one when their
        parent ended; read the rest of the output.
        """
        until = time.monotonic() + SWEEP_SECONDS
        with suppress(OSError):
            while (left := children()) and time.monotonic() < until:
                for pid in left:
                    with suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
                    os.waitpid(pid, 0)
        while self.copy(output, 0) and time.monotonic() < until:
            pass

    def last_output(self) -> str:
        """The end of its output, without the values of secret variables."""
        text = os.fsdecode(self.tail)
        shown, at = "", max(0, len(text) - MAX_TAIL)
        for begin, end in hider_of(self.hidden).places(text):
            if end > at:
                shown += text[at:begin] + "***"
                at = end
        shown += text[at:]
        return os.fsencode(shown).decode("utf-8", "replace")[-MAX_TAIL:]


def hider_of(values: Iterable[str]) -> Hider:
    """A Hider for these values.

    It is imported once the command has ended: until then every page of memory counts, because this
    process's memory is the minimum that is measured for a command.
    """
    named: dict[str, Any] = {"__name__": "hiding"}
    with open(f"{os.path.dirname(os.path.abspath(__file__))}/hiding.py", encoding="utf-8") as file:
        exec(compile(file.read(), file.name, "exec"), named)  # noqa: S102 (it is a part of this)
    hider: Hider = named["Hider"]()
    for value in values:
        hider.learn(value)
    return hider


def name_of(number: int) -> str:
    """The name of a signal; most real-time signals have none."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def children() -> list[int]:
    """The ids of this process's children."""
    with open(f"/proc/self/task/{os.getpid()}/children", encoding="ascii") as file:
        return [int(pid) for pid in file.read().split()]


def bind_to_us() -> Callable[..., int]:
    """Adopt the processes that the command leaves behind; returns the call that does so.

    The first process of a container does not need that: everything else ends with it.
    """
    import ctypes

    control: Callable[..., int] = ctypes.CDLL(None).prctl
    control(_SUBREAPER, 1, 0, 0, 0)
    return control


if __name__ == "__main__":
    main(sys.argv[1])
