"""What `perfrun watch` knows about a namespace: the tests, their runs, and what has changed."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from perfrun.api import Json
from perfrun.api.times import format_time
from perfrun.cli.cluster.feed import Away, Change, Changed, Deleted, Listed
from perfrun.cli.cluster.refusals import sentence
from perfrun.cli.cluster.views import RunView, TestView, age, due, recency
from perfrun.cli.terminal.tables import Column
from perfrun.kube.resources import PERF_TESTS, Resource

COLUMNS = (
    Column("TEST"),
    Column("RUN", keep=1),
    Column("STATE"),
    Column("AGE", keep=2),
    Column("NEXT", keep=3),
    Column("WHAT", cut=True),
)


@dataclass
class Board:
    """The tests and runs of a namespace, or of one test in it."""

    only: str | None = None
    tests: dict[str, TestView] = field(default_factory=dict)
    runs: dict[str, RunView] = field(default_factory=dict)
    away: str = ""
    """Why the API server cannot be asked at the moment."""
    _listed: set[Resource] = field(default_factory=set)

    def take(self, change: Change) -> list[str]:
        """Record a change. Returns the lines to print about it."""
        if isinstance(change, Away):
            reason = sentence(change.error)
            lines = [] if self.away else [f"{reason}; trying again, and the runs continue"]
            self.away = reason
            return lines
        back = ["the API server answers again"] if self.away and isinstance(change, Listed) else []
        if back:
            self.away = ""
        return back + list(self._note(change))

    def rows(self, now: datetime) -> list[tuple[str, ...]]:
        """A row for each run in progress, then one for each other test, by name."""
        in_progress = sorted((run for run in self.runs.values() if not run.done), key=recency)
        busy = {run.test for run in in_progress}
        last = {run.test: run for run in sorted(self.runs.values(), key=recency)}
        idle = (test for name, test in sorted(self.tests.items()) if name not in busy)
        return [
            *(self._run_row(run, self.tests.get(run.test), now) for run in in_progress),
            *(self._test_row(test, last.get(test.name), now) for test in idle),
        ]

    def _note(self, change: Change) -> Iterator[str]:
        match change:
            case Listed(resource, items):
                yield from self._list(resource, items)
            case Changed(resource, body):
                yield from self._put(resource, body, first=False)
            case Deleted(resource, body):
                yield from self._drop(resource, str((body.get("metadata") or {}).get("name")))

    def _list(self, resource: Resource, items: list[Json]) -> Iterator[str]:
        first = resource not in self._listed
        self._listed.add(resource)
        names = {str((body.get("metadata") or {}).get("name")) for body in items}
        known = self.tests if resource == PERF_TESTS else self.runs
        for name in [name for name in known if name not in names]:
            yield from self._drop(resource, name)
        for body in items:
            yield from self._put(resource, body, first=first)

    def _put(self, resource: Resource, body: Json, *, first: bool) -> Iterator[str]:
        if resource == PERF_TESTS:
            test = TestView.of(body)
            before = self.tests.get(test.name)
            if self.only in (None, test.name):
                self.tests[test.name] = test
                if before is None or _test_line(before) != _test_line(test):
                    yield f"{test.name}: {_test_line(test)}"
            return
        run = RunView.of(body)
        known = self.runs.get(run.name)
        if self.only in (None, run.test):
            self.runs[run.name] = run
            # What was over before is not news.
            if (known is None and not (first and run.done)) or (known and known.line != run.line):
                yield f"{run.name}: {run.line}"

    def _drop(self, resource: Resource, name: str) -> Iterator[str]:
        if resource == PERF_TESTS:
            if self.tests.pop(name, None):
                yield f"{name}: the test was deleted"
        elif (run := self.runs.pop(name, None)) and not run.done:
            yield f"{name}: the run was deleted"  # old ones are deleted with every new one

    @staticmethod
    def _run_row(run: RunView, test: TestView | None, now: datetime) -> tuple[str, ...]:
        soon = due(test.next_time, now) if test else ""
        what = run.queue or run.progress or run.message
        return (run.test, run.name, run.state, age(run.created, now), soon, what)

    @staticmethod
    def _test_row(test: TestView, last: RunView | None, now: datetime) -> tuple[str, ...]:
        soon = test.waits or due(test.next_time, now)
        if last is None:
            what, name, verdict = "not run yet", test.last_run, test.verdict
        else:
            what, name, verdict = last.message, last.name, last.state
        what = test.problem or test.trend_told or what
        return (test.name, name, verdict, age(test.last_time, now), soon, what)


def _test_line(test: TestView) -> str:
    """What to print about a test besides its runs; only times that do not change by themselves."""
    if test.problem:
        return f"not ready: {test.problem}"
    parts = []
    if test.trend_told:
        parts.append(f"{test.trend}: {test.trend_told}")
    if test.suspended:
        parts.append("suspended")
    elif test.next_time is not None:
        parts.append(f"next run at {format_time(test.next_time)}")
    return "; ".join(parts) or "no run is scheduled"
