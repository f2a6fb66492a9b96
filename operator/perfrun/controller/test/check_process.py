"""``python -m perfrun.controller.test.check_process FD...``: checks tests outside the operator's
process.

It imports what a check needs once, and forks: first a server for each socket that it was given,
then a process for each check, which ends with the check. So each check has the budgets of a new
process, leaves nothing behind for the next one, and can be killed without the cost of a new start.
It has only one thread, so it may fork; the operator has several, and starts it with exec.
"""

import contextlib
import gc
import json
import os
import resource
import signal
import socket
import struct
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

from perfrun.logic.accept.budgets import (
    MAX_CPU_S,
    MAX_FROZEN_BYTES,
    MAX_MEMORY_BYTES,
    OVER_CPU,
    OVER_MEMORY,
    too_large,
)
from perfrun.logic.accept.examine import MAX_TEXT, Examined, examine
from perfrun.logic.plan.json_path import rfc9535

HEADER = struct.Struct("!I")
"""Precedes each message: its length in bytes. Messages are JSON."""
ROOM_TO_ANSWER_BYTES = 16 * 1024 * 1024
"""Memory beyond the budget, because reporting that the budget did not suffice needs some, too."""
NICENESS = 5
"""The operator's own work takes precedence."""


def main(sockets: list[int]) -> int:
    """Serve each of the sockets until the other end closes it."""
    os.nice(NICENESS)
    with contextlib.suppress(OSError):
        # If memory is short in the container, the kernel should end this process and not the
        # operator.
        Path("/proc/self/oom_score_adj").write_text("1000")
    rfc9535()  # otherwise each check would import it by itself
    gc.collect()
    gc.freeze()  # what is loaded stays shared by all forked processes
    children = set()
    for fd in sockets:
        pid = os.fork()
        if pid == 0:
            for other in sockets:
                if other != fd:
                    os.close(other)
            _exit_after(partial(serve, socket.socket(fileno=fd)))
        children.add(pid)
    for fd in sockets:
        os.close(fd)
    while children:
        pid, _ = os.wait()
        children.discard(pid)
    return 0


def serve(connection: socket.socket) -> None:
    """Answer one request after the other."""
    while (request := receive(connection)) is not None:
        answer = answered(request)
        connection.sendall(HEADER.pack(len(answer)) + answer)


def receive(connection: socket.socket) -> bytes | None:
    """The next message; None at the end."""
    header = _exactly(connection, HEADER.size)
    return _exactly(connection, HEADER.unpack(header)[0]) if header is not None else None


def answered(request: bytes) -> bytes:
    """The outcome of a check in a separate process: the JSON of ``Examined``."""
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(read)
        _exit_after(lambda: _write_all(write, _checked(request)))
    os.close(write)
    with open(read, "rb") as pipe:  # noqa: PTH123 (a file descriptor)
        answer = pipe.read(MAX_FROZEN_BYTES + 1)
    _, status = os.waitpid(pid, 0)
    if os.WIFEXITED(status) and os.WEXITSTATUS(status) == 0:
        large = too_large(len(answer), MAX_FROZEN_BYTES)
        return answer if large is None else _failed(large)
    late = os.WIFSIGNALED(status) and os.WTERMSIG(status) in (signal.SIGPROF, signal.SIGXCPU)
    return _failed(OVER_CPU if late else OVER_MEMORY)


def _checked(request: bytes) -> bytes:
    """Runs in the process of the check."""
    bound()
    try:
        asked = json.loads(request)
        return (
            examine(
                asked["spec"],
                asked["namespace"],
                freeze=asked["freeze"],
                overrides=asked["overrides"],
            )
            .model_dump_json(exclude_none=True)
            .encode()
        )
    except MemoryError:
        return _failed(OVER_MEMORY)
    except Exception as error:
        # Stored with the object like any other outcome, because it would fail again.
        return _failed(f"spec: cannot be checked: {type(error).__name__}: {error}"[:MAX_TEXT])


def bound() -> None:
    """Give this process the budgets of a check. The kernel ends it if it exceeds them."""
    # Out of reach of code that catches exceptions: there is no handler, the signal itself ends the
    # process.
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_PROF, MAX_CPU_S)
    resource.setrlimit(resource.RLIMIT_CPU, (int(MAX_CPU_S) + 1, int(MAX_CPU_S) + 1))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    most = _address_space() + MAX_MEMORY_BYTES + ROOM_TO_ANSWER_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (most, most))


def _address_space() -> int:
    """Bytes of virtual memory that this process uses now."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    return pages * resource.getpagesize()


def _failed(problem: object) -> bytes:
    return Examined(problems=[str(problem)]).model_dump_json(exclude_none=True).encode()


def _exactly(connection: socket.socket, size: int) -> bytes | None:
    parts = bytearray()
    while len(parts) < size:
        part = connection.recv(min(size - len(parts), 1 << 20))
        if not part:
            return None
        parts += part
    return bytes(parts)


def _write_all(fd: int, data: bytes) -> None:
    with open(fd, "wb") as file:
        file.write(data)


def _exit_after(work: Callable[[], None]) -> None:
    """Do the work of a forked process, and end it in any case."""
    code = 1
    with contextlib.suppress(BaseException):
        work()
        code = 0
    os._exit(code)


if __name__ == "__main__":
    sys.exit(main([int(fd) for fd in sys.argv[1:]]))
