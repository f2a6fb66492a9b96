"""Standard output and standard error, whatever the user has connected to them.

If a reader stops early (``| head``), the rest is dropped, and neither the exit code nor the files
of a run are affected. A full disk is reported once, at the end.
"""

import errno
import io
import json
import os
from enum import StrEnum
from typing import IO, TYPE_CHECKING, Any, Self, TextIO, cast

from rich.console import Console
from rich.text import Text

from perfrun.api.sentence import IN_ASCII, printable, without_commands

if TYPE_CHECKING:
    from rich.live import Live

LOG_WIDTH = 160
"""Width of the output if it is not a terminal."""
MAX_LINE = 64 * 1024
"""Characters of a line."""


class Output(io.TextIOBase):
    """A stream that never fails; ``error`` says what it could not write."""

    def __init__(self, stream: TextIO | None, name: str) -> None:
        """``stream`` is None if the process was started without it."""
        self.name = name
        self.error: OSError | None = None
        self._stream = stream
        if isinstance(stream, io.TextIOWrapper):
            # Text from a target or a user must not fail on a terminal that cannot display it.
            stream.reconfigure(errors=IN_ASCII)

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """The encoding of the stream."""
        return self._stream.encoding if self._stream is not None else "utf-8"

    @property
    def abandoned(self) -> bool:
        """Whether nobody reads the output any more (or nothing can be written)."""
        return self._stream is None

    def isatty(self) -> bool:
        """Whether a person sees the output."""
        return self._stream is not None and self._stream.isatty()

    def fileno(self) -> int:
        """The descriptor of the stream. Raises OSError if there is none."""
        if self._stream is None:
            raise OSError(errno.EBADF, "closed")
        return self._stream.fileno()

    def writable(self) -> bool:
        """Always."""
        return True

    def write(self, text: str) -> int:
        """Write it, now or with :meth:`flush`; after a failure, write nothing more.

        A CI system must not mistake any line of it for a command, whoever wrote its contents.
        """
        if self._stream is not None:
            try:
                self._stream.write(without_commands(text))
            except OSError as error:
                self._give_up(error)
        return len(text)

    def write_document(self, text: str) -> None:
        """Write a document to its end, in UTF-8 whatever the stream's own encoding is."""
        if not isinstance(self._stream, io.TextIOWrapper):
            self.write(text)
        else:
            self.flush()
        if isinstance(self._stream, io.TextIOWrapper):  # still: flushing may have failed
            try:
                self._stream.buffer.write(text.encode("utf-8", errors="replace"))
            except OSError as error:
                self._give_up(error)
        self.flush()

    def flush(self) -> None:
        """Write buffered data."""
        if self._stream is not None:
            try:
                self._stream.flush()
            except OSError as error:
                self._give_up(error)

    def _give_up(self, error: OSError) -> None:
        if error.errno != errno.EPIPE:
            self.error = error
        assert self._stream is not None
        # The stream still holds what it could not write, and tries again when Python exits.
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self._stream.fileno())
        os.close(nowhere)
        self._stream = None


def console(output: Output) -> Console:
    """A console for it.

    Words and marks carry the meaning; rich obeys NO_COLOR and TERM. Outside a terminal, as in the
    log of a CI job, there is room for all columns.
    """
    wide = not output.isatty() and "COLUMNS" not in os.environ
    plain = bool(os.environ.get("NO_COLOR"))
    return Console(
        file=cast(IO[str], output),
        width=LOG_WIDTH if wide else None,
        highlight=False,
        # With NO_COLOR, rich still uses bold and dim; but users who set it want no escape codes at
        # all.
        force_terminal=False if plain else None,
    )


def abandoned(console: Console) -> bool:
    """Whether nobody reads what is printed any more: for commands that do not end."""
    return isinstance(console.file, Output) and console.file.abandoned


def print_line(console: Console, text: str) -> None:
    """Print one line, never wrapped and never parsed as markup. Escape sequences from others have
    no effect.
    """
    console.print(Text(printable(text, MAX_LINE)), soft_wrap=True)


class TextForm(StrEnum):
    """The form of a command's output: for a person, or for a program."""

    TEXT = "text"
    JSON = "json"
    YAML = "yaml"


def print_structured(value: Any, form: TextForm, out: Console) -> None:
    """Print a value of lists, dicts and plain values as JSON or YAML."""
    if form is TextForm.YAML:
        import yaml  # few commands need it

        # In ASCII, like the JSON: standard output may have any encoding.
        text = yaml.safe_dump(value, sort_keys=False).rstrip("\n")
    else:
        text = json.dumps(value, indent=2)
    out.print(Text(text), soft_wrap=True)


class InPlace:
    """Holds a live display, or none if lines are printed instead; a context manager."""

    def __init__(self, live: "Live | None") -> None:
        self._live = live

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()
