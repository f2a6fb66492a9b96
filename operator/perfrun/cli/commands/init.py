"""``perfrun init``."""

from typing import Annotated

import typer

from perfrun.cli.commands.app import LOCAL, app, leave, outputs
from perfrun.cli.terminal.streams import console


@app.command(rich_help_panel=LOCAL)
def init(
    openapi: Annotated[
        str | None,
        typer.Option(
            metavar="FILE", help=("Make the test from an OpenAPI 3 document in JSON or YAML.")
        ),
    ] = None,
    har: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Make one journey from a browser's recording (HAR)."),
    ] = None,
    access_log: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Take mix and rate from an access log, also gzipped."),
    ] = None,
    url: Annotated[
        str, typer.Option(help="The service to test. Default: the one in the source.")
    ] = "",
    name: Annotated[
        str, typer.Option(help=("Name of the test. Default: made from the source."))
    ] = "",
    output: Annotated[
        str,
        typer.Option(
            "--output", "-o", metavar="FILE", help="File to create. Default: standard output."
        ),
    ] = "-",
    writes: Annotated[
        bool, typer.Option("--writes", help="Include requests that change data.")
    ] = False,
    everything: Annotated[
        bool,
        typer.Option(
            "--all",
            help=("With --har: include static assets, and other origins as tests of their own."),
        ),
    ] = False,
    top: Annotated[
        int,
        typer.Option(min=1, max=50, help="With --access-log: maximum number of kinds of requests."),
    ] = 20,
) -> None:
    """Write a first PerfTest, from what you have already. FILE may be - for standard input."""
    from perfrun.cli.init.command import Wish, init_test

    out, err = outputs()
    wish = Wish(
        openapi=openapi,
        har=har,
        access_log=access_log,
        url=url,
        name=name,
        output=output,
        writes=writes,
        everything=everything,
        top=top,
    )
    leave(init_test(wish, out, console(err)), out, err)
