"""``perfrun run``: each test in turn, on this machine, and one exit code for all."""

import asyncio
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from rich.console import Console
from rich.text import Text

from perfrun.api.run.overrides import Overrides
from perfrun.api.run.perfrun import PerfRun, Verdict
from perfrun.api.test.perftest import PerfTest, PerfTestSpec
from perfrun.cli.overrides import RunChanges, changed
from perfrun.cli.terminal.exits import Exit, FailOn, of_verdict, worst
from perfrun.cli.terminal.forms import Runs
from perfrun.cli.terminal.outputs import Outputs
from perfrun.cli.terminal.progress import ProgressView
from perfrun.cli.terminal.signals import leave_on_interrupt
from perfrun.cli.terminal.streams import print_line
from perfrun.local.files.manifests import Manifest, read_manifests, selected
from perfrun.local.files.selector import Selector
from perfrun.local.outcome import new_plan, outcome_of
from perfrun.local.processes import parse_processes, unused
from perfrun.local.run import BY_SIGTERM, LocalRun, Stop, cores, run_local
from perfrun.local.values import FoundValues, find_values
from perfrun.logic.comparison.model import Reported
from perfrun.measure.plan import RunPlan
from perfrun.measure.result import RunResult
from perfrun.report.console import print_run, print_slowest


class Here(NamedTuple):
    """Replacements on this machine for what a cluster provides."""

    secrets: Path | None = None
    """A folder with the values of Secrets and ConfigMaps."""
    changes: RunChanges | None = None
    """What the runs change in their tests."""
    observe: Sequence[str] = ()
    """NAME=PID or NAME=port:PORT: processes that replace observed workloads."""


@dataclass(frozen=True, slots=True)
class FinishedTest:
    """One test that was run, or would have been."""

    run: PerfRun
    result: RunResult
    interrupted: bool

    @property
    def cut_short(self) -> bool:
        """Whether it was interrupted. A load that is to be stopped, and was measured until then,
        has come to its end by Ctrl-C.
        """
        status, load = self.run.status, self.result.plan.load
        as_planned = load.until_stopped and status.summary is not None
        return self.interrupted and not (as_planned and status.stopped != BY_SIGTERM)


class WantedTest(NamedTuple):
    """One test that is to be run."""

    test: PerfTest
    values: FoundValues
    overrides: Overrides | None = None
    """What is changed in ``test`` already."""
    beside: Path | None = None
    """The folder of its manifest."""


class _Wanted(NamedTuple):
    """What to run, or why it cannot be run: nothing is run unless all tests are right."""

    tests: Sequence[WantedTest]
    processes: Mapping[str, int]
    """Process ids by the name of what is observed."""
    problems: Sequence[str]

    @property
    def several(self) -> bool:
        """More than one test."""
        return len(self.tests) > 1


def run_files(
    files: Sequence[str],
    outputs: Outputs[Runs],
    here: Here,
    out: Console,
    err: Console,
    *,
    fail_on: FailOn = FailOn.FAIL,
    selector: Selector | None = None,
    slowest: int = 0,
) -> Exit:
    """Run every selected PerfTest in ``files``. Nothing is run unless all are right.

    The ``slowest`` ones are listed at the end.
    """
    manifests, nothing = selected(read_manifests(files), selector)
    if nothing is None and not any(one.test or one.problems for one in manifests):
        nothing = "no PerfTest in the given files: nothing to run"
    return run_manifests(
        manifests, outputs, here, out, err, fail_on=fail_on, nothing=nothing, slowest=slowest
    )


def run_manifests(
    manifests: Sequence[Manifest],
    outputs: Outputs[Runs],
    here: Here,
    out: Console,
    err: Console,
    *,
    fail_on: FailOn = FailOn.FAIL,
    nothing: str | None = None,
    slowest: int = 0,
) -> Exit:
    """Run every PerfTest in ``manifests``. Nothing is run unless all are right.

    ``nothing`` says why there is none to run.
    """
    if here.changes is not None:
        manifests = changed(manifests, here.changes)
    told = print_manifests(manifests, err)
    wanted = _wanted(manifests, here)
    problems = [*wanted.problems, *outputs.problems(several=wanted.several)]
    if nothing is not None:
        problems.append(nothing)
    for problem in problems:
        print_line(err, problem)
    if told or problems:
        return Exit.USAGE
    finished, unwritten = _run_each(wanted, outputs, out, err, fail_on=fail_on)
    if slowest:
        print_slowest([one.run for one in finished], slowest, out)
    for sentence in unwritten:
        print_line(err, sentence)
    codes = [exit_code(one, fail_on) for one in finished]
    code = worst([*codes, Exit.ERROR] if unwritten else codes)
    if code is Exit.OK and (note := zero_note([one.run for one in finished], fail_on)) is not None:
        out.print(Text(note, style="yellow"), soft_wrap=True)
    return code


