"""The files of a run, for CI systems that collect them, and names derived from tests."""

import re
from collections.abc import Iterator
from pathlib import Path

from perfrun.api.names import TEST_NAME_MAX
from perfrun.cli.terminal import forms
from perfrun.cli.terminal.exits import FailOn
from perfrun.cli.terminal.forms import Runs
from perfrun.cli.terminal.outputs import write_whole
from perfrun.logic.comparison.model import Reported
from perfrun.logic.plan.names import short_hash

_STEM_MAX = 100
_PLAIN = re.compile(r"[A-Za-z0-9_/]+")
_FORMS = {
    ".json": forms.JSON,
    ".result.json": forms.RESULT,
    ".xml": forms.JUNIT,
    ".html": forms.HTML,
}


def write_reports(reported: Reported, folder: Path, stem: str, *, strict: bool) -> Iterator[str]:
    """Write a run in each form. Returns what could not be written; that fails no test."""
    fail_on = FailOn.INCONCLUSIVE if strict else FailOn.FAIL
    runs = Runs([reported], several=False, fail_on=fail_on)
    for ending, form in _FORMS.items():
        file = folder / f"{stem}{ending}"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            write_whole(file, form.text(runs))
        except OSError as error:
            yield f"{file}: cannot be written: {error.strerror}"


def perftest_name(node_id: str) -> str:
    """The name of a PerfTest: for ``path::test_reads_list[2]`` it is ``reads-list-2``."""
    function = node_id.rpartition("::")[2].removeprefix("test_")
    return _slug(function.lower(), r"[^a-z0-9]+")[:TEST_NAME_MAX].strip("-") or "test"


def file_stem(node_id: str, number: int) -> str:
    """The prefix of the files of a test's ``number``-th run; it is different for every test.

    For ``tests/test_api.py::test_reads_list`` it is ``tests.test_api-test_reads_list``.
    """
    parts = node_id.replace(".py::", "::").split("::")
    stem = _slug("-".join(part.replace("/", ".") for part in parts), r"[^A-Za-z0-9_.]+")
    plain = all(_PLAIN.fullmatch(part) for part in parts)
    if len(stem) > _STEM_MAX or not plain:
        # The part that was cut off, or became a dash, may be all that distinguishes it from
        # another.
        stem = f"{stem[:_STEM_MAX]}-{short_hash(node_id)}".lstrip("-.")
    return stem if number == 1 else f"{stem}-{number}"


def _slug(text: str, others: str) -> str:
    return re.sub(others, "-", text).strip("-.")
