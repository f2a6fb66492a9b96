"""Clients in turn, round after round; what each did and what it cost."""

import statistics
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.clients import Client, Job
from benchmarks.pinned import FailedError, pinned
from tests.cluster.progress import say


@dataclass(frozen=True)
class Round:
    """One run of one client."""

    rate: float
    """Requests that succeeded, a second."""
    busy: float
    """CPU seconds a second."""
    failed: int
    stolen: float
    """Seconds that the hypervisor took from the cores of client and server."""

    @property
    def cpu(self) -> float:
        """us of CPU time for each request."""
        return self.busy / self.rate * 1e6 if self.rate else 0.0


@dataclass
class Result:
    """All rounds of one client."""

    client: Client
    rounds: list[Round] = field(default_factory=list)

    @property
    def rate(self) -> float:
        """Median requests a second."""
        return statistics.median(each.rate for each in self.rounds)

    @property
    def busy(self) -> float:
        """Median share of its core that the client used."""
        return statistics.median(each.busy for each in self.rounds)

    @property
    def cpu(self) -> float:
        """Median us of CPU time for each request."""
        return statistics.median(each.cpu for each in self.rounds)


def run_rounds(clients: Sequence[Client], job: Job, rounds: int) -> list[Result]:
    """Every client ``rounds`` times, interleaved: the machine drifts, and all drift with it.

    A client that fails is said and left out. Raises FailedError when it is perfrun.
    """
    results = [Result(client) for client in clients]
    for number in range(1, rounds + 1):
        for result in list(results):
            try:
                done = _once(result.client, job)
            except FailedError as error:
                if result.client.name == "perfrun":
                    raise
                say(f"  {result.client.name} is left out: {error}")
                results.remove(result)
                continue
            result.rounds.append(done)
            say(
                f"  round {number}/{rounds} {result.client.name:8} {done.rate:9,.0f}/s "
                f"{done.cpu:7.2f} us CPU a request"
                + f", {done.failed} failed" * bool(done.failed)
            )
    return results


def _once(client: Client, job: Job) -> Round:
    with tempfile.TemporaryDirectory(prefix="perfrun-bench-") as name:
        folder = Path(name)
        done = pinned(client.command(job, folder), job.seconds)
        try:
            said = client.read(done.output, job, folder)
        except (LookupError, ValueError, OSError) as error:
            what = f"{client.name} has said something unexpected: {error!r}"
            raise FailedError(what) from error
    return Round(said.rate, done.busy, said.failed, done.stolen)
