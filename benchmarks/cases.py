"""What is compared: a row for each case, with the ratios that perfrun is to reach."""

from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.clients import Job
from benchmarks.nginx import Target

Url = Callable[[Target], str]


@dataclass(frozen=True)
class Case:
    """One comparison."""

    title: str
    url: Url
    wanted: dict[str, float]
    """Clients to compare with, and perfrun's rate over theirs that is aimed at; 0: none is."""
    connections: int = 32
    streams: int = 1
    http2: bool = False
    scenario: bool = False
    against_plain: tuple[str, ...] = ()
    """Clients that cannot do the case, and do the plain GET in its place."""

    def job(self, target: Target, seconds: int) -> Job:
        """What the clients of this case do."""
        return Job(
            self.url(target), seconds, self.connections, self.http2, self.streams, self.scenario
        )


CASES: dict[str, Case] = {
    "plain": Case(
        "GET over plain HTTP/1.1, 32 connections",
        lambda target: f"{target.plain}/",
        {"wrk": 1.0, "oha": 1.2, "hey": 2.0, "vegeta": 3.0, "k6": 5.0, "locust": 10.0},
    ),
    "tls": Case(
        "GET over TLS 1.3, 32 connections",
        lambda target: f"{target.tls}/",
        {"wrk": 0.95, "oha": 0.0, "hey": 0.0, "vegeta": 0.0, "k6": 0.0, "locust": 0.0},
    ),
    "scenario": Case(
        "four weighted steps, one a templated POST with check and extraction (wrk: plain GET)",
        lambda target: target.plain,
        {"k6": 5.0, "wrk": 0.5},
        scenario=True,
        against_plain=("wrk",),
    ),
    "http2": Case(
        "GET over HTTP/2 and TLS, 8 connections with 16 streams each",
        lambda target: f"{target.http2}/",
        {"oha": 0.5},
        connections=8,
        streams=16,
        http2=True,
    ),
}
