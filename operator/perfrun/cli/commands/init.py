"""``perfrun init``."""

from typing import Annotated

import typer

from perfrun.cli.commands.app import LOCAL, app, leave, named, outputs
from perfrun.cli.terminal.streams import console


@app.command(rich_help_panel=LOCAL)
def init(
    files: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[FILE]...",
            callback=named,
            help="OpenAPI document, browser's recording (HAR), Postman collection, JMeter test "
            "plan, vegeta targets or access log; beside it, k6 script or OpenSLO document. The "
            "content says which; - is standard input.",
            show_default=False,
        ),
    ] = None,
    k6_testrun: Annotated[
        list[str] | None,
        typer.Option(
            "--k6-testrun",
            metavar="FILE",
            callback=named,
            help="TestRun of k6-operator: its script as it is, as a test of that script.",
            show_default=False,
        ),
    ] = None,
    locust_test: Annotated[
        list[str] | None,
        typer.Option(
            "--locust-test",
            metavar="FILE",
            callback=named,
            help="LocustTest of locust-k8s-operator, likewise.",
            show_default=False,
        ),
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
            "--output",
            "-o",
            metavar="FILE",
            callback=named,
            help="File to create. Default: standard output.",
        ),
    ] = "-",
    writes: Annotated[
        bool, typer.Option("--writes", help="Include requests that change data.")
    ] = False,
    everything: Annotated[
        bool,
        typer.Option(
            "--all",
            help="Of a recording: include static assets, and other origins as tests of their own.",
        ),
    ] = False,
    top: Annotated[
        int,
        typer.Option(min=1, max=50, help="Of an access log: maximum number of kinds of requests."),
    ] = 20,
) -> None:
    """Write a first PerfTest from something that you already have."""
    from perfrun.cli.init.command import Wish, init_test

    out, err = outputs()
    of_any, of_k6, of_locust = files or [], k6_testrun or [], locust_test or []
    named([*of_any, *of_k6, *of_locust])
    wish = Wish(
        files=of_any,
        k6_testruns=of_k6,
        locust_tests=of_locust,
        url=url,
        name=name,
        output=output,
        writes=writes,
        everything=everything,
        top=top,
    )
    leave(init_test(wish, out, console(err)), out, err)
