"""The page that lists several runs, with a link to the page of each."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from perfrun.api.run.perfrun import PerfRun, Verdict, figure_of
from perfrun.api.test.metric import ERROR_RATE, LATENCY_P95, THROUGHPUT
from perfrun.logic.comparison.model import NO_FIGURE, Reported
from perfrun.report.console import MARKS
from perfrun.report.html.facts import moment
from perfrun.report.html.page import render
from perfrun.report.html.run import run_page
from perfrun.report.steps import figure

INDEX = "index.html"
_ORDER = tuple(reversed(Verdict))


@dataclass(frozen=True, slots=True)
class IndexRow:
    """A run in the list."""

    file: str
    name: str
    test: str
    verdict: Verdict | None
    message: str
    p95: str
    rate: str
    errors: str
    started: str


def run_pages(runs: Sequence[Reported]) -> Mapping[str, str]:
    """Pages by file name: one for each run, and a list if there are several. If runs have the same
    name, the last one counts."""
    last = {_file(one.run): one for one in runs}
    pages = {file: run_page(one) for file, one in last.items()}
    if len(pages) > 1:
        pages[INDEX] = index_page([one.run for one in last.values()])
    return pages


def index_page(runs: Sequence[PerfRun]) -> str:
    """The list of runs, the worst verdicts first."""
    rows = sorted(map(_row, runs), key=lambda row: _place(row.verdict))
    counts = Counter(row.verdict for row in rows)
    tally = [f"{counts[one]} {one.value}" for one in _ORDER if counts[one]]
    tally += [f"{counts[None]} not done"] if counts[None] else []
    worst = rows[0].verdict
    return render(
        "index.html.j2",
        worst,
        MARKS[worst] if worst is not None else "…",
        runs=rows,
        score=", ".join(tally),
        marks=MARKS,
    )


def _place(verdict: Verdict | None) -> int:
    return len(_ORDER) if verdict is None else _ORDER.index(verdict)


def _file(run: PerfRun) -> str:
    name = run.metadata.name
    return f"{name}.html" if f"{name}.html" != INDEX else f"run-{INDEX}"


def _row(run: PerfRun) -> IndexRow:
    status, summary = run.status, run.status.summary

    def text(metric: str) -> str:
        return figure(figure_of(summary, metric) if summary is not None else None)

    return IndexRow(
        file=_file(run),
        name=run.metadata.name,
        test=run.test,
        verdict=status.verdict,
        message=status.message or "",
        p95=text(LATENCY_P95),
        rate=text(THROUGHPUT),
        errors=text(ERROR_RATE),
        started=moment(status.start_time) if status.start_time else NO_FIGURE,
    )
