"""One class for each generator: its command line for a job, and what its output says.

What is the same for all: one core, as many connections, keep-alive, no check of the certificate.
"""

import json
import re
import sys
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from typing_extensions import override

from perfrun import __version__
from tests.cluster.commands import Argv, run
from tests.cluster.tools import program, version

SCRIPTS = Path(__file__).parent / "scripts"
_ONE_THREAD = {"GOMAXPROCS": "1"}


@dataclass(frozen=True)
class Job:
    """What a client is to do: a closed loop of so many connections for so many seconds."""

    url: str
    seconds: int
    connections: int = 32
    http2: bool = False
    streams: int = 1
    """Requests at a time on each HTTP/2 connection."""
    scenario: bool = False
    """Four weighted steps, one of them a templated POST with a check and an extraction."""


@dataclass(frozen=True)
class Said:
    """What a client says of its run."""

    rate: float
    """Requests that succeeded, per second."""
    failed: int


@dataclass(frozen=True)
class Command:
    """A command to run."""

    argv: Argv
    env: dict[str, str] = field(default_factory=dict)
    stdin: str | None = None


class Client(ABC):
    """A load generator."""

    name: ClassVar[str]

    @property
    def version(self) -> str:
        """As the table gives it."""
        return version(self.name)

    def can(self, job: Job) -> bool:
        """Whether it can do such a job."""
        return not job.scenario and not job.http2

    @abstractmethod
    def command(self, job: Job, folder: Path) -> Command:
        """How it is started; ``folder`` is for its files."""

    @abstractmethod
    def read(self, output: str, job: Job, folder: Path) -> Said:
        """What its output says. Raises ValueError or KeyError where it says something else."""


class Perfrun(Client):
    """perfrun's engine in one process, as a worker runs it, with all that it records."""

    name = "perfrun"

    @property
    @override
    def version(self) -> str:
        return __version__

    @override
    def can(self, job: Job) -> bool:
        return True

    @override
    def command(self, job: Job, folder: Path) -> Command:
        return engine(perfrun_spec(job), folder)

    @override
    def read(self, output: str, job: Job, folder: Path) -> Said:
        said = json.loads(output)
        return Said(said["rate"], said["failed"])


class Wrk(Client):
    name = "wrk"

    @override
    def command(self, job: Job, folder: Path) -> Command:
        load = ["-t1", f"-c{job.connections}", f"-d{job.seconds}s"]
        return Command([program("wrk"), *load, job.url])

    @override
    def read(self, output: str, job: Job, folder: Path) -> Said:
        sent, rate = _number(r"(\d+) requests in", output), _number(r"Requests/sec: +(\S+)", output)
        # Both lines are only there where there is something to say.
        refused = re.search(r"Non-2xx or 3xx responses: (\d+)", output)
        broken = re.search(r"Socket errors: (.*)", output)
        bad = int(refused[1]) if refused else 0
        lost = sum(map(int, re.findall(r"\d+", broken[1]))) if broken else 0
        return Said(rate * (sent - bad) / sent if sent else 0.0, bad + lost)


class Hey(Client):
    name = "hey"

    @override
    def command(self, job: Job, folder: Path) -> Command:
        load = ["-z", f"{job.seconds}s", "-c", str(job.connections), "-cpus", "1"]
        return Command([program("hey"), *load, job.url], _ONE_THREAD)

    @override
    def read(self, output: str, job: Job, folder: Path) -> Said:
        statuses = re.findall(r"^ +\[(\d+)\]\t(\d+) responses", output, re.MULTILINE)
        good = sum(int(count) for status, count in statuses if status < "400")
        _, _, errors = output.partition("Error distribution:")
        bad = sum(int(count) for status, count in statuses if status >= "400")
        bad += sum(int(count) for count in re.findall(r"^ +\[(\d+)\]", errors, re.MULTILINE))
        return Said(good / _number(r"Total:\s+(\S+) secs", output), bad)


