"""Standard output and standard error, as whatever the user has put there.

A reader that went away (``| head``) has had enough: what follows is thrown away, and neither the
exit code nor the files of a run suffer. A full disk is told once, at the end.
"""

import errno
import io
import json
import os
from enum import StrEnum
from typing import IO, TYPE_CHECKING, Any, Self, TextIO, cast

from rich.console import Console
from rich.text import Text

from perfrun.api.sentence import printable, without_commands

if TYPE_CHECKING:
    from rich.live import Live

LOG_WIDTH = 160
"""Columns of what is no terminal."""
MAX_LINE = 64 * 1024
"""Characters of a line."""


class Output(io.TextIOBase):
    """A stream that never fails; ``error`` says what it could not write."""

    def __init__(self, stream: TextIO | None, name: str) -> None:
        """``stream`` is None where the process was started without it."""
        self.name = name
        self.error: OSError | None = None
        self._stream = stream
        if isinstance(stream, io.TextIOWrapper):
            # What a target or a user wrote must not fail on a terminal that cannot show it.
            stream.reconfigure(errors="replace")

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """The one of the stream."""
        return self._stream.encoding if self._stream is not None else "utf-8"

    @property
    def abandoned(self) -> bool:
        """Whether nobody reads on (or nothing can be written)."""
        return self._stream is None

    def isatty(self) -> bool:
        """Whether a person looks at it."""
        return self._stream is not None and self._stream.isatty()

    def fileno(self) -> int:
        """The descriptor of the stream. Raises OSError where there is none."""
        if self._stream is None:
            raise OSError(errno.EBADF, "closed")
        return self._stream.fileno()

    def writable(self) -> bool:
        """Yes."""
        return True

    def write(self, text: str) -> int:
        """Write it, now or with :meth:`flush`; once something failed, nothing more.

        A CI system takes no line of it for a command, whoever wrote what is in it.
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
        """Write what is held back."""
        if self._stream is not None:
            try:
                self._stream.flush()
            except OSError as error:
                self._give_up(error)

    def _give_up(self, error: OSError) -> None:
        if error.errno != errno.EPIPE:
            self.error = error
        assert self._stream is not None
        # The stream still holds what it could not write, and tries again when Python ends.
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self._stream.fileno())
        os.close(nowhere)
        self._stream = None


def console(output: Output) -> Console:
    """A console on it. Words and marks carry the meaning; rich obeys NO_COLOR and TERM.

    Where no person looks, as in the log of a CI job, there is room for all columns.
    """
    wide = not output.isatty() and "COLUMNS" not in os.environ
    plain = bool(os.environ.get("NO_COLOR"))
    return Console(
        file=cast(IO[str], output),
        width=LOG_WIDTH if wide else None,
        highlight=False,
        # NO_COLOR leaves bold and dim to rich: whoever sets it wants no escape codes at all.
        force_terminal=False if plain else None,
    )


def abandoned(console: Console) -> bool:
    """Whether what is printed there reaches nobody any more: for commands that do not end."""
    return isinstance(console.file, Output) and console.file.abandoned


def tell(console: Console, text: str) -> None:
    """One line, never broken and never read as markup. What others wrote in it steers nothing."""
    console.print(Text(printable(text, MAX_LINE)), soft_wrap=True)


class TextForm(StrEnum):
    """How a command says what it has to say: to a person, or to a program."""

    TEXT = "text"
    JSON = "json"
    YAML = "yaml"


def tell_structured(value: Any, form: TextForm, out: Console) -> None:
    """Print a value of lists, dicts and plain values as JSON or YAML."""
    if form is TextForm.YAML:
        import yaml  # few commands need it

        # In ASCII, as the JSON is: standard output may have any encoding.
        text = yaml.safe_dump(value, sort_keys=False).rstrip("\n")
    else:
        text = json.dumps(value, indent=2)
    out.print(Text(text), soft_wrap=True)


class InPlace:
    """Holds a live display, or none where lines are printed instead; a context manager."""

    def __init__(self, live: "Live | None") -> None:
        self._live = live

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()
