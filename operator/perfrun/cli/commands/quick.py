"""``perfrun quick``."""

from functools import partial
from pathlib import Path
from typing import Annotated, get_args

import typer

from perfrun.cli.commands.app import (
    LOCAL,
    CsvFile,
    FailOnVerdict,
    HtmlFile,
    JsonFile,
    JunitFile,
    MarkdownFile,
    ResultFile,
    Strict,
    app,
    fail_on_of,
    leave,
    named,
    outputs,
)
from perfrun.cli.terminal.exits import Exit, FailOn
from perfrun.cli.terminal.streams import console, print_line

_load = partial(typer.Option, rich_help_panel="Load")
_request = partial(typer.Option, rich_help_panel="Request")
_objectives = partial(typer.Option, rich_help_panel="Objectives")


def _methods(incomplete: str) -> list[str]:
    from perfrun.api.test.scenario import Method

    return [method for method in get_args(Method) if method.startswith(incomplete)]


@app.command(rich_help_panel=LOCAL)
def quick(
    url: Annotated[str, typer.Argument(metavar="URL", help="Without a scheme it means http://.")],
    requests: Annotated[
        int | None,
        _load(
            "-n",
            "--requests",
            min=1,
            metavar="N",
            help="Send this many requests. Default: 200.",
        ),
    ] = None,
    concurrency: Annotated[
        int | None,
        _load(
            "-c",
            "--concurrency",
            min=1,
            metavar="N",
            help="Requests at a time; with -d users, with -r the maximum open at once. Default: "
            "50.",
        ),
    ] = None,
    duration: Annotated[
        str | None,
        _load(
            "-d",
            "-z",
            "--duration",
            metavar="TIME",
            help="Send requests for this long, as in 30s. Default with -r: 10s.",
        ),
    ] = None,
    rate: Annotated[
        str | None,
        _load(
            "-r",
            "--rate",
            metavar="RATE",
            help="Requests a second, whether or not earlier ones are answered.",
        ),
    ] = None,
    workers: Annotated[
        int | None,
        _load(
            "-w",
            "--workers",
            min=1,
            metavar="N",
            help="Processes that share the load; each uses one core. Default: 1.",
        ),
    ] = None,
    method: Annotated[
        str | None,
        _request(
            "-m",
            "-X",
            "--method",
            metavar="METHOD",
            autocompletion=_methods,
            help="Default: GET, or POST with a body.",
        ),
    ] = None,
    headers: Annotated[
        list[str] | None,
        _request("-H", "--header", metavar="'NAME: VALUE'", help="A header; may be repeated."),
    ] = None,
    body: Annotated[
        str | None,
        _request(metavar="TEXT", help="The body; @FILE reads a file, - standard input."),
    ] = None,
    http2: Annotated[bool, _request("--http2", help="Use HTTP/2.")] = False,
    insecure: Annotated[
        bool,
        _request("-k", "--insecure", help="Accept any certificate."),
    ] = False,
    timeout: Annotated[
        str | None,
        _request("-t", "--timeout", metavar="TIME", help="Time limit of a request. Default: 30s."),
    ] = None,
    expect: Annotated[
        str | None,
        _request(
            metavar="STATUS",
            help="Statuses that are a success, as in 200,204. Default: any below 400.",
        ),
    ] = None,
    p95: Annotated[
        str | None,
        _objectives(metavar="TIME", help="Limit of the p95 latency: 500ms."),
    ] = None,
    p99: Annotated[
        str | None,
        _objectives(metavar="TIME", help="Limit of the p99 latency: 1s."),
    ] = None,
    error_rate: Annotated[
        str | None,
        _objectives(metavar="PERCENT", help="Limit of the error rate: 1%."),
    ] = None,
    slos: Annotated[
        list[str] | None,
        _objectives(
            "--slo",
            metavar="'METRIC<LIMIT'",
            help="Any objective, as in 'throughput>100/s'; may be repeated.",
        ),
    ] = None,
    strict: Strict = False,
    fail_on: FailOnVerdict = None,
    save: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            callback=named,
            help="Write the manifest of this run to a new file, for perfrun run; - is standard "
            "output.",
        ),
    ] = None,
    json_file: JsonFile = None,
    result_file: ResultFile = None,
    html_file: HtmlFile = None,
    junit_file: JunitFile = None,
    md_file: MarkdownFile = None,
    csv_file: CsvFile = None,
) -> None:
    """Put load on a URL, without a manifest: 200 requests, 50 at a time, or what the options say.

    -n and -c: a number of requests. -d and -c: users for a time. -r and -d: a rate for a time.

    Exit codes: 0 done, 1 Fail, 2 usage wrong, 3 Error, 130 stopped.
    """
    from perfrun.cli.quick import QuickOptions, quick_test, read_body
    from perfrun.cli.run import Here, run_manifests
    from perfrun.cli.terminal import forms
    from perfrun.cli.terminal.outputs import Form, Outputs

    out, err = outputs()
    try:
        test = quick_test(
            QuickOptions(
                url=url,
                requests=requests,
                concurrency=concurrency,
                duration=duration,
                rate=rate,
                workers=workers,
                method=method,
                headers=headers or (),
                body=None if body is None else read_body(body),
                http2=http2,
                insecure=insecure,
                timeout=timeout,
                expect=expect,
                p95=p95,
                p99=p99,
                error_rate=error_rate,
                slos=slos or (),
            )
        )
    except ValueError as error:
        print_line(console(err), f"quick: error: {error}")
        leave(Exit.USAGE, out, err)
    manifest: Form[forms.Runs] = Form("--save", lambda _: test.text, new=True)
    files = (json_file, result_file, html_file, junit_file, md_file, csv_file)
    wanted = Outputs(out, [(manifest, save), *zip(forms.OF_A_RUN, files, strict=True)])
    report = console(err if wanted.takes_stdout else out)
    code = run_manifests(
        list(test.manifests()),
        wanted,
        Here(),
        report,
        console(err),
        fail_on=fail_on_of(fail_on, strict=strict) or FailOn.FAIL,
    )
    if save is not None and (file := Path(save)).is_file() and code is not Exit.USAGE:
        for note in test.saved_notes(file):
            print_line(console(err), note)
    leave(code, out, err)
