"""``perfrun next``: when the tests of manifests will run, and which times will be missed."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from rich.console import Console

from perfrun.api.perftest import PerfTest
from perfrun.api.quantities import format_exact_duration
from perfrun.api.times import format_time, parse_time
from perfrun.cli.choices import TextForm
from perfrun.cli.exits import Exit
from perfrun.cli.manifests import read_manifests, selected
from perfrun.cli.selector import Selector
from perfrun.cli.structured import tell_structured
from perfrun.cli.terminal import tell
from perfrun.logic.upcoming import Upcoming, load_length, upcoming

Json = dict[str, Any]


def parse_from(text: str | None) -> datetime:
    """The time to look from. Raises ValueError with what to write."""
    if text is None:
        return datetime.now(UTC)
    try:
        return parse_time(text)
    except ValueError as error:
        raise ValueError(
            f"--from: {text!r} is no time with a zone: write it as 2026-11-24T02:00:00Z, or with "
            "+01:00 at its end"
        ) from error


def next_runs(
    files: Sequence[str],
    out: Console,
    count: int,
    start: datetime,
    form: TextForm = TextForm.TEXT,
    selector: Selector | None = None,
) -> Exit:
    """Tell of the next ``count`` scheduled times of each test after ``start``."""
    every, nothing = selected(read_manifests(files), selector)
    manifests = [one for one in every if not one.skipped and one.held is None]
    wrong = [one for one in manifests if one.problems]
    for manifest in wrong:
        for problem in manifest.problems:
            tell(out, f"{manifest.source}: {problem}")
    if wrong:
        return Exit.USAGE
    tests = [one.test for one in manifests if one.test is not None]
    if not tests:
        tell(out, nothing or "no PerfTest in what was given")
        return Exit.USAGE
    if form is not TextForm.TEXT:
        tell_structured([_as_json(test, count, start) for test in tests], form, out)
    else:
        for test in tests:
            for line in _lines(test, count, start):
                tell(out, line)
    return Exit.OK


def _runs(test: PerfTest, count: int, start: datetime) -> Iterator[Upcoming]:
    return islice(upcoming(test.metadata.name, test.spec, start), count)


def _as_json(test: PerfTest, count: int, start: datetime) -> Json:
    schedule = test.spec.schedule
    return {
        "test": test.metadata.name,
        "namespace": test.metadata.namespace,
        "cron": schedule.cron if schedule else None,
        "timeZone": schedule.time_zone if schedule else None,
        "runs": [
            {
                "time": one.tick.isoformat(),
                "due": format_time(one.due),
                "name": one.run,
                "takesPlace": one.takes_place,
                "notes": list(one.notes),
            }
            for one in _runs(test, count, start)
        ],
    }


def _lines(test: PerfTest, count: int, start: datetime) -> Iterator[str]:
    schedule, name = test.spec.schedule, test.metadata.name
    if schedule is None:
        whens = []
        if test.spec.runs_on_change:
            whens.append("when it is created and when what it runs changes")
        if workloads := test.spec.runs_on_rollout:
            names = ", ".join(f"{one.kind} {one.name}" for one in workloads)
            whens.append(f"after each rollout of {names}")
        yield f"{name}: no schedule: it runs {' and '.join(whens) or 'only when it is asked to'}"
        return
    length = load_length(test.spec)
    takes = "a load of unknown length"
    if length is not None:
        takes = f"{format_exact_duration(length)} of load"
    policy = f"concurrencyPolicy {schedule.concurrency_policy}"
    yield f"{name}: {schedule.cron} ({schedule.time_zone}), {takes}, {policy}"
    for one in _runs(test, count, start):
        sign = "✔" if one.takes_place else "✘"
        jitter = (one.due - one.tick).total_seconds()
        later = f" +{jitter:.0f}s" if jitter else ""
        notes = f"  {'; '.join(one.notes)}" if one.notes else ""
        yield f"  {sign} {one.tick:%a %Y-%m-%d %H:%M %z}{later}  {one.run}{notes}"
