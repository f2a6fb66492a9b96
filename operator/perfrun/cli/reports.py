"""``perfrun report`` and ``perfrun compare``: finished runs, one by one or side by side, from files
or a cluster, in the requested form.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console

from perfrun.api.run.perfrun import Phase
from perfrun.cli.cluster.refusals import sentence
from perfrun.cli.sources import RunArgumentError, Sources, read_all
from perfrun.cli.terminal.exits import Exit, FailOn, of_verdict, worst
from perfrun.cli.terminal.forms import Compared, Runs
from perfrun.cli.terminal.outputs import Outputs
from perfrun.cli.terminal.streams import print_line
from perfrun.kube.errors import KubeError
from perfrun.logic.comparison.compare import compare, line_up
from perfrun.logic.comparison.model import Comparison, Reported
from perfrun.report.comparison_table import print_comparison
from perfrun.report.console import print_run


def report(
    arguments: Sequence[str],
    sources: Sources,
    outputs: Outputs[Runs],
    out: Console,
    err: Console,
    *,
    fail_on: FailOn | None,
) -> Exit:
    """Write the runs, or print them if no file is named.

    Without ``fail_on``, the verdicts do not affect the exit code.
    """
    try:
        runs = read_all(sources, arguments)
    except RunArgumentError as error:
        print_line(err, str(error))
        return Exit.USAGE
    except KubeError as error:
        print_line(err, sentence(error))
        return Exit.ERROR
    several = len(runs) > 1
    problems = list(outputs.problems(several=several))
    for problem in problems:
        print_line(err, problem)
    if problems:
        return Exit.USAGE
    for note in sources.notes:
        print_line(err, f"note: {note}")
    for one in runs:
        if one.run.status.phase is not Phase.DONE:
            phase = one.run.status.phase or "not begun"
            print_line(
                err, f"note: {one.run.metadata.name} is not done ({phase}): it has no verdict yet"
            )
    unwritten = list(outputs.write(Runs(runs, several, fail_on or FailOn.FAIL), several=several))
    for problem in unwritten:
        print_line(err, problem)
    if not outputs:
        for one in runs:
            print_run(one.run, out)
            out.print()
    codes = [of_verdict(one.run.status.verdict, fail_on) for one in runs if fail_on is not None]
    return worst([Exit.OK, *codes, *([Exit.ERROR] if unwritten else [])])


@dataclass(frozen=True, slots=True)
class ComparisonRequest:
    """What to compare, and how."""

    runs: Sequence[str]
    against: Sequence[str]
    """The baseline; empty: the first of the runs."""
    test: str | None
    """Only runs of this test."""
    doubtful: bool
    """Runs whose generator was at fault count too."""


def compare_runs(
    wanted: ComparisonRequest,
    sources: Sources,
    outputs: Outputs[Compared],
    out: Console,
    err: Console,
) -> Exit:
    """Write the comparison, or print it if no file is named."""
    problems = list(outputs.problems())
    for problem in problems:
        print_line(err, problem)
    if problems:
        return Exit.USAGE
    try:
        runs, comparison = _compared(wanted, sources)
    except (RunArgumentError, ValueError) as error:
        print_line(err, str(error))
        return Exit.USAGE
    except KubeError as error:
        print_line(err, sentence(error))
        return Exit.ERROR
    for note in sources.notes:
        print_line(err, f"note: {note}")
    unwritten = list(outputs.write(Compared(runs, comparison)))
    for problem in unwritten:
        print_line(err, problem)
    if not outputs:
        print_comparison(comparison, out)
    return Exit.ERROR if unwritten else Exit.OK


def _compared(wanted: ComparisonRequest, sources: Sources) -> tuple[list[Reported], Comparison]:
    """Raises ValueError if the necessary runs do not exist."""
    given = [sources.read(argument) for argument in wanted.runs]
    against = [sources.read(argument) for argument in wanted.against]
    if wanted.test is None:
        _refuse_mixed([*given, *against])
    runs, baseline = _chosen(given, wanted.test), _chosen(against, wanted.test)
    if wanted.against:
        if not runs or not baseline:
            side = "--against" if runs else "the runs to compare"
            raise ValueError(f"no run is left in {side}")
        return [*baseline, *runs], compare(baseline, runs, doubtful=wanted.doubtful)
    if len(runs) < 2:
        raise ValueError(
            f"a comparison needs at least two runs, but there {'is one' if runs else 'is none'}"
        )
    return runs, line_up(runs)


def _refuse_mixed(given: Sequence[Sequence[Reported]]) -> None:
    tests = list(dict.fromkeys(_test(one) for runs in given for one in runs))
    if len(tests) > 1 and any(len(runs) > 1 for runs in given):
        raise ValueError(
            f"these are runs of several tests ({', '.join(tests[:5])}): select one with --test"
        )


def _chosen(given: Sequence[Sequence[Reported]], test: str | None) -> list[Reported]:
    return [one for runs in given for one in runs if test is None or _test(one) == test]


def _test(reported: Reported) -> str:
    return reported.run.spec.test_ref.name
