"""Runs with results for tests of the pages, and a page taken apart."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from typing import Any

from perfrun.api.run.perfrun import WorkerCounts
from perfrun.logic.comparison.model import Reported
from perfrun.logic.plan.run_plan import make_plan
from perfrun.logic.verdict.judge import judge
from perfrun.logic.verdict.outcome import RunOutcome, unreported
from perfrun.measure.histogram import Histogram
from perfrun.measure.record import Series
from perfrun.measure.report import WorkerReport
from perfrun.measure.sketch import Sketch
from perfrun.report.document import RunTimes, local_run, result_document
from perfrun.report.html.timeline import Timeline
from tests.unit.logic.build import MS, OPEN, S, spec

BEGAN = datetime(2026, 11, 22, 2, 0, 3, tzinfo=UTC)


def sketch(*latencies: int) -> Sketch:
    histogram = Histogram()
    histogram.fold(list(latencies))
    return Sketch.of(histogram)


def series(seconds: int = 10, rate: int = 100, **parts: Any) -> Series:
    """A steady load of which all requests succeed; ``parts`` say what is different."""
    # Enough for a p99.
    each = sketch(*[(index + 1) * MS for index in range(rate)] * 10)
    made = {
        "planned": [rate] * seconds,
        "started": [rate] * seconds,
        "succeeded": [rate] * seconds,
        "failed": [0] * seconds,
        "in_flight": [3] * seconds,
        "lag": [MS] * seconds,
        "latency": [each] * seconds,
        **parts,
    }
    return Series(**made)


def reported(
    report: WorkerReport | None, load: dict[str, Any] = OPEN, name: str = "api-1", **parts: Any
) -> Reported:
    """A run as it is judged and kept."""
    test = spec(load, **parts)
    plan = make_plan(test, uid=name, namespace="shop", test="api", run=name)
    counts = WorkerCounts(planned=1, ready=1, reported=int(report is not None))
    run_verdict = (
        unreported(counts, None)
        if report is None
        else judge(test, RunOutcome(plan, report, counts))
    )
    times = RunTimes(BEGAN, BEGAN, BEGAN + timedelta(seconds=20))
    run = local_run(plan, run_verdict, times, report=report)
    return Reported(run, result_document(plan, test, run, report))


def with_status(one: Reported, **status: Any) -> Reported:
    """The same run, with another status in parts."""
    document = one.run.model_dump(mode="json", by_alias=True, exclude_none=True)
    document["status"] |= status
    return Reported(type(one.run).model_validate(document), one.result)


def timeline(report: WorkerReport, load: dict[str, Any] = OPEN, **parts: Any) -> Timeline:
    one = reported(report, load, **parts)
    assert one.result is not None
    assert one.result.report is not None
    return Timeline(one, one.result.plan, one.result.report)


class Page(HTMLParser):
    """What a browser makes of a page; raises AssertionError where tags are not closed in order."""

    _VOID = frozenset({"meta", "link", "input", "br", "img"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.ids: list[str] = []
        self.texts: list[str] = []
        self.scripts: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: Sequence[tuple[str, str | None]]) -> None:
        known = {name: value or "" for name, value in attrs}
        self.tags.append((tag, known))
        if "id" in known:
            self.ids.append(known["id"])
        if tag not in self._VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open[-1:] == ["script"]:
            self.scripts.append(data)
        elif self._open[-1:] != ["style"]:
            self.texts.append(data)

    @property
    def text(self) -> str:
        return " ".join("".join(self.texts).split())

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.tags if name == tag]


__all__ = ["BEGAN", "MS", "Page", "S", "reported", "series", "sketch", "timeline", "with_status"]
