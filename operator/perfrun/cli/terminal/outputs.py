"""The files of a command: checked before the work, written before anything is printed.

A file is written completely, left as it was, or not created at all. ``-`` is standard output.
"""

import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Generic, TypeVar

from perfrun.cli.terminal.streams import Output

_STDOUT = Path("-")
_SLASHES = ("/", os.sep)

S = TypeVar("S")


@dataclass(frozen=True)
class Form(Generic[S]):
    """One form in which a command can write its subject."""

    option: str
    text: Callable[[S], str]
    """The whole as one document."""
    pages: Callable[[S], Mapping[str, str]] | None = None
    """By file name, for a form with several documents: they go into a folder."""
    each: bool = True
    """Whether several need a folder; else a file holds them all, and a folder the parts of it."""
    new: bool = False
    """An existing file is not replaced, because somebody may have changed it."""


@dataclass(frozen=True)
class Destination(Generic[S]):
    """Where to write a form."""

    form: Form[S]
    file: Path
    named_folder: bool = False
    """Whether its name ends with a slash."""

    def is_folder(self, *, several: bool) -> bool:
        """Whether documents are written into it as a folder, one for each subject."""
        wanted = self.named_folder or self.file.is_dir() or (several and self.form.each)
        return self.form.pages is not None and wanted

    def write(self, subject: S, *, several: bool) -> None:
        """Write it to something other than standard output. Raises OSError."""
        if self.form.pages is None or not self.is_folder(several=several):
            write_whole(self.file, self.form.text(subject))
            return
        self.file.mkdir(exist_ok=True)
        for name, text in self.form.pages(subject).items():
            write_whole(self.file / name, text)


class Outputs(Generic[S]):
    """All destinations on the command line."""

    def __init__(self, stdout: Output, wanted: Sequence[tuple[Form[S], Path | str | None]]) -> None:
        """None: nowhere. A name that ends with a slash is a folder."""
        self._stdout = stdout
        self._places = [
            Destination(form, Path(file), str(file).endswith(_SLASHES))
            for form, file in wanted
            if file is not None
        ]

    def __bool__(self) -> bool:
        """Whether anything is to be written."""
        return bool(self._places)

    @property
    def takes_stdout(self) -> bool:
        """Whether one of them is standard output: printed text then has to go elsewhere."""
        return any(place.file == _STDOUT for place in self._places)

    def problems(self, *, several: bool = False) -> Iterator[str]:
        """Why they could not be written, found out without writing."""
        for one, other in combinations(self._places, 2):
            if one.file.resolve() == other.file.resolve():
                options = f"{one.form.option} and {other.form.option}"
                yield f"{options} both write to {one.file}: use different files"
        for place in self._places:
            if (reason := _unwritable(place, several=several)) is not None:
                yield f"{place.form.option} {place.file}: cannot be written: {reason}"

    def write(self, subject: S, *, several: bool = False, last: bool = True) -> Iterator[str]:
        """Write what there is so far (standard output: at the ``last`` call). Returns
        what failed.
        """
        for place in self._places:
            if place.file == _STDOUT:
                if last:
                    self._stdout.write_document(place.form.text(subject))
                continue
            try:
                place.write(subject, several=several)
            except OSError as error:
                yield f"{place.file}: cannot be written: {error.strerror}"


def write_whole(file: Path, text: str) -> None:
    """Write a file so that nobody ever reads a partial one. Raises OSError."""
    target = file.resolve()
    data = text.encode("utf-8", errors="replace")
    if not os.access(target.parent, os.W_OK | os.X_OK) or (
        target.exists() and not target.is_file()
    ):
        # A device, a pipe, or a file in a folder where no new file can be created.
        target.write_bytes(data)
        return
    draft = target.with_name(f".{target.name[:200]}.{os.getpid()}.tmp")
    try:
        draft.write_bytes(data)
        if target.exists():
            shutil.copymode(target, draft)
        draft.replace(target)
    finally:
        draft.unlink(missing_ok=True)


def _unwritable(place: Destination[S], *, several: bool) -> str | None:
    file = place.file
    if place.form.new and file.is_file():
        return "it already exists; give another name, or remove it"
    folder = file.absolute().parent
    if place.is_folder(several=several):
        if place.named_folder and file.exists() and not file.is_dir():
            return "it is a file, and not a folder"
        if file == _STDOUT or (file.exists() and not file.is_dir()):
            return "each run has its own page: give a folder"
        folder = file if file.is_dir() else folder
    elif file == _STDOUT:
        return None
    elif file.is_dir() or place.named_folder:
        return "it is a folder: give the name of a file"
    elif file.exists():
        return None if os.access(file, os.W_OK) else "you may not write to it"
    if not folder.is_dir():
        return "there is no such folder"
    return None if os.access(folder, os.W_OK | os.X_OK) else f"you may not write to {folder}"
