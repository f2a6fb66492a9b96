"""What is compared: a row for each case, with the ratios that perfrun is to reach."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace

from benchmarks.clients import CLIENTS, Client, Job
from benchmarks.nginx import Target, serving
from benchmarks.rounds import run_rounds
from benchmarks.table import Table, comparison
from tests.cluster.progress import say
from tests.cluster.tools import available


@dataclass(frozen=True)
class Case:
    """One comparison."""

    title: str
    url: Callable[[Target], str]
    peers: dict[str, float | None]
    """With whom, and perfrun's rate over theirs that is aimed at; None: for information."""
    connections: int = 32
    streams: int = 1
    http2: bool = False
    scenario: bool = False

    def job(self, target: Target, seconds: int) -> Job:
        """What perfrun does."""
        url = self.url(target)
        return Job(url, seconds, self.connections, self.http2, self.streams, self.scenario)

    def work(self, names: Collection[str], job: Job) -> list[tuple[Client, Job]]:
        """Who does what; a client that cannot do the scenario does the plain GET in its place."""
        plain = replace(job, url=f"{job.url}/", scenario=False) if job.scenario else job
        clients = [CLIENTS[name] for name in ("perfrun", *names)]
        return [(client, job if client.can(job) else plain) for client in clients]


CASES: dict[str, Case] = {
    "plain": Case(
        "GET over plain HTTP/1.1, 32 connections",
        lambda target: f"{target.plain}/",
        {"wrk": 1.0, "oha": 1.2, "hey": 2.0, "vegeta": 3.0, "k6": 5.0, "locust": 10.0},
    ),
    "tls": Case(
        "GET over TLS 1.3, 32 connections",
        lambda target: f"{target.tls}/",
        {"wrk": 0.95, "oha": None, "hey": None, "vegeta": None, "k6": None, "locust": None},
    ),
    "scenario": Case(
        "four weighted steps, one a templated POST with check and extraction (wrk: plain GET)",
        lambda target: target.plain,
        {"k6": 5.0, "wrk": 0.5},
        scenario=True,
    ),
    "http2": Case(
        "GET over HTTP/2 and TLS 1.3, 8 connections with 16 streams each",
        lambda target: f"{target.http2}/",
        {"oha": 0.5},
        connections=8,
        streams=16,
        http2=True,
    ),
}


def compare(
    name: str, chosen: Collection[str], rounds: int, seconds: int, *, require: bool
) -> Table:
    """Run a case with those of its peers that are chosen. Raises MissingError as available()."""
    case = CASES[name]
    say(f"{name}: {case.title}")
    found = available([peer for peer in case.peers if peer in chosen], require=require)
    with serving() as target:
        results = run_rounds(case.work(found, case.job(target, seconds)), rounds)
    return comparison(case.title, results, case.peers)