def _run_each(
    wanted: _Wanted, outputs: Outputs[Runs], out: Console, err: Console, *, fail_on: FailOn
) -> tuple[list[FinishedTest], list[str]]:
    """The tests that were run, until one was interrupted, and why outputs could not be written."""
    finished: list[FinishedTest] = []
    unwritten: dict[str, None] = {}
    for number, one in enumerate(wanted.tests, 1):
        place = f"{number} of {len(wanted.tests)}" if wanted.several else ""
        finished.append(run_test(one, err, wanted.processes, place))
        interrupted = finished[-1].cut_short
        # Before anything is printed, because the reader of the report may stop early.
        reported = [Reported(one.run, one.result) for one in finished]
        failed = outputs.write(
            Runs(reported, wanted.several, fail_on),
            several=wanted.several,
            last=interrupted or number == len(wanted.tests),
        )
        unwritten |= dict.fromkeys(failed)
        print_run(finished[-1].run, out)
        out.print()
        if interrupted:
            break
    return finished, list(unwritten)


def run_test(
    wanted: WantedTest, err: Console, processes: Mapping[str, int], place: str = ""
) -> FinishedTest:
    """Run one test and judge it; whatever happens, there is a PerfRun that says so.

    ``place`` is its number among several.
    """
    test = wanted.test
    plan = new_plan(test)
    if plan.load.workers > cores():
        print_line(
            err,
            f"note: {plan.load.workers} workers share {cores()} cores of this machine; they "
            "may be slower than the target",
        )
    if (benchmark := plan.target.benchmark) is not None:
        print_line(err, f"note: the command runs as it is installed here, not in {benchmark.image}")
    if (script := plan.target.script) is not None and script.image is not None:
        print_line(err, f"note: {script.tool} runs as it is installed here, not in {script.image}")
    with ProgressView(err, place) as view:
        local = asyncio.run(_run(plan, test.spec, wanted, view, processes))
    leave_on_interrupt()
    for lost in local.lost:
        print_line(err, f"note: lost: {lost}")
    run, result = outcome_of(test, local, wanted.overrides)
    return FinishedTest(run, result, interrupted=local.stopped is not None)


def exit_code(finished: FinishedTest, fail_on: FailOn) -> Exit:
    """The meaning of one run for the exit code."""
    if finished.cut_short:
        return Exit.INTERRUPTED
    return of_verdict(finished.run.status.verdict, fail_on)


def zero_note(runs: Sequence[PerfRun], fail_on: FailOn) -> str | None:
    """Why the exit code is 0 although objectives were missed; None if none was missed."""
    verdicts = [slo.verdict for run in runs for slo in run.status.slos]
    missed = sum(verdict in (Verdict.WARN, Verdict.FAIL) for verdict in verdicts)
    if not missed:
        return None
    counted, none = ("1 objective was", "it does not have")
    if missed > 1:
        counted, none = (f"{missed} objectives were", "none of them has")
    reason = f"--fail-on {fail_on}" if Verdict.FAIL in verdicts else f"{none} onBreach: Fail"
    return f"exit code 0, although {counted} missed: {reason} (--fail-on warn exits with 1)"


def print_manifests(manifests: Sequence[Manifest], err: Console) -> int:
    """Print what is wrong, doubtful or skipped; returns the number of problems."""
    for manifest in manifests:
        if manifest.skipped:
            print_line(err, f"{manifest.source}: skipped: {manifest.skipped}")
        if manifest.policy is not None:
            print_line(err, f"{manifest.source}: skipped: a PerfPolicy applies only in a cluster")
        for warning in manifest.warnings:
            if warning in manifest.in_cluster:
                continue
            print_line(err, warning.line("warning"))
        for problem in manifest.problems:
            print_line(err, problem.line("error"))
    return sum(len(manifest.problems) for manifest in manifests)


def _wanted(manifests: Sequence[Manifest], here: Here) -> _Wanted:
    tests, problems = _with_values(manifests, here.secrets)
    processes, unknown = _processes(here.observe, [one.test for one in tests])
    problems += unknown
    problems += _for_linux_only([one.test for one in tests], sys.platform)
    return _Wanted(tests, processes, problems)


def _for_linux_only(tests: Sequence[PerfTest], platform: str) -> list[str]:
    """What of the tests another system cannot run."""
    return [
        f"{test.metadata.name}: spec.target.{test.spec.target.kind}: `perfrun run` measures "
        "commands on Linux only: run it in a container"
        for test in tests
        if test.spec.target.kind in ("benchmark", "script") and platform != "linux"
    ]


def _with_values(
    manifests: Sequence[Manifest], secrets: Path | None
) -> tuple[list[WantedTest], list[str]]:
    """Each test with its values from Secrets and ConfigMaps, and the values that are missing."""
    held = [manifest.held for manifest in manifests if manifest.held is not None]
    tests: list[WantedTest] = []
    problems: list[str] = []
    for manifest in manifests:
        if manifest.test is not None:
            values, missing = find_values(manifest.test, held, secrets, manifest.folder)
            tests.append(WantedTest(manifest.test, values, manifest.overrides, manifest.folder))
            problems += [manifest.remark(sentence).line("error") for sentence in missing]
    return tests, problems


def _processes(
    observe: Sequence[str], tests: Sequence[PerfTest]
) -> tuple[dict[str, int], list[str]]:
    try:
        found = parse_processes(observe)
    except ValueError as error:
        return {}, [str(error)]
    return found, unused(found, tests)


async def _run(
    plan: RunPlan,
    spec: PerfTestSpec,
    wanted: WantedTest,
    view: ProgressView,
    processes: Mapping[str, int],
) -> LocalRun:
    stop = Stop()
    stop.listen()
    return await run_local(plan, spec, wanted.values, stop, view, processes, wanted.beside)
