"""An access log of any size, line by line, with the progress on standard error."""

import gzip
import time
import zlib
from collections.abc import Iterator
from typing import BinaryIO, Self, cast

from rich.console import Console

from perfrun.cli.init.draft import SourceError
from perfrun.cli.init.source import MIB, SourceFile
from perfrun.cli.init.texts import one_line
from perfrun.cli.terminal.streams import print_line

MAX_LINE_LENGTH = 32 * 1024
GZIP = b"\x1f\x8b"
_OFTEN = 100_000
_SECONDS = {True: 0.5, False: 10.0}
"""Seconds between two progress messages: on a terminal, and elsewhere."""


class LogFile:
    """Yields the lines of a file, decompressed if it is gzip; a context manager."""

    def __init__(self, source: SourceFile, err: Console) -> None:
        self._source = source
        self._err = err
        self._live = err.is_terminal
        self._next = time.monotonic() + _SECONDS[self._live]
        self.cut_off = False
        """The file is incomplete."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._live:
            self._err.file.write("\r\x1b[K")
            self._err.file.flush()

    def lines(self) -> Iterator[bytes]:
        """The lines. Of a line that is too long, only the beginning, which is not a valid line."""
        raw = self._source.stream
        try:
            # Some gzip files have no such name.
            packed = self._source.head[:2] == GZIP
            stream = cast(BinaryIO, gzip.GzipFile(fileobj=raw)) if packed else raw
            yield from self._counted(stream)
        except (EOFError, zlib.error, gzip.BadGzipFile):
            self.cut_off = True
        except OSError as error:
            raise SourceError(
                f"{self._source.name}: cannot be read: {error.strerror or error}"
            ) from None

    def _counted(self, stream: BinaryIO) -> Iterator[bytes]:
        number = 0
        whole = True
        while line := stream.readline(MAX_LINE_LENGTH):
            if whole:
                number += 1
                if number % _OFTEN == 0:
                    self._report_progress(number)
                yield line
            whole = line.endswith(b"\n")

    def _report_progress(self, lines: int) -> None:
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + _SECONDS[self._live]
        text = f"{lines:,} lines"
        if size := self._source.size:
            done = self._source.position
            text += f", {done // MIB:,} of {size // MIB:,} MiB ({done / size:.0%})"
        if self._live:
            self._err.file.write(f"\r\x1b[K{text[: self._err.width - 1]}")
            self._err.file.flush()
        else:
            print_line(self._err, one_line(text))
