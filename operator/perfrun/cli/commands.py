"""The commands and their options. What only one of them needs is loaded by that one."""

import logging
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from perfrun import __version__
from perfrun.cli.exits import Exit, worst
from perfrun.cli.terminal import Output, console, tell

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Performance tests as Kubernetes objects: run one here, or check it, without a cluster.",
)


class Form(StrEnum):
    """How a command prints what it has to say."""

    TEXT = "text"
    JSON = "json"


Files = Annotated[
    list[str],
    typer.Argument(metavar="FILE", help="Manifests: files, folders of *.yaml, or - for stdin."),
]


@app.command()
def run(
    files: Files,
    json_file: Annotated[
        Path | None,
        typer.Option(
            "--json",
            metavar="OUT",
            help="Write the PerfRun that a cluster would hold; - is standard output.",
        ),
    ] = None,
    result_file: Annotated[
        Path | None,
        typer.Option(
            "--result", metavar="OUT", help="Write all that was measured; - is standard output."
        ),
    ] = None,
    secrets: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            exists=True,
            file_okay=False,
            help="Values of Secrets and ConfigMaps, as files DIR/NAME/KEY.",
        ),
    ] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit with 1 for anything but Pass.")
    ] = False,
) -> None:
    """Run the PerfTests of manifests on this machine and judge them.

    Exit codes: 0 done, 1 Fail, 2 manifest or usage wrong, 3 Error, 130 stopped.
    """
    from perfrun.cli.outputs import Outputs
    from perfrun.cli.run import run_files

    out, err = Output(sys.stdout, "standard output"), Output(sys.stderr, "standard error")
    outputs = Outputs(json_file, result_file, out)
    report = console(err if outputs.takes_stdout else out)
    code = run_files(files, outputs, secrets, report, console(err), strict=strict)
    _leave(code, out, err)


@app.command()
def validate(files: Files) -> None:
    """Check manifests and say what they would cost; nothing is sent anywhere."""
    from perfrun.cli.validate import validate_files

    out, err = Output(sys.stdout, "standard output"), Output(sys.stderr, "standard error")
    _leave(validate_files(files, console(out)), out, err)


@app.command(name="next")
def next_(
    files: Files,
    count: Annotated[int, typer.Option(min=1, max=1000, help="How many times to show.")] = 5,
    start: Annotated[
        str | None,
        typer.Option("--from", metavar="TIME", help="Look from there: 2026-11-24T02:00:00Z."),
    ] = None,
    output: Annotated[Form, typer.Option("--output", "-o", help="text or json.")] = Form.TEXT,
) -> None:
    """Say when scheduled tests run next, and which times will be missed, and why."""
    from perfrun.cli.next import next_runs, parse_from

    out, err = Output(sys.stdout, "standard output"), Output(sys.stderr, "standard error")
    try:
        moment = parse_from(start)
    except ValueError as error:
        tell(console(err), str(error))
        _leave(Exit.USAGE, out, err)
    _leave(next_runs(files, console(out), count, moment, as_json=output is Form.JSON), out, err)


@app.command()
def trigger(
    test: Annotated[str, typer.Argument(metavar="TEST", help="The name of a PerfTest.")],
    namespace: Annotated[
        str | None, typer.Option("--namespace", "-n", help="Default: the context's.")
    ] = None,
    context: Annotated[str | None, typer.Option(help="Of the kubeconfig.")] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Tell of the run until it is done.")] = False,
    strict: Annotated[
        bool, typer.Option("--strict", help="With --wait: exit with 1 for anything but Pass.")
    ] = False,
) -> None:
    """Ask for a run of a PerfTest that is in a cluster.

    Exit codes: 0 asked for (with --wait: done), 1 Fail, 2 no such test or usage wrong, 3 Error, 130
    stopped waiting; the run goes on.
    """
    from perfrun.cli.cluster import Cluster, ClusterError
    from perfrun.cli.trigger import trigger

    out, err = Output(sys.stdout, "standard output"), Output(sys.stderr, "standard error")
    try:
        cluster = Cluster(context, namespace)
        code = trigger(cluster, test, console(out), wait=wait, strict=strict)
    except ClusterError as error:
        tell(console(err), str(error))
        code = Exit.ERROR
    _leave(code, out, err)


@app.command()
def version() -> None:
    """Print the version."""
    out, err = Output(sys.stdout, "standard output"), Output(sys.stderr, "standard error")
    tell(console(out), f"perfrun {__version__}")
    _leave(Exit.OK, out, err)


def _leave(code: Exit, out: Output, err: Output) -> NoReturn:
    """End with ``code``, or with Error where it could not all be told."""
    if out.error is not None:
        tell(console(err), f"{out.name}: cannot be written: {out.error.strerror}")
        code = worst((code, Exit.ERROR))
    raise typer.Exit(code)


def _version(wanted: bool) -> None:
    if wanted:
        version()


@app.callback()
def _options(
    _: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Print the version."),
    ] = False,
) -> None:
    """Only the options that go before a command."""


def run_command() -> int:
    """Run what the command line says; returns the exit code."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s: %(message)s")
    try:
        app()
    except SystemExit as leaving:
        return leaving.code if isinstance(leaving.code, int) else Exit.ERROR
    return Exit.OK
