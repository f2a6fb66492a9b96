"""``python -m benchmarks.scale``: how late what is due comes, beside CronJobs; idle memory."""

import argparse
import contextlib
import math
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from benchmarks.scale.operator import operating, resident, wait_until_seen
from benchmarks.scale.ticks import CRON_JOB, NAMESPACE, PERF_TEST, Arrivals, Http, Kind, create
from tests.cluster.apiserver import running
from tests.cluster.components import client_context
from tests.cluster.handle import ApiServer
from tests.cluster.pki import Pki
from tests.cluster.progress import say

ROOT = Path(__file__).resolve().parents[2]
FAST = ("--kube-api-qps=1000", "--kube-api-burst=2000")
PATIENCE_S = 1800.0
IDLE_S = 20.0


class Lateness(NamedTuple):
    """Of all objects of one tick; seconds."""

    who: str
    due: int
    median: float
    p99: float
    last: float
    missing: int

    def row(self) -> str:
        """A row of the table."""
        return (
            f"| {self.who} | {self.due:,} | {self.median:.2f} s | {self.p99:.2f} s "
            f"| {self.last:.2f} s | {self.missing} |"
        )


@contextlib.contextmanager
def _cluster(flags: tuple[str, ...]) -> Iterator[tuple[ApiServer, Http, Path]]:
    """A fresh API server with our CRDs: no round finds what another one left behind."""
    with tempfile.TemporaryDirectory(prefix="perfrun-scale-") as name:
        folder = Path(name)
        with running(folder, with_controllers=True, controller_flags=flags) as server:
            server.install_crds(ROOT / "crds")
            server.kubectl("create", "namespace", NAMESPACE)
            yield server, Http(server, client_context(Pki(folder / "pki"))), folder


def lateness(kind: Kind, count: int, who: str, flags: tuple[str, ...]) -> Lateness:
    """``count`` objects, all due at one minute: how long after it each was there."""
    with _cluster(flags) as (server, http, folder), contextlib.ExitStack() as stack:
        if kind is PERF_TEST:
            stack.enter_context(operating(server, folder))
        # Enough to create them all, and for whoever schedules to have seen them.
        lead = timedelta(seconds=20 + count / 60)
        tick = datetime.now(UTC) + lead
        tick = tick.replace(second=0, microsecond=0) + timedelta(minutes=1)
        cron = f"{tick.minute} {tick.hour} * * *"
        arrivals = Arrivals(http, kind.made)
        arrivals.start()
        create(http, kind, count, cron)
        spare = tick.timestamp() - time.time()
        say(f"{who}: {count:,} created, due in {spare:.0f} s")
        if spare < 10:
            raise RuntimeError(f"creating {count} objects took too long on this machine")
        time.sleep(spare)
        deadline = time.time() + PATIENCE_S
        while len(arrivals.at) < count and time.time() < deadline:
            time.sleep(0.5)
            if not arrivals.is_alive():
                raise RuntimeError("the watch of the benchmark has ended")
        late = sorted(at - tick.timestamp() for at in dict(arrivals.at).values())
    result = Lateness(
        who,
        count,
        statistics.median(late),
        late[max(math.ceil(0.99 * len(late)) - 1, 0)],
        late[-1],
        count - len(late),
    )
    say(f"{who}: median {result.median:.2f} s, p99 {result.p99:.2f} s, last {result.last:.2f} s")
    return result


def idle_memory(count: int) -> float:
    """MiB resident of the operator with ``count`` PerfTests and no run."""
    with _cluster(FAST) as (server, http, folder):
        create(http, PERF_TEST, count, "0 0 29 2 *")
        with operating(server, folder) as operator:
            wait_until_seen(operator, count)
            time.sleep(IDLE_S)
            return resident(operator)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale", description=__doc__)
    parser.add_argument("--tests", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--memory", type=int, default=0, metavar="N", help="idle, with N tests")
    parser.add_argument("--only", choices=("perfrun", "cronjob"))
    options = parser.parse_args()
    # What was started is ended, by Ctrl-C and by whoever asks us to end.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    if options.memory:
        used = idle_memory(options.memory)
        print(f"{used:.0f} MiB resident, {options.memory:,} PerfTests, no runs")
        return
    who: list[tuple[Kind, str, tuple[str, ...]]] = []
    if options.only != "cronjob":
        who += [(PERF_TEST, "perfrun", FAST)]
    if options.only != "perfrun":
        who += [(CRON_JOB, "CronJob, 20/s (default)", ()), (CRON_JOB, "CronJob, 1000/s", FAST)]
    rows: dict[str, list[Lateness]] = {}
    for number in range(options.rounds):
        say(f"round {number + 1} of {options.rounds}")
        for kind, name, flags in who:
            rows.setdefault(name, []).append(lateness(kind, options.tests, name, flags))
    print(f"| who | due at once | median | p99 | last | missing after {PATIENCE_S / 60:.0f} min |")
    print("| :-- | --: | --: | --: | --: | --: |")
    for results in rows.values():
        # The round in the middle, by its p99: its figures belong together.
        print(sorted(results, key=lambda one: one.p99)[len(results) // 2].row())


if __name__ == "__main__":
    main()
