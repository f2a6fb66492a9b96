"""Follows one run in a cluster until it is done, for `trigger --wait` and `watch run/RUN`."""

import time

from rich.console import Console
from rich.live import Live
from rich.spinner import Spinner
from rich.text import Text

from perfrun.cli.cluster.feed import Away, Change, Changed, ChangeFeed, Failed, Listed
from perfrun.cli.cluster.refusals import sentence
from perfrun.cli.cluster.shell import Cluster
from perfrun.cli.cluster.views import RunView
from perfrun.cli.terminal.exits import Exit, FailOn, of_verdict
from perfrun.cli.terminal.streams import InPlace, print_line
from perfrun.kube.errors import AwayError
from perfrun.kube.resources import PERF_RUNS

AWAY_S = 120.0
"""How long the API server may be unavailable while the command waits for a run."""
_LOOK_S = 0.5


class NotThereError(Exception):
    """There is no such run, and none was created in time."""


class Telling(InPlace):
    """The current state: replaced in place on a terminal, elsewhere a line for each change."""

    def __init__(self, console: Console) -> None:
        self._console = console
        super().__init__(Live(console=console, transient=True) if console.is_terminal else None)
        self._spinner = "dots" if console.encoding.lower().startswith("utf") else "line"
        self._line = ""
        self._phase = ""

    def show(self, line: str, phase: str = "") -> None:
        """Print it once. On a terminal, a line of the same ``phase`` replaces the last one."""
        if line == self._line:
            return
        if self._live is None:
            print_line(self._console, line)
        else:
            if self._phase and self._phase != phase:
                print_line(self._console, self._line)
            if phase:
                self._live.update(Spinner(self._spinner, Text(line)))
            else:
                self._live.update(Text())
                print_line(self._console, line)
        self._line, self._phase = line, phase


class Following:
    """The state of one run, from its changes."""

    def __init__(
        self, run: str, telling: Telling, *, fail_on: FailOn, started: float, patience: float
    ) -> None:
        """``patience``: seconds from ``started`` within which the run has to be created."""
        self._run, self._telling, self._fail_on = run, telling, fail_on
        self._deadline = started + patience
        self._patience = patience
        self._away_since: float | None = None
        self._known = False

    def take(self, change: Change | None, now: float) -> Exit | None:
        """The exit code, once there is one; None as ``change``: nothing has changed.

        Raises NotThereError, and KubeError if it makes no sense to keep waiting.
        """
        match change:
            case Failed(error):
                raise error
            case Away(error):
                self._away(error, now)
                return None
            case None:
                waits = self._known or self._away_since is not None
                if not waits and now > self._deadline:
                    raise NotThereError(self._run)
                return None
        self._away_since = None
        return self._seen(_body(change), now)

    def _away(self, error: AwayError, now: float) -> None:
        if self._away_since is None:
            self._away_since = now
        if now - self._away_since > AWAY_S:
            raise error
        self._telling.show(f"{sentence(error)}; the run continues, and perfrun still waits for it")

    def _seen(self, view: RunView | None, now: float) -> Exit | None:
        if view is not None:
            # A run that was just created is only known once the operator has seen it.
            self._known = self._known or bool(view.phase) or not self._patience
            self._telling.show(view.line, "" if view.done else view.phase or "Created")
            return of_verdict(view.known_verdict, self._fail_on) if view.done else None
        if self._known:
            self._telling.show("the run was deleted")
            return Exit.ERROR
        if now > self._deadline:
            raise NotThereError(self._run)
        return None


def follow(
    cluster: Cluster, run: str, out: Console, *, fail_on: FailOn, patience: float = 0.0
) -> Exit:
    """Report the run until it is done; it has to be created within ``patience`` seconds.

    Raises NotThereError, KubeError.
    """
    started = time.monotonic()
    feed = ChangeFeed(cluster)
    with Telling(out) as telling:
        following = Following(run, telling, fail_on=fail_on, started=started, patience=patience)
        feed.watch(PERF_RUNS, fields=f"metadata.name={run}")
        while True:
            changes: list[Change | None] = [*feed.next(_LOOK_S)]
            for change in changes or [None]:
                code = following.take(change, time.monotonic())
                if code is not None:
                    return code


def _body(change: Change) -> RunView | None:
    match change:
        case Listed(_, [body, *_]):
            return RunView.of(body)
        case Changed(_, body):
            return RunView.of(body)
        case _:
            return None
