"""The generators: how each is asked for an open load, and which percentiles it reports."""

import csv
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from perfrun.measure.plan import RunPlan
from perfrun.measure.record import Outcome, Timing
from perfrun.measure.report import WorkerReport
from tests.cluster.tools import program
from tests.conformance.server import MS, S
from tests.conformance.truth import QUANTILES

FOLDER = Path(__file__).parent
_PLENTY = 500
"""Connections for an open load that goes on while the server stalls: 280 are open at its end."""


@dataclass(frozen=True)
class Load:
    """So many requests a second for so many seconds, whatever the server does."""

    url: str
    rate: int
    seconds: int
    connections: int = 10
    """Or users, where a generator wants to be told."""

    def to(self, url: str) -> "Load":
        """The same load on another server."""
        return replace(self, url=url)


@dataclass(frozen=True)
class Said:
    """What a generator reports: ns by quantile, as far as it gives them, and how many requests."""

    quantiles: dict[float, float]
    requests: int
    start: int = 0
    """T0, monotonic ns; only of perfrun."""
    plan: RunPlan | None = None
    report: WorkerReport | None = None
    """As a coordinator would judge them; only of perfrun."""


def perfrun(load: Load, stop: float | None = None, **spec: Any) -> Said:
    """perfrun's engine, as a worker runs it; request k asks for ``/k``.

    ``stop``: seconds from T0 after which it is told to stop.
    """
    plan = RunPlan.model_validate(
        {
            "uid": "conformance",
            "namespace": "conformance",
            "test": "t",
            "run": "t-1",
            "seed": 1,
            "target": {"http": {"url": load.url, **spec.pop("http", {})}},
            "scenarios": [
                {"name": "s", "steps": [{"name": "get", "http": {"path": "/$(seq(0))"}}]}
            ],
            "load": spec or {"open": {"rate": f"{load.rate}/s", "duration": f"{load.seconds}s"}},
        }
    )
    with tempfile.TemporaryDirectory() as name:
        asked, out = Path(name) / "plan.json", Path(name) / "report"
        asked.write_bytes(plan.to_bytes())
        argv = [sys.executable, "-m", "tests.conformance.engine", str(asked), str(out)]
        if stop is not None:
            argv.append(str(stop))
        subprocess.run(argv, check=True, timeout=load.seconds + 60)
        report = WorkerReport.unpack(out.read_bytes())
        start = json.loads(out.with_suffix(".start").read_text())
    (step,) = report.window.steps
    latency = step.histogram(Timing.LATENCY, Outcome.SUCCESS)
    said = {q: latency.quantile(q) for q in QUANTILES} if latency.count else {}
    return Said(said, step.sent, start, plan, report)


def _k6(executor: str) -> Callable[[Load], Said]:
    def run(load: Load) -> Said:
        with tempfile.TemporaryDirectory() as name:
            summary = Path(name) / "summary.json"
            env = {
                "URL": load.url,
                "RATE": load.rate,
                "SECONDS": load.seconds,
                "VUS": _PLENTY if executor == "constant-arrival-rate" else load.connections,
                "HOW": executor,
            }
            given = [word for key, value in env.items() for word in ("-e", f"{key}={value}")]
            quiet = ["--quiet", f"--summary-export={summary}"]
            _run([program("k6"), "run", *quiet, *given, FOLDER / "k6.js"])
            metrics = json.loads(summary.read_text())["metrics"]
        times = metrics["http_req_duration"]
        names = {0.5: "med", 0.9: "p(90)", 0.95: "p(95)", 0.99: "p(99)", 0.999: "p(99.9)"}
        said = {q: times[key] * MS for q, key in names.items()}
        return Said(said, metrics["http_reqs"]["count"])

    return run


