"""``perfrun next``: when the tests of manifests will run, and which times will be missed."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from rich.console import Console

from perfrun.api import Json
from perfrun.api.quantities import format_exact_duration
from perfrun.api.test.perftest import PerfTest
from perfrun.api.times import format_time, parse_time
from perfrun.cli.terminal.exits import Exit
from perfrun.cli.terminal.streams import TextForm, print_line, print_structured
from perfrun.local.files.manifests import Manifest, read_manifests, selected
from perfrun.local.files.selector import Selector
from perfrun.logic.schedule.forecast import forecast
from perfrun.logic.schedule.policy import Policies
from perfrun.logic.schedule.upcoming import Upcoming, load_length


def parse_from(text: str | None) -> datetime:
    """The time to start from. Raises ValueError that says what to write."""
    if text is None:
        return datetime.now(UTC)
    try:
        return parse_time(text)
    except ValueError as error:
        raise ValueError(
            f"--from: {text!r} is not a time with a time zone: write it as "
            "2026-11-24T02:00:00Z, or with +01:00 at the end"
        ) from error


def next_runs(
    files: Sequence[str],
    out: Console,
    count: int,
    start: datetime,
    form: TextForm = TextForm.TEXT,
    selector: Selector | None = None,
) -> Exit:
    """Print the next ``count`` scheduled times of each test after ``start``."""
    every = read_manifests(files)
    manifests, nothing = selected(every, selector)
    wrong = [one for one in manifests if one.problems]
    for manifest in wrong:
        for problem in manifest.problems:
            print_line(out, problem.line("error"))
    if wrong:
        return Exit.USAGE
    if not any(one.test for one in manifests):
        print_line(out, nothing or "no PerfTest in the given files")
        return Exit.USAGE
    told = [
        (test, runs)
        for test, runs in _forecast(every, start, count)
        if selector is None or selector.holds(test.metadata.labels)
    ]
    if form is not TextForm.TEXT:
        print_structured([_as_json(test, runs) for test, runs in told], form, out)
    else:
        for test, runs in told:
            for line in _lines(test, runs):
                print_line(out, line)
    return Exit.OK


def _forecast(
    manifests: Sequence[Manifest], start: datetime, count: int
) -> Iterator[tuple[PerfTest, list[Upcoming]]]:
    """All tests together, including those that were not selected, because they take their turns as
    well.
    """
    tests = [one.test for one in manifests if one.test is not None and not one.problems]
    written = [one.policy for one in manifests if one.policy is not None]
    policies = Policies({policy.metadata.name: policy.spec for policy in written}, {})
    return zip(tests, forecast(tests, policies, start, count), strict=True)


def _as_json(test: PerfTest, runs: Sequence[Upcoming]) -> Json:
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
                "reason": one.reason,
                "notes": one.notes,
            }
            for one in runs
        ],
    }


def _lines(test: PerfTest, runs: Sequence[Upcoming]) -> Iterator[str]:
    schedule, name = test.spec.schedule, test.metadata.name
    if schedule is None:
        whens = []
        if test.spec.runs_on_change:
            whens.append("when it is created, and when what it runs changes")
        if workloads := test.spec.runs_on_rollout:
            names = ", ".join(f"{one.kind} {one.name}" for one in workloads)
            whens.append(f"after each rollout of {names}")
        yield f"{name}: no schedule: it runs {' and '.join(whens) or 'only on request'}"
        return
    length = load_length(test.spec)
    takes = "a load of unknown length"
    if length is not None:
        takes = f"{format_exact_duration(length)} of load"
    policy = f"concurrencyPolicy {schedule.concurrency_policy}"
    yield f"{name}: {schedule.cron} ({schedule.time_zone}), {takes}, {policy}"
    for one in runs:
        sign = "✔" if one.takes_place else "✘"
        jitter = (one.due - one.tick).total_seconds()
        later = f" +{jitter:.0f}s" if jitter else ""
        notes = f"  {'; '.join(one.notes)}" if one.notes else ""
        yield f"  {sign} {one.tick:%a %Y-%m-%d %H:%M %z}{later}  {one.run}{notes}"
