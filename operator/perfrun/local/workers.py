"""Workers as processes of this machine: started, watched, and never left behind."""

import asyncio
import contextlib
import os
import secrets
import signal
import socket
import sys
from collections.abc import Collection
from datetime import datetime
from pathlib import Path

from perfrun.coordinator.errors import Refused
from perfrun.local.child import PARENT
from perfrun.local.launcher import Launcher, start_launcher
from perfrun.local.values import FoundValues, lay_out
from perfrun.logic.run.facts import CleanUp, JobState, WorkerFacts
from perfrun.logic.run.losses import LATE, SIGNALLED, leaves_undone
from perfrun.measure.plan import RunPlan

TERM_SECONDS = 3.0
"""Seconds in which a worker without a teardown has to end."""
TEARDOWN_SECONDS = 30.0
"""Time for worker 0 to run the teardown if the run is ended early."""
_REPORT_SECONDS = 30.0
_LAST_WORDS = 2000
_OF_THE_USER = "PERFRUN_CHROMIUM"
"""The user's environment determines the browser that a worker uses."""


class Tokens:
    """A random token for each worker keeps other processes of this machine out."""

    def __init__(self, workers: int) -> None:
        self.by_index = [secrets.token_urlsafe(24) for _ in range(workers)]

    async def identify(self, uid: str, index: int, token: str) -> str:  # noqa: ARG002
        if index < len(self.by_index) and secrets.compare_digest(token, self.by_index[index]):
            return f"worker-{index}"
        raise Refused(f"the token does not belong to worker {index}")


class WorkerProcess:
    """One worker; its output goes to a log file."""

    def __init__(self, index: int, process: asyncio.subprocess.Process, log: Path) -> None:
        self.index = index
        self.late = False
        """Nothing waited for it any longer."""
        self._process = process
        self._log = log

    @property
    def alive(self) -> bool:
        """Whether it has not ended yet."""
        return self._process.returncode is None

    def facts(self, terminated: Collection[int]) -> WorkerFacts:
        """``terminated``: the workers that reported that a signal ended them."""
        problem = None
        if self.late or self.index in terminated:
            problem = LATE if self.late else SIGNALLED
        elif not self.alive:
            problem = self._last_words()
        return WorkerFacts(
            name="",
            index=self.index,
            dead=not self.alive,
            problem=problem,
            left_undone=not self.alive and leaves_undone(self._exit_code),
        )

    def end(self, *, at_once: bool) -> None:
        """Ask it to end, or kill it, if it still lives."""
        if self.alive:
            with contextlib.suppress(ProcessLookupError):
                if at_once:
                    self._process.kill()
                else:
                    self._process.terminate()

    async def wait(self) -> None:
        """Wait until it has ended."""
        await self._process.wait()

    def _last_words(self) -> str:
        """How it ended: the signal, or the last line that it wrote."""
        code = self._process.returncode
        if code is not None and code < 0:
            return f"it was ended by {signal.Signals(-code).name}"
        tail = self._log.read_bytes()[-_LAST_WORDS:].decode(errors="replace").strip()
        return tail.splitlines()[-1] if tail else f"it ended with code {code}"

    @property
    def _exit_code(self) -> int:
        """As in Kubernetes and shells: 128 + the number of the signal that ended it."""
        code = self._process.returncode
        assert code is not None
        return 128 - code if code < 0 else code


