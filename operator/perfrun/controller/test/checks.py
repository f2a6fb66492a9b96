"""The checks of tests: in separate processes, each namespace in its turn, and once for each
generation.

The author of a test determines the cost of its check. So no spec is parsed on the event loop: one
that is too long is refused by its length, and ``check_process`` does everything else, ending any
check that exceeds its budget. The outcome is stored, here and on the object.
"""

import asyncio
import contextlib
import json
import logging
import os
import signal
import socket
import subprocess
import sys
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from perfrun import __version__
from perfrun.api import Json
from perfrun.api.run.checked import CheckStatus
from perfrun.api.run.overrides import Overrides
from perfrun.api.test.perftest import PerfTestStatus
from perfrun.controller.objects.status import read_status
from perfrun.controller.objects.store import Key
from perfrun.controller.test.check_process import HEADER
from perfrun.coordinator.intake import NamespaceTurns
from perfrun.kube.client import Kube
from perfrun.kube.errors import KubeError
from perfrun.kube.resources import PERF_TESTS
from perfrun.logic.accept.budgets import MAX_SPEC_BYTES, too_large
from perfrun.logic.accept.examine import Examined

logger = logging.getLogger(__name__)

PROCESSES = 2
"""Checks at a time. A namespace has at most one, so that the others have the rest."""
PATIENCE_S = 60.0
"""Time limit for an answer: the budget is in CPU time, and on a busy machine that may take long."""
RESTART_S = 1.0
"""Time between two starts of a process that ends again."""
MAX_KNOWN = 20_000
"""Outcomes in memory, about 1 KiB each; the others are on their objects."""
MAX_FROZEN = 8


class CheckFailedError(Exception):
    """The check could not be done, for a reason other than the test. Trying again may help."""


class _Known(NamedTuple):
    generation: int
    outcome: Examined


