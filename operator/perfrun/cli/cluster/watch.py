"""``perfrun watch``: the runs in progress in a cluster, and what changes."""

from datetime import UTC, datetime

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from perfrun.cli.cluster.board import COLUMNS, Board
from perfrun.cli.cluster.feed import ChangeFeed, Failed, Listed
from perfrun.cli.cluster.following import NotThereError, follow
from perfrun.cli.cluster.shell import Cluster
from perfrun.cli.cluster.views import RunView
from perfrun.cli.terminal.exits import Exit, FailOn, of_verdict
from perfrun.cli.terminal.streams import InPlace, abandoned, print_line
from perfrun.cli.terminal.tables import print_table, table_lines
from perfrun.kube.resources import PERF_RUNS, PERF_TESTS

_TICK_S = 1.0
_MARGIN = 3
"""Lines of the screen that are not rows of tests."""


def watch(
    cluster: Cluster, about: str | None, out: Console, err: Console, *, once: bool, fail_on: FailOn
) -> Exit:
    """Show a namespace, a test in it or (``run/NAME``) a run. Raises KubeError."""
    kind, slash, name = (about or "").partition("/")
    if slash and PERF_RUNS.is_called(kind):
        return _watch_run(cluster, name, out, err, once=once, fail_on=fail_on)
    if slash and PERF_TESTS.is_called(kind):
        about = name
    if about is not None and cluster.find(PERF_TESTS, about) is None:
        hint = f"; did you mean the run, run/{about}?" if cluster.find(PERF_RUNS, about) else ""
        print_line(err, f"there is no PerfTest {about} in namespace {cluster.namespace}{hint}")
        return Exit.USAGE
    if not cluster.has_namespace():
        print_line(err, f"there is no namespace {cluster.namespace}")
        return Exit.USAGE
    if once:
        _show_once(cluster, about, out, err)
        return Exit.OK
    _show(cluster, about, out)
    return Exit.OK


def _watch_run(
    cluster: Cluster, name: str, out: Console, err: Console, *, once: bool, fail_on: FailOn
) -> Exit:
    try:
        if not once:
            return follow(cluster, name, out, fail_on=fail_on)
        body = cluster.find(PERF_RUNS, name)
    except NotThereError:
        body = None
    if body is None:
        print_line(err, f"there is no PerfRun {name} in namespace {cluster.namespace}")
        return Exit.USAGE
    run = RunView.of(body)
    print_line(out, run.line)
    return of_verdict(run.known_verdict, fail_on) if run.done else Exit.OK


def _show_once(cluster: Cluster, about: str | None, out: Console, err: Console) -> None:
    board = Board(about)
    for resource in (PERF_TESTS, PERF_RUNS):
        board.take(Listed(resource, cluster.list(resource)))
    rows = board.rows(datetime.now(UTC))
    if rows:
        print_table(out, COLUMNS, rows)
    else:
        print_line(err, f"there are no PerfTests in namespace {cluster.namespace}")


def _show(cluster: Cluster, about: str | None, out: Console) -> None:
    """Until a Ctrl-C, or until nobody reads the output any more."""
    board = Board(about)
    title = f"{cluster.namespace}/{about}" if about else f"namespace {cluster.namespace}"
    feed = ChangeFeed(cluster)
    with Screen(out, title) as screen:
        for resource in (PERF_TESTS, PERF_RUNS):
            feed.watch(resource)
        while not abandoned(out):
            lines: list[str] = []
            for change in feed.next(_TICK_S):
                if isinstance(change, Failed):
                    raise change.error
                lines += board.take(change)
            screen.show(board, lines)


class Screen(InPlace):
    """A table in place on a terminal, lines elsewhere."""

    def __init__(self, console: Console, title: str) -> None:
        self._console, self._title = console, title
        super().__init__(
            Live(console=console, auto_refresh=False, transient=False)
            if console.is_terminal
            else None
        )

    def show(self, board: Board, lines: list[str]) -> None:
        """Show the current state; ``lines`` say what has changed."""
        if self._live is None:
            for line in lines:
                print_line(self._console, line)
            return
        screen = screen_lines(board, self._title, datetime.now(UTC), self._console)
        self._live.update(Group(*screen), refresh=True)


def screen_lines(board: Board, title: str, now: datetime, console: Console) -> list[Text]:
    """The table below a title line, no higher and no wider than the terminal."""
    rows = board.rows(now)
    in_progress = sum(not run.done for run in board.runs.values())
    tests = f"{len(board.tests)} test{'' if len(board.tests) == 1 else 's'}"
    head = f"{title}: {in_progress} in progress, {tests}, {now:%H:%M:%S} UTC"
    lines = [Text(head, style="dim", no_wrap=True, overflow="ellipsis")]
    if board.away:
        lines.append(Text(board.away, style="yellow", no_wrap=True, overflow="ellipsis"))
    most = max(console.height - _MARGIN - len(lines), 1)
    if rows:
        lines += table_lines(COLUMNS, rows[:most], console)
    if len(rows) > most:
        lines.append(Text(f"and {len(rows) - most} more", style="dim"))
    return lines
