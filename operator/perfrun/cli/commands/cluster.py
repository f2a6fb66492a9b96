"""Commands that speak to a cluster."""

from typing import Annotated

import typer

from perfrun.cli.commands.app import Context, Namespace, app, leave, outputs
from perfrun.cli.exits import Exit
from perfrun.cli.terminal import console, tell


@app.command()
def trigger(
    test: Annotated[str, typer.Argument(metavar="TEST", help="The name of a PerfTest.")],
    namespace: Namespace = None,
    context: Context = None,
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

    out, err = outputs()
    try:
        cluster = Cluster(context, namespace)
        code = trigger(cluster, test, console(out), wait=wait, strict=strict)
    except ClusterError as error:
        tell(console(err), str(error))
        code = Exit.ERROR
    leave(code, out, err)
