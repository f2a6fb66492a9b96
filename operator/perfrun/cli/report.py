"""``perfrun report``: finished runs, from files or a cluster, in the form that is asked for."""

from collections.abc import Sequence

from rich.console import Console

from perfrun.api.run.perfrun import Phase
from perfrun.cli.sources import RunArgumentError, Sources, UnreachableError, read_all
from perfrun.cli.terminal.exits import Exit, of_verdict, worst
from perfrun.cli.terminal.forms import Runs
from perfrun.cli.terminal.outputs import Outputs
from perfrun.cli.terminal.streams import tell
from perfrun.report.console import print_run


def report(
    arguments: Sequence[str],
    sources: Sources,
    outputs: Outputs[Runs],
    out: Console,
    err: Console,
    *,
    strict: bool,
) -> Exit:
    """Write the runs, or print them where no file is named."""
    try:
        runs = read_all(sources, arguments)
    except RunArgumentError as error:
        tell(err, str(error))
        return Exit.USAGE
    except UnreachableError as error:
        tell(err, str(error))
        return Exit.ERROR
    several = len(runs) > 1
    problems = list(outputs.problems(several=several))
    for problem in problems:
        tell(err, problem)
    if problems:
        return Exit.USAGE
    for note in sources.notes:
        tell(err, f"note: {note}")
    for one in runs:
        if one.run.status.phase is not Phase.DONE:
            phase = one.run.status.phase or "not begun"
            tell(err, f"note: {one.run.metadata.name} is not done ({phase}): it has no verdict yet")
    unwritten = list(outputs.write(Runs(runs, several, strict), several=several))
    for sentence in unwritten:
        tell(err, sentence)
    if not outputs:
        for one in runs:
            print_run(one.run, out)
            out.print()
    codes = [of_verdict(one.run.status.verdict, strict=True) for one in runs if strict]
    return worst([Exit.OK, *codes, *([Exit.ERROR] if unwritten else [])])