def _vegeta(load: Load) -> Said:
    attack = [program("vegeta"), "attack", f"-rate={load.rate}", f"-duration={load.seconds}s"]
    out = _run(attack, f"GET {load.url}/\n".encode())
    said = json.loads(_run([program("vegeta"), "report", "-type=json"], out))
    times = said["latencies"]
    names = {0.5: "50th", 0.9: "90th", 0.95: "95th", 0.99: "99th"}
    return Said({q: times[key] for q, key in names.items()}, said["requests"])


def _hey(load: Load) -> Said:
    workers = load.connections
    asked = ["-z", f"{load.seconds}s", "-c", str(workers), "-q", str(load.rate // workers)]
    out = _run([program("hey"), *asked, f"{load.url}/"]).decode()
    found = re.findall(r"(\d+)%+ in ([\d.]+) secs", out)
    said = {int(share) / 100: float(seconds) * S for share, seconds in found}
    count = sum(int(number) for number in re.findall(r"\[\d+\]\s+(\d+) responses", out))
    return Said(said, count)


def _wrk(load: Load) -> Said:
    asked = ["-t1", f"-c{load.connections}", f"-d{load.seconds}s", "--latency", f"{load.url}/"]
    out = _run([program("wrk"), *asked]).decode()
    units = {"us": 1000, "ms": MS, "s": S}
    found = re.findall(r"^\s+(\d+)%\s+([\d.]+)(us|ms|s)$", out, re.MULTILINE)
    said = {int(share) / 100: float(number) * units[unit] for share, number, unit in found}
    count = re.search(r"(\d+) requests in", out)
    return Said(said, int(count[1]) if count else 0)


def _oha(*more: str, connections: int | None = None) -> Callable[[Load], Said]:
    def run(load: Load) -> Said:
        asked = ["-z", f"{load.seconds}s", "-q", str(load.rate), "--no-tui", *more]
        asked += ["-c", str(connections or load.connections)]
        out = json.loads(_run([program("oha"), *asked, "--output-format", "json", f"{load.url}/"]))
        times = out["latencyPercentiles"]
        names = {0.5: "p50", 0.9: "p90", 0.95: "p95", 0.99: "p99", 0.999: "p99.9"}
        said = {q: times[key] * S for q, key in names.items() if times.get(key) is not None}
        return Said(said, sum(out["statusCodeDistribution"].values()))

    return run


def _locust(load: Load) -> Said:
    users, script = str(load.connections), FOLDER / "locust_paced.py"
    with tempfile.TemporaryDirectory() as name:
        prefix = Path(name) / "said"
        asked = ["-u", users, "-r", users, "-t", f"{load.seconds}s", "--host", load.url]
        quiet = ["--headless", "--only-summary", "--csv", prefix]
        env = {"EACH": str(load.rate / load.connections)}
        _run([program("locust"), "-f", script, *asked, *quiet], env=env)
        with Path(f"{prefix}_stats.csv").open(newline="") as file:
            *_, total = csv.DictReader(file)
    said = {q: float(total[f"{q * 100:g}%"]) * MS for q in QUANTILES}
    return Said(said, int(total["Request Count"]))


PEERS: dict[str, tuple[str, Callable[[Load], Said]]] = {
    "k6, constant-arrival-rate": ("k6", _k6("constant-arrival-rate")),
    "k6, VUs that pace themselves": ("k6", _k6("constant-vus")),
    "vegeta": ("vegeta", _vegeta),
    "oha -q": ("oha", _oha()),
    "oha -q --latency-correction": ("oha", _oha("--latency-correction", connections=_PLENTY)),
    "hey -q": ("hey", _hey),
    "Locust, constant_throughput": ("locust", _locust),
    "wrk (no rate)": ("wrk", _wrk),
}
"""By the name in the table: the tool, and how it is run."""


def _run(argv: list[Any], stdin: bytes = b"", env: Mapping[str, str] | None = None) -> bytes:
    done = subprocess.run(
        [str(word) for word in argv],
        input=stdin,
        capture_output=True,
        check=True,
        timeout=120,
        env={**os.environ, **(env or {})},
    )
    return done.stdout
