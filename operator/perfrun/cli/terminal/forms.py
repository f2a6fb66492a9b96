"""The forms in which runs, and comparisons of them, are written."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from perfrun.api.test.metric import Notation
from perfrun.cli.terminal.exits import FailOn
from perfrun.cli.terminal.outputs import Form
from perfrun.logic.comparison.model import NO_FIGURE, Comparison, Reported
from perfrun.report.document import run_document
from perfrun.report.figures import UNITS


@dataclass(frozen=True, slots=True)
class Runs:
    """Runs, as a command writes them."""

    runs: Sequence[Reported]
    several: bool
    """Whether there may be more than one: then they are written as a list, even if there is one."""
    fail_on: FailOn = FailOn.FAIL


@dataclass(frozen=True, slots=True)
class Compared:
    """A comparison, as a command writes it."""

    runs: Sequence[Reported]
    """In the order of the comparison's columns."""
    comparison: Comparison


def _json(document: object) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _objects(subject: Runs) -> str:
    """A PerfRun; several are a List, in kubectl's format."""
    objects = [run_document(one.run) for one in subject.runs]
    if not subject.several:
        return _json(objects[0])
    return _json({"apiVersion": "v1", "kind": "List", "metadata": {}, "items": objects})


def _results(subject: Runs) -> str:
    documents: list[Any] = [
        json.loads(one.result.to_bytes()) for one in subject.runs if one.result is not None
    ]
    return _json(documents if subject.several else documents[0])


def _page(subject: Runs) -> str:
    from perfrun.report.html import run_page  # loads a template engine

    return run_page(subject.runs[0])


def _pages(subject: Runs) -> dict[str, str]:
    from perfrun.report.html import run_pages

    return dict(run_pages(subject.runs))


def _junit(subject: Runs) -> str:
    from perfrun.report.junit import junit

    return junit([one.run for one in subject.runs], failing=subject.fail_on.verdicts)


def _markdown(subject: Runs) -> str:
    from perfrun.report.markdown import markdown

    return markdown([one.run for one in subject.runs])


def _steps(subject: Runs) -> str:
    from perfrun.report.csv_tables import steps_csv

    return steps_csv(subject.runs)


def _tables(subject: Runs) -> dict[str, str]:
    from perfrun.report.csv_tables import csv_files

    return dict(csv_files(subject.runs))


def _comparison_page(subject: Compared) -> str:
    from perfrun.report.html import comparison_page

    return comparison_page(subject.runs, subject.comparison)


def _comparison_json(subject: Compared) -> str:
    document = asdict(subject.comparison)
    for row, written in zip(subject.comparison.rows, document["rows"], strict=True):
        written["unit"] = UNITS[row.kind] if row.kind is not Notation.DURATION else "nanoseconds"
        for cell in written["cells"]:
            if cell["value"] is None:
                missing = cell["text"] == NO_FIGURE
                cell["reason"] = "no figure" if missing else "only a bound is known"
                cell["text"] = None if missing else cell["text"]
    return _json(document)


def _comparison_markdown(subject: Compared) -> str:
    from perfrun.report.markdown import comparison_markdown

    return comparison_markdown(subject.comparison)


JSON = Form("--json", _objects)
RESULT = Form("--result", _results)
HTML = Form("--html", _page, pages=_pages)
JUNIT = Form("--junit", _junit)
MARKDOWN = Form("--md", _markdown)
CSV = Form("--csv", _steps, pages=_tables, each=False)
OF_A_RUN = (JSON, RESULT, HTML, JUNIT, MARKDOWN, CSV)
"""What a run that has just ended can be written in."""

COMPARISON_JSON = Form("--json", _comparison_json)
COMPARISON_HTML = Form("--html", _comparison_page)
COMPARISON_MARKDOWN = Form("--md", _comparison_markdown)
