"""What the commands share: the application, their common arguments, and how each one ends."""

import sys
from enum import StrEnum
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
Namespace = Annotated[str | None, typer.Option("--namespace", "-n", help="Default: the context's.")]
Context = Annotated[str | None, typer.Option(help="Of the kubeconfig.")]


def outputs() -> tuple[Output, Output]:
    """Standard output and standard error."""
    return Output(sys.stdout, "standard output"), Output(sys.stderr, "standard error")


def leave(code: Exit, out: Output, err: Output) -> NoReturn:
    """End with ``code``, or with Error where it could not all be told."""
    if out.error is not None:
        tell(console(err), f"{out.name}: cannot be written: {out.error.strerror}")
        code = worst((code, Exit.ERROR))
    raise typer.Exit(code)


@app.command()
def version() -> None:
    """Print the version."""
    out, err = outputs()
    tell(console(out), f"perfrun {__version__}")
    leave(Exit.OK, out, err)


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
