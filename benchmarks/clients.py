"""One class for each generator: its command line for a case, and what its output says."""

import json
import re
import sys
from abc import abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from typing_extensions import override

from benchmarks.pinned import Command
from benchmarks.tools import program, version
from perfrun import __version__
from tests.cluster.commands import run

HERE = Path(__file__).parent


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
    failed: int = 0


class Client(Protocol):
    """A load generator."""

    name: str

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
        """What its output says."""


class Perfrun(Client):
    """perfrun's engine in one process, as a worker runs it, with all that it records."""

    name = "perfrun"

    @property
    def version(self) -> str:
        return __version__

    @override
    def can(self, job: Job) -> bool:
        return True

    @override
    def command(self, job: Job, folder: Path) -> Command:
        spec = folder / "perfrun.json"
        spec.write_text(json.dumps(perfrun_spec(job)))
        return Command([sys.executable, "-m", "benchmarks.engine", spec])

    @override
    def read(self, output: str, job: Job, folder: Path) -> Said:
        said = json.loads(output.splitlines()[-1])
        return Said(said["rate"], said["failed"])


class Wrk(Client):
    name = "wrk"

    @override
    def command(self, job: Job, folder: Path) -> Command:
        load = ["-t1", f"-c{job.connections}", f"-d{job.seconds}s"]
        return Command([program("wrk"), *load, job.url])

    @override
    def read(self, output: str, job: Job, folder: Path) -> Said:
        bad = re.search(r"Non-2xx or 3xx responses: (\d+)", output)
        return Said(_number(r"Requests/sec:\s+([\d.]+)", output), int(bad[1]) if bad else 0)


class Hey(Client):
    name = "hey"

    @override
    def command(self, job: Job, folder: Path) -> Command:
        load = ["-z", f"{job.seconds}s", "-c", str(job.connections), "-cpus", "1"]
        return Command([program("hey"), *load, job.url], {"GOMAXPROCS": "1"})

    @override
    def read(self, output: str, job: Job, folder: Path) -> Said:
        codes = {code: int(n) for code, n in re.findall(r"\[(\d{3})\]\s+(\d+) responses", output)}
        bad = sum(n for code, n in codes.items() if code >= "400")
        errors = sum(int(n) for n in re.findall(r"^\s+\[(\d+)\]\t", output, re.MULTILINE))
        share = 1 - bad / sum(codes.values()) if codes else 0.0
        return Said(_number(r"Requests/sec:\s+([\d.]+)", output) * share, bad + errors)


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
        codes = said["statusCodeDistribution"]
        good = sum(count for code, count in codes.items() if code < "400")
        # What is under way at the end is given up, and no failure.
        lost = {"aborted due to deadline"}
        errors = sum(n for what, n in said["errorDistribution"].items() if what not in lost)
        return Said(good / said["summary"]["total"], sum(codes.values()) - good + errors)


class Vegeta(Client):
    name = "vegeta"

    @override
    def command(self, job: Job, folder: Path) -> Command:
        load = ["-rate=0", f"-max-workers={job.connections}", f"-duration={job.seconds}s"]
        more = ["-insecure", "-http2=false", f"-output={folder}/vegeta.bin"]
        argv: list[str | Path] = [program("vegeta"), "attack", *load, *more]
        return Command(argv, {"GOMAXPROCS": "1"}, stdin=f"GET {job.url}\n")

    @override
    def read(self, output: str, job: Job, folder: Path) -> Said:
        said = json.loads(run([program("vegeta"), "report", "-type=json", folder / "vegeta.bin"]))
        return Said(said["throughput"], said["requests"] - said["status_codes"].get("200", 0))


class K6(Client):
    name = "k6"

    @override
    def can(self, job: Job) -> bool:
        return not job.http2

    @override
    def command(self, job: Job, folder: Path) -> Command:
        script = HERE / "scripts" / ("k6_scenario.js" if job.scenario else "k6_plain.js")
        load = ["--vus", str(job.connections), "--duration", f"{job.seconds}s"]
        more = ["--insecure-skip-tls-verify", f"--summary-export={folder}/k6.json", "--quiet"]
        env = {"URL": job.url, "GOMAXPROCS": "1", "K6_NO_USAGE_REPORT": "true"}
        return Command([program("k6"), "run", *load, *more, script], env)

    @override
    def read(self, output: str, job: Job, folder: Path) -> Said:
        metrics = json.loads((folder / "k6.json").read_text())["metrics"]
        return Said(metrics["http_reqs"]["rate"], metrics["http_req_failed"]["passes"])


class Locust(Client):
    name = "locust"

    @override
    def command(self, job: Job, folder: Path) -> Command:
        users = ["-u", str(job.connections), "-r", str(job.connections)]
        load = [
            "--headless",
            "--only-summary",
            "-t",
            f"{job.seconds}s",
            "--json",
            "--host",
            job.url.rstrip("/"),
        ]
        script = HERE / "scripts" / "locust_plain.py"
        return Command([program("locust"), "-f", script, *users, *load])

    @override
    def read(self, output: str, job: Job, folder: Path) -> Said:
        (said,) = json.loads(output[output.index("[\n") :])
        took = said["last_request_timestamp"] - said["start_time"]
        return Said((said["num_requests"] - said["num_failures"]) / took, said["num_failures"])


CLIENTS: dict[str, Client] = {
    client.name: client for client in (Perfrun(), Wrk(), Oha(), Hey(), Vegeta(), K6(), Locust())
}


def perfrun_spec(job: Job) -> dict[str, Any]:
    """The target, scenarios and load of a job, as a PerfTest has them."""
    http: dict[str, Any] = {"url": job.url, "tls": {"insecureSkipVerify": True}}
    if job.http2:
        http["protocol"] = "HTTP/2"
    spec: dict[str, Any] = {
        "target": {"http": http},
        "load": {
            "closed": {
                "users": job.connections * job.streams,
                "duration": f"{job.seconds}s",
            }
        },
    }
    if job.scenario:
        spec["scenarios"] = json.loads((HERE / "scripts" / "perfrun_scenarios.json").read_text())
    return spec


def _number(pattern: str, output: str) -> float:
    found = re.search(pattern, output)
    if found is None:
        raise ValueError(f"there is no {pattern} in: {output[:500]}")
    return float(found[1])
