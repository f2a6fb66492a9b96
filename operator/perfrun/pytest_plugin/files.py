"""The files of a run, for whoever collects what a CI job leaves behind."""

from collections.abc import Iterator
from pathlib import Path

from perfrun.cli.terminal import forms
from perfrun.cli.terminal.forms import Runs
from perfrun.cli.terminal.outputs import write_whole
from perfrun.logic.comparison.source import Reported

_FORMS = {
    ".json": forms.JSON,
    ".result.json": forms.RESULT,
    ".xml": forms.JUNIT,
    ".html": forms.HTML,
}


def write_reports(reported: Reported, folder: Path, stem: str, *, strict: bool) -> Iterator[str]:
    """Write a run in each form. Gives what could not be written: that fails no test."""
    runs = Runs([reported], several=False, strict=strict)
    for ending, form in _FORMS.items():
        file = folder / f"{stem}{ending}"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            write_whole(file, form.text(runs))
        except OSError as error:
            yield f"{file}: cannot be written: {error.strerror}"
