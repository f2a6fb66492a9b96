"""What shells can complete: names of tests and runs in the cluster, quickly or not at all."""

import re
from contextlib import suppress
from enum import StrEnum

import typer

TIMEOUT_S = 1.5
_RUN = "run/"


class Shell(StrEnum):
    """Shells that can complete what is typed."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


def test_names(ctx: typer.Context, incomplete: str) -> list[str]:
    """The tests in the namespace of the command line."""
    return _names(ctx, incomplete, runs=False)


def run_names(ctx: typer.Context, incomplete: str) -> list[str]:
    """The runs of that namespace."""
    return _names(ctx, incomplete, runs=True)


def test_or_run_names(ctx: typer.Context, incomplete: str) -> list[str]:
    """Tests, and runs as ``run/NAME`` once the user has begun to type that."""
    if incomplete.startswith(_RUN):
        return [_RUN + name for name in run_names(ctx, incomplete.removeprefix(_RUN))]
    return [name for name in (*test_names(ctx, incomplete), _RUN) if name.startswith(incomplete)]


def _names(ctx: typer.Context, incomplete: str, *, runs: bool) -> list[str]:
    # A completion cannot report problems, not even a missing client.
    with suppress(Exception):
        from perfrun.api.names import DNS_LABEL
        from perfrun.cli.cluster.shell import Cluster
        from perfrun.kube.resources import PERF_RUNS, PERF_TESTS

        given = ctx.params
        context, namespace = given.get("context"), given.get("namespace")
        with Cluster(context, namespace, patience=TIMEOUT_S) as cluster:
            bodies = cluster.list(PERF_RUNS if runs else PERF_TESTS)
        names = sorted(str(body["metadata"]["name"]) for body in bodies)
        # A shell may evaluate what it gets, so only valid names are passed on.
        right = re.compile(DNS_LABEL).fullmatch
        return [name for name in names if name.startswith(incomplete) and right(name)]
    return []