class WorkerProcesses:
    """The processes of one run: its workers, the worker that cleans up for them, and the launcher
    of each worker's command, if the target is one.
    """

    def __init__(
        self, plan: RunPlan, folder: Path, at_once: asyncio.Event, beside: Path | None = None
    ) -> None:
        """``at_once``: if set, no process gets time to end; ``beside``: the manifest's folder."""
        # One more: for the worker that only runs the teardown.
        self.tokens = Tokens(plan.load.workers + 1)
        self._plan = plan
        self._folder = folder
        self._at_once = at_once
        self._beside = beside or Path()
        self._master = _free_port()
        self._coordinator = ""
        self._workers: list[WorkerProcess] = []
        self._cleaner: WorkerProcess | None = None
        self._launchers: list[Launcher] = []

    async def launch(self, values: FoundValues, coordinator: str) -> None:
        """Start all workers; ``coordinator`` is the URL that they report to."""
        self._coordinator = coordinator
        (self._folder / "plan.json").write_bytes(self._plan.to_bytes())
        tree = self._folder / "values"
        tree.mkdir()
        lay_out(values, tree)
        command = self._plan.target.benchmark or self._plan.target.script
        for index in range(self._plan.load.workers):
            if command is not None:
                self._shared(index).mkdir()
                launcher = await start_launcher(command.env, values, self._shared(index))
                self._launchers.append(launcher)
            self._workers.append(await self._start(index))

    async def launch_cleaner(self) -> None:
        """Start the worker that only runs the teardown."""
        self._cleaner = await self._start(self._plan.cleaner)

    @property
    def any_alive(self) -> bool:
        """Whether any process is alive that has to end before the run does."""
        return any(worker.alive for worker in self._all)

    def facts(self, terminated: Collection[int]) -> list[WorkerFacts]:
        """The facts of each worker that was started; ``terminated`` as in
        :meth:`WorkerProcess.facts`.
        """
        return [worker.facts(terminated) for worker in self._workers]

    def clean_up(self, deadline: datetime) -> CleanUp | None:
        """The state of the worker that only runs the teardown, once it was started."""
        if self._cleaner is None:
            return None
        known = self._cleaner.facts(())
        return CleanUp(
            deadline, JobState.FINISHED if known.dead else JobState.ACTIVE, known.problem
        )

    async def end(self, reported: Collection[int]) -> None:
        """End all that are alive: first ask, then, or at once, kill.

        Those that have not ``reported`` took too long.
        """
        living = [worker for worker in self._all if worker.alive]
        for worker in living:
            worker.late = worker.index not in reported
            if not self._at_once.is_set():
                worker.end(at_once=False)
        everyone = asyncio.gather(*(worker.wait() for worker in living))
        impatient = asyncio.ensure_future(self._at_once.wait())
        undoes = self._plan.teardown or self._plan.target.script is not None
        patience = TEARDOWN_SECONDS if undoes else TERM_SECONDS
        try:
            await asyncio.wait(
                (everyone, impatient), timeout=patience, return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            impatient.cancel()
        for worker in living:
            worker.end(at_once=True)
        await everyone

    async def close(self) -> None:
        """Leave no process behind, whatever has happened."""
        await self.end(())
        await asyncio.gather(*(launcher.end() for launcher in self._launchers))

    @property
    def _all(self) -> list[WorkerProcess]:
        return [*self._workers, *([self._cleaner] if self._cleaner is not None else [])]

    def _shared(self, index: int) -> Path:
        """The folder that a worker shares with the launcher of its command."""
        return self._folder / f"command-{index}"

    @property
    def _scripts(self) -> Path:
        """The folder with a script's files."""
        script = self._plan.target.script
        if script is None or script.files is None or script.files.config_map is None:
            return self._beside
        found = self._folder / "values" / "configmaps" / script.files.config_map.name
        return found if found.is_dir() else self._beside

    async def _start(self, index: int) -> WorkerProcess:
        token_file = self._folder / f"token-{index}"
        token_file.write_text(self.tokens.by_index[index])
        env = {
            "PERFRUN_PLAN": str(self._folder / "plan.json"),
            "PERFRUN_COORDINATOR": self._coordinator,
            "PERFRUN_TOKEN_FILE": str(token_file),
            "PERFRUN_INDEX": str(index),
            "PERFRUN_SECRETS": str(self._folder / "values"),
            "PERFRUN_COMMAND_FOLDER": str(self._shared(index)),
            "PERFRUN_SCRIPTS": str(self._scripts.resolve()),
            "PERFRUN_MASTER": f"127.0.0.1:{self._master}",
            "PERFRUN_REPORT_DEADLINE": str(_REPORT_SECONDS),
        }
        log = self._folder / f"worker-{index}.log"
        with log.open("wb") as output:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                *("-m", "perfrun.local.child"),
                env={**_inherited(), **env, PARENT: str(os.getpid())},
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                # A Ctrl-C on the terminal is for perfrun, which tells the workers in order.
                start_new_session=True,
            )
        return WorkerProcess(index, process, log)


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


def _inherited() -> dict[str, str]:
    # Without proxies: workers connect to this machine and directly to the target.
    return {
        name: value
        for name, value in os.environ.items()
        if not name.lower().endswith("_proxy")
        and (not name.startswith("PERFRUN_") or name.startswith(_OF_THE_USER))
    }