@dataclass
class _Pool:
    """The process that checks, and a connection to each of its servers."""

    process: subprocess.Popen[bytes]
    free: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = field(default_factory=list)

    def kill(self) -> None:
        """End it and everything that it has forked."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        for _, writer in self.free:
            writer.close()


class Checks:
    """The outcomes of the checks of tests."""

    def __init__(self, kube: Kube, wake: Callable[[Key], None]) -> None:
        """``wake`` makes a test be reconciled once its outcome is known."""
        self._kube = kube
        self._wake = wake
        self._turns = NamespaceTurns(PROCESSES, each=1)
        self._pool: _Pool | None = None
        self._starting = asyncio.Lock()
        self._known: OrderedDict[str, _Known] = OrderedDict()
        self._frozen: OrderedDict[tuple[str, int], Examined] = OrderedDict()
        self._asked: dict[Key, asyncio.Task[None]] = {}

    def of(self, body: Json) -> Examined | None:
        """The outcome for a test as it is. None: not known yet, and requested.

        An outcome that is already on the object counts, so that a restart does not repeat the
        check. Anyone who can write there could only have their own test judged wrongly: a run is
        checked separately.
        """
        about = body["metadata"]
        found = self._known.get(about["uid"])
        if found is not None and found.generation == about["generation"]:
            return found.outcome
        noted = outcome_of(body)
        if noted is not None:
            return noted
        key = Key(about["namespace"], about["name"])
        if key not in self._asked:
            self._asked[key] = asyncio.create_task(self._look(key))
            self._asked[key].add_done_callback(lambda _: self._asked.pop(key, None))
        return None

    async def frozen(self, body: Json, overrides: Overrides | None = None) -> Examined:
        """The outcome for a test, with the overrides of a run if it has some, and what the run
        executes. Raises CheckFailedError.
        """
        about = body["metadata"]
        if overrides is not None:
            return await self.examine(
                body["spec"], about["namespace"], freeze=True, overrides=overrides
            )
        id_ = (about["uid"], about["generation"])
        found = self._known.get(about["uid"])
        if found is not None and found.generation == id_[1] and found.outcome.problems:
            return found.outcome
        if id_ not in self._frozen:
            outcome = await self.examine(body["spec"], about["namespace"], freeze=True)
            self._frozen[id_] = outcome
            if len(self._frozen) > MAX_FROZEN:
                self._frozen.popitem(last=False)
            self._note(*id_, outcome.model_copy(update={"frozen": None}))
        return self._frozen[id_]

    async def examine(
        self,
        spec: Json,
        namespace: str,
        *,
        freeze: bool = False,
        most_bytes: int = MAX_SPEC_BYTES,
        overrides: Overrides | None = None,
    ) -> Examined:
        """Check a spec when it is its namespace's turn. Raises CheckFailedError."""
        changes = (
            None if overrides is None else overrides.model_dump(mode="json", exclude_unset=True)
        )
        async with self._turns.turn(namespace):
            return await self._examine(
                spec, namespace, freeze=freeze, most=most_bytes, overrides=changes
            )

    async def start(self) -> None:
        """Start the processes before the first test arrives."""
        await self._running()

    async def close(self) -> None:
        """End the processes."""
        for task in list(self._asked.values()):
            task.cancel()
        if self._pool is not None:
            self._pool.kill()
            self._pool = None

    def _note(self, uid: str, generation: int, outcome: Examined) -> None:
        self._known[uid] = _Known(generation, outcome)
        self._known.move_to_end(uid)
        if len(self._known) > MAX_KNOWN:
            self._known.popitem(last=False)

    async def _look(self, key: Key) -> None:
        """Check a test when its turn comes: nothing large waits in memory for that."""
        try:
            async with self._turns.turn(key.namespace):
                body = await self._kube.find(PERF_TESTS, key.namespace, key.name)
                if body is not None:
                    outcome = await self._examine(body["spec"], key.namespace)
                    self._note(body["metadata"]["uid"], body["metadata"]["generation"], outcome)
        except (KubeError, CheckFailedError) as error:
            logger.warning("test %s is not checked yet: %s", key, error)
            await asyncio.sleep(RESTART_S)
        self._asked.pop(key, None)
        self._wake(key)

    async def _examine(
        self,
        spec: Json,
        namespace: str,
        *,
        freeze: bool = False,
        most: int = MAX_SPEC_BYTES,
        overrides: Json | None = None,
    ) -> Examined:
        asked = {"spec": spec, "namespace": namespace, "freeze": freeze, "overrides": overrides}
        text = json.dumps(asked, separators=(",", ":"), ensure_ascii=False)
        request = text.encode("utf-8", "surrogatepass")
        if (large := too_large(len(request), most)) is not None:
            return Examined(problems=[str(large)])
        return Examined.model_validate_json(await self._exchange(request))

    # --- the processes -------------------------------------------------------------------------

    async def _exchange(self, request: bytes) -> bytes:
        pool = await self._running()
        reader, writer = pool.free.pop()
        try:
            async with asyncio.timeout(PATIENCE_S):
                writer.write(HEADER.pack(len(request)) + request)
                await writer.drain()
                (size,) = HEADER.unpack(await reader.readexactly(HEADER.size))
                answer = await reader.readexactly(size)
        except (TimeoutError, OSError, EOFError) as error:
            writer.close()
            if pool is self._pool:
                pool.kill()
                self._pool = None
            raise CheckFailedError(f"the process that checks tests has died: {error!r}") from error
        except asyncio.CancelledError:
            writer.close()
            raise
        pool.free.append((reader, writer))
        return answer

    async def _running(self) -> _Pool:
        async with self._starting:
            if self._pool is None or not self._pool.free:
                if self._pool is not None:
                    self._pool.kill()
                self._pool = await _start()
            return self._pool


async def _start() -> _Pool:
    """Start the process with exec, because this process has threads."""
    pairs = [socket.socketpair() for _ in range(PROCESSES)]
    theirs = [their.fileno() for _, their in pairs]
    command = [sys.executable, "-m", "perfrun.controller.test.check_process", *map(str, theirs)]
    process = subprocess.Popen(  # noqa: ASYNC220, S603 (it takes a moment; all of it is ours)
        command, pass_fds=theirs, start_new_session=True, stdin=subprocess.DEVNULL
    )
    pool = _Pool(process)
    for mine, their in pairs:
        their.close()
        mine.setblocking(False)
        pool.free.append(await asyncio.open_unix_connection(sock=mine))
    return pool


def outcome_of(body: Json) -> Examined | None:
    """The outcome stored on a test for its generation, if this version wrote it."""
    status = read_status(PerfTestStatus, body)
    noted = status.check if status is not None else None
    if (
        status is None
        or noted is None
        or noted.version != __version__
        or status.observed_generation != body["metadata"]["generation"]
    ):
        return None
    if noted.asks is not None:
        return Examined(
            asks=noted.asks,
            what_runs=noted.what_runs,
            gates=noted.gates,
            warnings=noted.warnings,
        )
    ready = next((c for c in status.conditions if c.type == "Ready"), None)
    return Examined(problems=[ready.message]) if ready is not None else None


def check_status(outcome: Examined) -> CheckStatus:
    """An outcome in the form in which it is stored on the object."""
    return CheckStatus(
        version=__version__,
        what_runs=outcome.what_runs,
        asks=outcome.asks,
        gates=outcome.gates,
        warnings=outcome.warnings,
    )
