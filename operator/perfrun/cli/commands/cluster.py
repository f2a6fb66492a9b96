"""Commands that use a cluster."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from perfrun.cli import completion
from perfrun.cli.commands.app import (
    CLUSTER,
    Context,
    FailOnVerdict,
    Namespace,
    RunLabels,
    Settings,
    Strict,
    Variables,
    app,
    connected,
    fail_on_of,
    leave,
    outputs,
)
from perfrun.cli.terminal.exits import Exit, FailOn
from perfrun.cli.terminal.streams import console, print_line

if TYPE_CHECKING:
    from perfrun.cli.cluster.shell import Cluster


@app.command(rich_help_panel=CLUSTER)
def watch(
    about: Annotated[
        str | None,
        typer.Argument(
            metavar="TEST|run/RUN",
            help="A test, or run/NAME: one run until it is done.",
            autocompletion=completion.test_or_run_names,
        ),
    ] = None,
    namespace: Namespace = None,
    once: Annotated[bool, typer.Option("--once", help="Show the current state and exit.")] = False,
    strict: Strict = False,
    fail_on: FailOnVerdict = None,
    context: Context = None,
) -> None:
    """Watch runs in progress and changes; a single run until its verdict.

    Exit codes: 0 done, 1 Fail, 2 no such test, run or namespace, 3 Error, 130 stopped watching; the
    runs go on.
    """
    failing = fail_on_of(fail_on, strict=strict) or FailOn.FAIL

    def act(cluster: "Cluster", out: Console, err: Console) -> Exit:
        from perfrun.cli.cluster.watch import watch

        return watch(cluster, about, out, err, once=once, fail_on=failing)

    _speak(act, context, namespace)


@app.command(rich_help_panel=CLUSTER)
def trigger(
    test: Annotated[
        str,
        typer.Argument(
            metavar="TEST", help="The name of a PerfTest.", autocompletion=completion.test_names
        ),
    ],
    namespace: Namespace = None,
    context: Context = None,
    url: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="Another scheme, host and port for the target; its paths do not change.",
        ),
    ] = None,
    variables: Variables = None,
    settings: Settings = None,
    run_labels: RunLabels = None,
    wait: Annotated[
        bool, typer.Option("--wait", help=("Show the progress of the run until it is done."))
    ] = False,
    strict: Strict = False,
    fail_on: FailOnVerdict = None,
) -> None:
    """Start a run of a PerfTest in a cluster.

    Exit codes: 0 asked for (with --wait: done), 1 Fail, 2 no such test, or invalid usage, 3 Error,
    130 stopped waiting; the run goes on.
    """
    failing = fail_on_of(fail_on, strict=strict) or FailOn.FAIL

    def act(cluster: "Cluster", out: Console, err: Console) -> Exit:
        from perfrun.cli.cluster.trigger import trigger
        from perfrun.cli.overrides import parse_overrides

        try:
            changes = parse_overrides(
                url=url, variables=variables or (), settings=settings or (), labels=run_labels or ()
            )
        except ValueError as error:
            print_line(err, str(error))
            return Exit.USAGE
        return trigger(cluster, test, out, wait=wait, fail_on=failing, changes=changes)

    _speak(act, context, namespace)


@app.command(rich_help_panel=CLUSTER)
def logs(
    run: Annotated[
        str,
        typer.Argument(
            metavar="RUN", help="The name of a PerfRun.", autocompletion=completion.run_names
        ),
    ],
    namespace: Namespace = None,
    worker: Annotated[
        int | None, typer.Option(metavar="N", min=0, help=("Only this worker."))
    ] = None,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Keep printing until the workers end.")
    ] = False,
    context: Context = None,
) -> None:
    """Print the logs of a run's workers, or, if they were deleted, what is known about the run.

    Exit codes: 0 done, 2 no such run or worker, 3 Error, 130 stopped.
    """

    def act(cluster: "Cluster", out: Console, err: Console) -> Exit:
        from perfrun.cli.cluster.logs import logs

        return logs(cluster, run, out, err, worker=worker, follow=follow)

    _speak(act, context, namespace)


def _speak(
    act: Callable[["Cluster", Console, Console], Exit], context: str | None, namespace: str | None
) -> None:
    """Use a cluster, and exit. ``act`` imports what it needs by itself: most of that needs a
    Kubernetes client.
    """
    from perfrun.cli.cluster.refusals import sentence
    from perfrun.cli.terminal.signals import interruptible
    from perfrun.kube.errors import KubeError

    out, err = outputs()
    try:
        with interruptible(), connected(context, namespace) as cluster:
            code = act(cluster, console(out), console(err))
    except KubeError as error:
        print_line(console(err), sentence(error))
        code = Exit.ERROR
    except KeyboardInterrupt:
        print_line(console(err), "perfrun stopped; runs in the cluster continue")
        code = Exit.INTERRUPTED
    leave(code, out, err)