class Oha(Client):
    name = "oha"

    @override
    def can(self, job: Job) -> bool:
        return not job.scenario

    @override
    def command(self, job: Job, folder: Path) -> Command:
        load = ["-z", f"{job.seconds}s", "-c", str(job.connections), "--no-tui", "--insecure"]
        if job.http2:
            load += ["--http2", "-p", str(job.streams)]
        return Command([program("oha"), *load, "--output-format", "json", job.url])

    @override
    def read(self, output: str, job: Job, folder: Path) -> Said:
        said = json.loads(output)
        statuses, errors = said["statusCodeDistribution"], said["errorDistribution"]
        good = sum(count for status, count in statuses.items() if status < "400")
        bad = sum(statuses.values()) - good
        # What is in progress at the end is cut off, one request for each connection or stream.
        bad += sum(count for what, count in errors.items() if what != "aborted due to deadline")
        return Said(good / said["summary"]["total"], bad)


class Vegeta(Client):
    name = "vegeta"

    @override
    def command(self, job: Job, folder: Path) -> Command:
        users = str(job.connections)
        load = ["-rate=0", f"-workers={users}", f"-max-workers={users}"]
        more = [f"-duration={job.seconds}s", "-insecure", "-http2=false"]
        argv: Argv = [program("vegeta"), "attack", *load, *more, f"-output={folder}/vegeta.bin"]
        return Command(argv, _ONE_THREAD, stdin=f"GET {job.url}\n")

    @override
    def read(self, output: str, job: Job, folder: Path) -> Said:
        said = json.loads(run([program("vegeta"), "report", "-type=json", folder / "vegeta.bin"]))
        return Said(said["throughput"], round(said["requests"] * (1 - said["success"])))


class K6(Client):
    name = "k6"

    @override
    def can(self, job: Job) -> bool:
        return not job.http2

    @override
    def command(self, job: Job, folder: Path) -> Command:
        script = SCRIPTS / ("k6_scenario.js" if job.scenario else "k6_plain.js")
        load = ["--vus", str(job.connections), "--duration", f"{job.seconds}s"]
        more = ["--insecure-skip-tls-verify", f"--summary-export={folder}/k6.json", "--quiet"]
        env = {**_ONE_THREAD, "URL": job.url, "K6_NO_USAGE_REPORT": "true"}
        return Command([program("k6"), "run", *load, *more, script], env)

    @override
    def read(self, output: str, job: Job, folder: Path) -> Said:
        metrics = json.loads((folder / "k6.json").read_text())["metrics"]
        # Of the rate `failed`, those that `pass` are the failed ones.
        sent, failed = metrics["http_reqs"], metrics["http_req_failed"]["passes"]
        bad = failed + metrics.get("checks", {"fails": 0})["fails"]
        return Said(sent["rate"] * (1 - failed / sent["count"]), bad)


class Locust(Client):
    name = "locust"

    @override
    def command(self, job: Job, folder: Path) -> Command:
        users = str(job.connections)
        load = ["-u", users, "-r", users, "-t", f"{job.seconds}s", "--host", job.url.rstrip("/")]
        quiet = ["--headless", "--only-summary", "--json"]
        return Command([program("locust"), "-f", SCRIPTS / "locust_plain.py", *load, *quiet])

    @override
    def read(self, output: str, job: Job, folder: Path) -> Said:
        (said,) = json.loads(output[output.index("[\n") :])
        took = said["last_request_timestamp"] - said["start_time"]
        return Said((said["num_requests"] - said["num_failures"]) / took, said["num_failures"])


CLIENTS: dict[str, Client] = {
    client.name: client for client in (Perfrun(), Wrk(), Oha(), Hey(), Vegeta(), K6(), Locust())
}


def engine(spec: dict[str, Any], folder: Path) -> Command:
    """perfrun's engine with a load: target, scenarios and load as a PerfTest has them."""
    file = folder / "perfrun.json"
    file.write_text(json.dumps(spec))
    return Command([sys.executable, "-m", "benchmarks.engine", file])


def perfrun_spec(job: Job) -> dict[str, Any]:
    """A job as a PerfTest says it."""
    users = job.connections * job.streams
    spec: dict[str, Any] = {
        "target": {
            "http": {
                "url": job.url,
                "protocol": "HTTP/2" if job.http2 else "HTTP/1.1",
                "tls": {"insecureSkipVerify": True},
            }
        },
        "load": {"closed": {"users": users, "duration": f"{job.seconds}s"}},
    }
    if job.scenario:
        spec["scenarios"] = json.loads((SCRIPTS / "perfrun_scenarios.json").read_text())
    return spec


def _number(pattern: str, output: str) -> float:
    found = re.search(pattern, output)
    if found is None:
        raise ValueError(f"there is no {pattern} in: {output[:500]}")
    return float(found[1])
