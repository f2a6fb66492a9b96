"""The FIFO that a tool writes its samples to, read without ever blocking the tool.

Reading goes before decoding: what cannot be decoded in time is shed in whole rows, and counted.
"""

import asyncio
import fcntl
import os
import stat
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from perfrun.engine.errors import EngineError, ErrorClass
from perfrun.engine.script.tool import Decoder

PIPE_BYTES = 1024 * 1024
"""Size of the pipe, if the system allows so much: fewer wake-ups."""
MAX_BACKLOG = 32 * 1024 * 1024
"""Bytes that may wait to be decoded; beyond them rows are shed until half of them is decoded."""
SLICE = 256 * 1024
"""Bytes that are decoded at once: the event loop has other work, and the tool writes meanwhile."""
LAST_SECONDS = 20.0
"""For what is written after the end of the tool."""
_READS = 8
_SET_PIPE_SIZE = 1031
_NO_LINKS = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class SamplePipe:
    """The reader of one FIFO."""

    def __init__(self, path: Path, decoder: Decoder, shed: Callable[[int], None]) -> None:
        """Creates the FIFO. ``shed`` is called with the number of rows that were not read."""
        self._path, self._decoder, self._shed = path, decoder, shed
        os.mkfifo(path, 0o600)
        self._file = -1
        self._backlog: deque[bytes] = deque()
        self._waiting = 0
        self._sheds = self._within_row = False
        self._decoding = False
        self._loop = asyncio.get_running_loop()

    def open(self) -> None:
        """Begin to read. Until then, whoever opens the FIFO to write waits. Raises EngineError if
        the script has put something else in its place."""
        if self._file >= 0:
            return
        try:
            # Also for writing: a FIFO whose last writer has gone would be readable all the time.
            self._file = os.open(self._path, os.O_RDWR | _NO_LINKS)
        except OSError as error:
            raise EngineError(ErrorClass.DATA, f"its pipe is gone: {error.strerror}") from error
        if not stat.S_ISFIFO(os.fstat(self._file).st_mode):
            os.close(self._file)
            self._file = -1
            raise EngineError(ErrorClass.DATA, "its pipe for samples is no pipe any more")
        with suppress(OSError):
            fcntl.fcntl(self._file, _SET_PIPE_SIZE, PIPE_BYTES)
        self._loop.add_reader(self._file, self._readable)

    async def finish(self) -> None:
        """Read and decode everything that is left; the tool has ended.

        Whoever still writes, such as a process that it left behind, is read for a while only.
        """
        with suppress(EngineError):
            self.open()
        if self._file >= 0:
            self._loop.remove_reader(self._file)
            until = self._loop.time() + LAST_SECONDS
            while (self._loop.time() < until and self._drain()) or self._backlog:
                self._decode_slice()
                await asyncio.sleep(0)
        self._decoder.end()

    def close(self) -> None:
        """Remove the FIFO; nothing is read any more."""
        if self._file >= 0:
            self._loop.remove_reader(self._file)
            os.close(self._file)
            self._file = -1
        self._path.unlink(missing_ok=True)

    def _readable(self) -> None:
        self._drain()
        if not self._decoding:
            self._decoding = True
            self._loop.call_soon(self._decode)

    def _drain(self) -> bool:
        """Read what is there, up to a bound; whether there was anything."""
        for number in range(_READS):
            try:
                data = os.read(self._file, PIPE_BYTES)
            except BlockingIOError:
                return number > 0
            self._take(data)
        return True

    def _take(self, data: bytes) -> None:
        if not self._sheds and self._waiting > MAX_BACKLOG:
            data = self._begin_shedding(data)
        elif self._sheds and self._waiting < MAX_BACKLOG // 2:
            data = self._end_shedding(data)
        if self._sheds:
            self._drop(data)
        elif data:
            self._backlog.append(data)
            self._waiting += len(data)

    def _begin_shedding(self, data: bytes) -> bytes:
        """Complete the row that is half read already; returns the rest.

        A row without an end is cut off, or it would fill the memory.
        """
        end = data.find(b"\n") + 1
        endless = not end and self._waiting > 2 * MAX_BACKLOG
        if end or endless:
            kept = data[:end] or b"\n"
            self._backlog.append(kept)
            self._waiting += len(kept)
            self._sheds, self._within_row = True, endless
        return data[end:]

    def _end_shedding(self, data: bytes) -> bytes:
        """Leave out the rest of a row whose beginning was dropped; returns what follows."""
        end = data.find(b"\n") + 1 if self._within_row else 0
        if self._within_row and not end:
            return data  # a very long row
        self._shed(int(end > 0))
        self._sheds = False
        return data[end:]

    def _drop(self, data: bytes) -> None:
        self._shed(data.count(b"\n"))
        if data:
            self._within_row = not data.endswith(b"\n")

    def _decode(self) -> None:
        if self._file < 0:
            return
        self._decode_slice()
        if self._backlog:
            self._loop.call_soon(self._decode)
        else:
            self._decoding = False

    def _decode_slice(self) -> None:
        taken: list[bytes] = []
        size = 0
        while self._backlog and size < SLICE:
            data = self._backlog.popleft()
            if len(data) > SLICE:
                self._backlog.appendleft(data[SLICE:])
                data = data[:SLICE]
            taken.append(data)
            size += len(data)
        self._waiting -= size
        if taken:
            self._decoder.feed(b"".join(taken))
