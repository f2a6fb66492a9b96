"""The ``perfrun`` command."""

import logging
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from perfrun import __version__
from perfrun.cli.run import Exit, Options, run_files
from perfrun.cli.validate import validate_files

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Performance tests as Kubernetes objects: run one here, or check it, without a cluster.",
)

Files = Annotated[
    list[str],
    typer.Argument(metavar="FILE", help="Manifests: files, folders of *.yaml, or - for stdin."),
]


@app.command()
def run(
    files: Files,
    json_file: Annotated[
        Path | None,
        typer.Option("--json", metavar="OUT", help="Write the PerfRun that a cluster would hold."),
    ] = None,
    result_file: Annotated[
        Path | None,
        typer.Option("--result", metavar="OUT", help="Write all that was measured."),
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
    options = Options(json_file, result_file, secrets, strict)
    raise typer.Exit(run_files(files, options, _console(), _console(stderr=True)))


@app.command()
def validate(files: Files) -> None:
    """Check manifests and say what they would cost; nothing is sent anywhere."""
    raise typer.Exit(validate_files(files, _console()))


@app.command()
def version() -> None:
    """Print the version."""
    _console().print(f"perfrun {__version__}", highlight=False)


def _version(wanted: bool) -> None:
    if wanted:
        version()
        raise typer.Exit


@app.callback()
def _options(
    _: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Print the version."),
    ] = False,
) -> None:
    """Only the options that go before a command."""


def main() -> None:
    """The entry point: a defect of ours is an Error (3), never mistaken for a verdict."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s: %(message)s")
    try:
        app()
    except Exception:
        logging.exception("perfrun failed; this is a defect of perfrun")
        sys.exit(Exit.ERROR)
    except KeyboardInterrupt:
        sys.exit(Exit.INTERRUPTED)


def _console(*, stderr: bool = False) -> Console:
    # Words and marks carry the meaning; rich itself obeys NO_COLOR and TERM.
    return Console(stderr=stderr, highlight=False, soft_wrap=False)


if __name__ == "__main__":
    main()
