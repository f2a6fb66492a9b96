"""Commands about finished runs, from files and from a cluster."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand
from typing_extensions import override

from perfrun.cli import completion
from perfrun.cli.commands.app import (
    REPORTS,
    Context,
    CsvFile,
    FailOnVerdict,
    HtmlFile,
    JsonFile,
    JunitFile,
    MarkdownFile,
    Namespace,
    Strict,
    app,
    connected,
    fail_on_of,
    leave,
    named,
    out_option,
    outputs,
)
from perfrun.cli.terminal.streams import console

if TYPE_CHECKING:
    from perfrun.cli.cluster.shell import Cluster

_AGAINST = "--against"


Runs = Annotated[
    list[str],
    typer.Argument(
        metavar="RUN|FILE",
        autocompletion=completion.run_names,
        callback=named,
        help=(
            "Names of PerfRuns, test/NAME for the last run of a test, files of perfrun run "
            "(--result or --json), or - for stdin."
        ),
    ),
]


@app.command(rich_help_panel=REPORTS)
def report(
    runs: Runs,
    html_file: HtmlFile = None,
    junit_file: JunitFile = None,
    json_file: JsonFile = None,
    md_file: MarkdownFile = None,
    csv_file: CsvFile = None,
    strict: Strict = False,
    fail_on: FailOnVerdict = None,
    namespace: Namespace = None,
    context: Context = None,
) -> None:
    """Print or write finished runs.

    Exit codes: 0 done, whatever the verdicts; with --fail-on 1 for that verdict or a worse one;
    2 run not found, or not a result file; 3 no cluster, or a file that could not be written.
    """
    from perfrun.cli.reports import report
    from perfrun.cli.sources import Sources
    from perfrun.cli.terminal import forms
    from perfrun.cli.terminal.outputs import Outputs

    out, err = outputs()
    wanted = Outputs(
        out,
        [
            (forms.HTML, html_file),
            (forms.JUNIT, junit_file),
            (forms.JSON, json_file),
            (forms.MARKDOWN, md_file),
            (forms.CSV, csv_file),
        ],
    )
    with _cluster(context, namespace) as cluster:
        sources = Sources(cluster, last=1, full=html_file is not None or csv_file is not None)
        code = report(
            runs,
            sources,
            wanted,
            console(out),
            console(err),
            fail_on=fail_on_of(fail_on, strict=strict),
        )
    leave(code, out, err)


class _WithGroups(TyperCommand):
    """``--against A B C``: everything after it belongs to it, as a shell expands
    ``--against *``.
    """

    @override
    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        return super().parse_args(ctx, _spread(args))


def _spread(args: list[str]) -> list[str]:
    """Turn each word after ``--against``, up to the next option, into a separate option."""
    spread: list[str] = []
    follows = False
    for before, word in pairwise(["", *args]):
        if word.startswith("-") and word != "-":
            follows = word == _AGAINST
        elif follows and before != _AGAINST:
            spread.append(_AGAINST)
        spread.append(word)
    return spread


@app.command(rich_help_panel=REPORTS, cls=_WithGroups)
def compare(
    runs: Runs,
    against: Annotated[
        list[str] | None,
        typer.Option(
            _AGAINST,
            metavar="RUN|FILE...",
            callback=named,
            help="The baseline: one or more runs, up to the next option. Default: the first run.",
        ),
    ] = None,
    html_file: Annotated[
        str | None,
        out_option("--html", "Write a self-contained HTML page."),
    ] = None,
    md_file: MarkdownFile = None,
    json_file: Annotated[
        str | None,
        out_option("--json", "Write all figures of the comparison."),
    ] = None,
    test: Annotated[
        str | None, typer.Option(metavar="NAME", help="Only this test, if the files have several.")
    ] = None,
    doubtful: Annotated[
        bool, typer.Option("--doubtful", help="Include runs with problems of the load generator.")
    ] = False,
    namespace: Namespace = None,
    context: Context = None,
) -> None:
    """Compare runs with the first of them, or with a group: compare NEW... --against OLD...

    Exit codes: 0 done, whatever was found; 2 run not found, or not a result file; 3 no cluster, or
    a file that could not be written.
    """
    from perfrun.cli.reports import ComparisonRequest, compare_runs
    from perfrun.cli.sources import Sources
    from perfrun.cli.terminal import forms
    from perfrun.cli.terminal.outputs import Outputs

    out, err = outputs()
    places = Outputs(
        out,
        [
            (forms.COMPARISON_HTML, html_file),
            (forms.COMPARISON_MARKDOWN, md_file),
            (forms.COMPARISON_JSON, json_file),
        ],
    )
    wanted = ComparisonRequest(runs, against or [], test, doubtful)
    named([*runs, *wanted.against])
    with _cluster(context, namespace) as cluster:
        sources = Sources(cluster, last=2, full=True)
        code = compare_runs(wanted, sources, places, console(out), console(err))
    leave(code, out, err)


@contextmanager
def _cluster(context: str | None, namespace: str | None) -> Iterator[Callable[[], "Cluster"]]:
    """The cluster, connected to when it is first asked for."""
    with ExitStack() as stack:

        @cache
        def connect() -> "Cluster":
            return stack.enter_context(connected(context, namespace))

        yield connect
