"""Commands that need no cluster."""

from pathlib import Path
from typing import Annotated

import typer

from perfrun.cli.commands.app import (
    LOCAL,
    CsvFile,
    FailOnVerdict,
    Files,
    HtmlFile,
    JsonFile,
    JunitFile,
    Labels,
    MarkdownFile,
    ResultFile,
    RunLabels,
    Settings,
    Strict,
    TextOutput,
    Variables,
    app,
    fail_on_of,
    leave,
    outputs,
)
from perfrun.cli.terminal.exits import Exit, FailOn
from perfrun.cli.terminal.streams import TextForm, console, print_line
from perfrun.local.files.selector import Selector, parse_selector

Secrets = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR",
        exists=True,
        file_okay=False,
        help="Folder with values of Secrets and ConfigMaps, as files DIR/NAME/KEY.",
    ),
]
TargetUrl = Annotated[
    str | None,
    typer.Option(
        metavar="URL",
        help=(
            "Where to reach the targets from this machine, as in http://localhost:8000; paths "
            "are taken from the manifests."
        ),
    ),
]
Slowest = Annotated[
    int, typer.Option(min=0, max=1000, metavar="N", help="List the N slowest tests at the end.")
]
Observe = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME=PID",
        help=(
            "Observe a process of this machine instead of the workload NAME; NAME=port:8000 "
            "is the process that listens on that port."
        ),
    ),
]


def _selector(text: str | None) -> Selector | None:
    if text is None:
        return None
    try:
        return parse_selector(text)
    except ValueError as error:
        out, err = outputs()
        print_line(console(err), str(error))
        leave(Exit.USAGE, out, err)


@app.command(rich_help_panel=LOCAL)
def run(
    files: Files,
    labels: Labels = None,
    json_file: JsonFile = None,
    result_file: ResultFile = None,
    html_file: HtmlFile = None,
    junit_file: JunitFile = None,
    md_file: MarkdownFile = None,
    csv_file: CsvFile = None,
    secrets: Secrets = None,
    url: TargetUrl = None,
    variables: Variables = None,
    settings: Settings = None,
    run_labels: RunLabels = None,
    strict: Strict = False,
    fail_on: FailOnVerdict = None,
    slowest: Slowest = 0,
    observe: Observe = None,
) -> None:
    """Run the PerfTests of manifests on this machine and judge them.

    Exit codes: 0 done, 1 Fail, 2 invalid manifest or usage, 3 Error, 130 stopped.
    """
    from perfrun.cli.overrides import parse_overrides
    from perfrun.cli.run import Here, run_files
    from perfrun.cli.terminal import forms
    from perfrun.cli.terminal.outputs import Outputs

    out, err = outputs()
    places = (json_file, result_file, html_file, junit_file, md_file, csv_file)
    wanted = Outputs(out, list(zip(forms.OF_A_RUN, places, strict=True)))
    report = console(err if wanted.takes_stdout else out)
    try:
        changes = parse_overrides(
            url=url, variables=variables or (), settings=settings or (), labels=run_labels or ()
        )
    except ValueError as error:
        print_line(console(err), str(error))
        leave(Exit.USAGE, out, err)
    code = run_files(
        files,
        wanted,
        Here(secrets, changes, observe or ()),
        report,
        console(err),
        fail_on=fail_on_of(fail_on, strict=strict) or FailOn.FAIL,
        selector=_selector(labels),
        slowest=slowest,
    )
    leave(code, out, err)


@app.command(rich_help_panel=LOCAL)
def validate(files: Files, labels: Labels = None, output: TextOutput = TextForm.TEXT) -> None:
    """Check manifests and say what they would cost; nothing is sent anywhere."""
    from perfrun.cli.validate import validate_files

    out, err = outputs()
    leave(validate_files(files, console(out), output, _selector(labels)), out, err)


@app.command(name="next", rich_help_panel=LOCAL)
def next_(
    files: Files,
    labels: Labels = None,
    count: Annotated[int, typer.Option(min=1, max=1000, help="Number of times to show.")] = 5,
    start: Annotated[
        str | None,
        typer.Option(
            "--from", metavar="TIME", help=("Start from this time, as in 2026-11-24T02:00:00Z.")
        ),
    ] = None,
    output: TextOutput = TextForm.TEXT,
) -> None:
    """Say when scheduled tests run next, and which times will be missed, and why."""
    from perfrun.cli.next import next_runs, parse_from

    out, err = outputs()
    try:
        moment = parse_from(start)
    except ValueError as error:
        print_line(console(err), str(error))
        leave(Exit.USAGE, out, err)
    code = next_runs(files, console(out), count, moment, output, _selector(labels))
    leave(code, out, err)
