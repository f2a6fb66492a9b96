"""``perfrun validate``: what a manifest asks for, and whether it would be accepted."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

from rich.console import Console

from perfrun.api.perftest import PerfTest
from perfrun.api.quantities import NS_PER_S, format_exact_duration, format_rate
from perfrun.cli.exits import Exit
from perfrun.cli.manifests import Manifest, read_manifests
from perfrun.cli.terminal import tell
from perfrun.logic.capacity import most_holds
from perfrun.logic.plan import load_end, make_plan, planned
from perfrun.logic.schedule import ticks
from perfrun.measure.plan import RunPlan

_DAYS = 28
"""Over which runs a day are averaged: whole weeks, whatever the weekday fields say."""


def validate_files(files: Sequence[str], out: Console) -> Exit:
    """Say of every document whether it is right, and what it would cost."""
    manifests = read_manifests(files)
    now = datetime.now(UTC)
    for manifest in manifests:
        for line in describe(manifest, now):
            tell(out, f"{manifest.source}: {line}")
    if any(manifest.problems for manifest in manifests):
        return Exit.USAGE
    if not any(manifest.test for manifest in manifests):
        tell(out, "no PerfTest in what was given")
        return Exit.USAGE
    return Exit.OK


def describe(manifest: Manifest, now: datetime) -> Iterator[str]:
    """The lines about one document."""
    if manifest.skipped:
        yield f"skipped: {manifest.skipped}"
    if manifest.held is not None and not manifest.problems:
        kind, _, name, data = manifest.held
        yield f"ok: {kind} {name}: its keys are values for perfrun run: {', '.join(sorted(data))}"
    yield from manifest.problems
    for warning in manifest.warnings:
        yield f"warning: {warning}"
    if manifest.test is not None and not manifest.problems:
        yield f"ok: {manifest.test.metadata.name}: {', '.join(_costs(manifest.test, now))}"


def _costs(test: PerfTest, now: datetime) -> Iterator[str]:
    name = test.metadata.name
    plan = make_plan(test.spec, uid="", namespace=test.metadata.namespace, test=name, run=name)
    load, end = plan.load, load_end(plan)
    if load.burst is not None:
        yield f"burst of {planned(plan)} iterations, {load.burst.concurrency} at a time"
    elif load.closed is not None:
        users = max(stage.users for stage in load.closed.levels())
        yield f"up to {users} users"
    elif load.capacity is not None:
        first, last = format_rate(load.capacity.from_), format_rate(load.capacity.to)
        hold = format_exact_duration(load.capacity.hold)
        yield f"search from {first} to {last}, at most {most_holds(load.capacity)} holds of {hold}"
    else:
        yield f"{planned(plan)} iterations"
    if end is not None:
        yield f"{format_exact_duration(end)} of load"
    yield f"{load.workers} worker{'s' if load.workers > 1 else ''}"
    if test.spec.schedule is not None:
        runs = sum(1 for _ in _ticks_of_days(test, now)) / _DAYS
        yield from _daily(plan, end, runs)


def _daily(plan: RunPlan, end: int | None, runs: float) -> Iterator[str]:
    yield f"{runs:.4g} runs a day"
    if plan.load.burst is not None or plan.load.open is not None:
        yield f"{planned(plan) * _steps(plan) * runs:.0f} requests a day"
    if end is not None:
        hours = end / NS_PER_S / 3600 * plan.load.workers * runs
        yield f"{hours:.3g} core-hours a day"


def _steps(plan: RunPlan) -> float:
    """Requests of an iteration on average, by the weights of the scenarios."""
    weights = sum(scenario.weight for scenario in plan.scenarios)
    return sum(len(scenario.steps) * scenario.weight for scenario in plan.scenarios) / weights


def _ticks_of_days(test: PerfTest, now: datetime) -> Iterator[datetime]:
    assert test.spec.schedule is not None
    end = now + timedelta(days=_DAYS)
    for tick in ticks(test.spec.schedule, now):
        if tick > end:
            return
        yield tick
