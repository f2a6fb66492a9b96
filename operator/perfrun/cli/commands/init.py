"""``perfrun init``."""

from typing import Annotated

import typer

from perfrun.cli.commands.app import LOCAL, app, leave, outputs
from perfrun.cli.terminal.streams import console


@app.command(rich_help_panel=LOCAL)
def init(
    openapi: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="From an OpenAPI 3 document, in JSON or YAML."),
    ] = None,
    har: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="From a browser's recording (HAR): one journey."),
    ] = None,
    access_log: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="From an access log, gzip too: its mix and its rate."),
    ] = None,
    url: Annotated[
        str, typer.Option(help="The service under load; else what the source says.")
    ] = "",
    name: Annotated[str, typer.Option(help="Of the test; else made from the source.")] = "",
    output: Annotated[
        str,
        typer.Option(
            "--output", "-o", metavar="FILE", help="A new file; default: standard output."
        ),
    ] = "-",
    writes: Annotated[
        bool, typer.Option("--writes", help="Take requests too that change something.")
    ] = False,
    everything: Annotated[
        bool,
        typer.Option("--all", help="With --har: static assets too, and other origins as tests."),
    ] = False,
    top: Annotated[
        int,
        typer.Option(min=1, max=50, help="With --access-log: so many kinds of requests at most."),
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
