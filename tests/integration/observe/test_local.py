"""``perfrun run`` that observes a process, a PostgreSQL and a Prometheus, all of them real."""

import asyncio
import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from perfrun.logic.plan.network import ANYWHERE
from perfrun.measure.result import RunResult
from perfrun.observe.prometheus import PrometheusSource
from perfrun.observe.source import UnseenError
from perfrun.reach.resolver import Resolver
from tests.databases import Postgres, postgres

LEAKING = Path(__file__).parents[2] / "leaking.py"
SECONDS = 12
PATIENCE = 60.0
MANIFEST = """
apiVersion: perfrun.dev/v1alpha1
kind: PerfTest
metadata: {{name: leaking, namespace: shop}}
spec:
  target: {{http: {{url: "http://127.0.0.1:{target}/"}}}}
  load: {{warmup: 2s, open: {{rate: 20/s, duration: {seconds}s}}}}
  slos:
  - {{metric: errorRate, max: 0%}}
  - {{metric: memory.growth, of: api, max: 5Mi}}
  - {{metric: cpu.max, of: api, max: "2"}}
  - {{metric: connections.max, of: orders, max: 80}}
  - {{metric: value.min, of: alive, min: 1}}
  - {{metric: value.max, of: nothing, max: 1}}
  observe:
  - {{name: api, workload: {{kind: Deployment, name: api}}}}
  - {{name: orders, sql: {{dsnFrom: {{secretKeyRef: {{name: orders, key: dsn}}}}}}}}
  - {{name: alive, prometheus: {{url: "http://localhost:{prometheus}", query: "sum(up)"}}}}
  - {{name: nothing, prometheus: {{url: "http://localhost:{prometheus}", query: "sum(no_such)"}}}}
---
apiVersion: v1
kind: Secret
metadata: {{name: orders, namespace: shop}}
stringData: {{dsn: "{dsn}"}}
"""


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


def until_answers(url: str, wanted: str = "") -> None:
    end = time.monotonic() + PATIENCE
    while True:
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                if wanted in answer.read().decode():
                    return
        except OSError:
            pass
        assert time.monotonic() < end, f"{url} does not answer"
        time.sleep(0.1)


@pytest.fixture
def leaking() -> Iterator[int]:
    port = free_port()
    process = subprocess.Popen([sys.executable, str(LEAKING), str(port)])
    until_answers(f"http://127.0.0.1:{port}/")
    yield port
    process.kill()
    process.wait()


@pytest.fixture
def database(database_tools: None) -> Iterator[Postgres]:
    with postgres() as server:
        yield server


@pytest.fixture
def prometheus(e2e_tools: None, tmp_path: Path) -> Iterator[int]:
    """Debian's, scraping itself."""
    port = free_port()
    where = f"localhost:{port}"
    jobs = [{"job_name": "self", "static_configs": [{"targets": [where]}]}]
    config = tmp_path / "prometheus.yaml"
    config.write_text(json.dumps({"global": {"scrape_interval": "1s"}, "scrape_configs": jobs}))
    data = f"--storage.tsdb.path={tmp_path / 'data'}"
    with (tmp_path / "prometheus.log").open("w") as log:
        process = subprocess.Popen(
            ["prometheus", f"--config.file={config}", data, f"--web.listen-address={where}"],
            stdout=log,
            stderr=log,
        )
    until_answers(f"http://{where}/api/v1/query?query=sum(up)", '"1"]')
    yield port
    process.terminate()
    process.wait(timeout=PATIENCE)


def test_a_leak_breaches_its_limit_and_nothing_of_it_disturbs_the_load(
    tmp_path: Path, leaking: int, database: Postgres, prometheus: int
) -> None:
    file, result = tmp_path / "leaking.yaml", tmp_path / "result.json"
    file.write_text(
        MANIFEST.format(target=leaking, seconds=SECONDS, prometheus=prometheus, dsn=database.dsn())
    )
    done = subprocess.run(
        [sys.executable, "-m", "perfrun.cli.main", "run", file, "--observe",
         f"api=port:{leaking}", "--result", result],
        capture_output=True, text=True, timeout=PATIENCE, cwd=tmp_path, env={**os.environ},
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    whole = RunResult.model_validate_json(result.read_bytes())
    verdicts = {(slo["metric"], slo.get("of", "")): slo for slo in whole.status["slos"]}
    told = {key: slo["verdict"] for key, slo in verdicts.items()}
    assert told == {
        ("errorRate", ""): "Pass",
        ("memory.growth", "api"): "Warn",
        ("cpu.max", "api"): "Pass",
        ("connections.max", "orders"): "Pass",
        ("value.min", "alive"): "Pass",
        ("value.max", "nothing"): "Inconclusive",
    }, done.stdout
    assert whole.report is not None
    memory = next(one for one in whole.report.observed if one.metric == "memory")
    # A mebibyte a second was leaked, for twelve seconds.
    grown = float(verdicts["memory.growth", "api"]["measured"].removesuffix("Mi"))
    assert 8 < grown < 16
    assert memory.at[0] < 0 < memory.at[-1]
    assert "the query returned no series" in verdicts["value.max", "nothing"]["message"]
    # Nobody but perfrun itself was there.
    assert verdicts["connections.max", "orders"]["measured"] == "0"


async def asked(port: int, query: str) -> float | str:
    """What an observation sees by a query, or why it sees nothing."""
    resolver = Resolver("localhost", port, ANYWHERE)
    source = PrometheusSource(f"http://localhost:{port}", query, resolver, False)
    try:
        return (await source.look())["value"]
    except UnseenError as error:
        return str(error)
    finally:
        await source.close()


@pytest.mark.parametrize(
    ("query", "advice", "value"),
    [
        ("no_such_metric", "sum(QUERY) or vector(0)", 0.0),
        ('up{job="no-such-job"}', "sum(QUERY) or vector(0)", 0.0),
        ("sum(rate(no_such_metric[1m]))", "sum(QUERY) or vector(0)", 0.0),
        ("up", "", 1.0),
        ("up > 0 or vector(7)", "sum()", 8.0),
        ("up[1m]", "rate()", 0.0),
    ],
)
async def test_what_is_advised_for_a_query_without_a_number_makes_one(
    prometheus: int, query: str, advice: str, value: float
) -> None:
    if advice:
        assert advice in str(await asked(prometheus, query))
    followed = advice.replace("QUERY", "").replace("()", f"({query})", 1) or query
    deadline = time.monotonic() + PATIENCE
    while await asked(prometheus, followed) != value:  # rate() needs two scrapes
        assert time.monotonic() < deadline, await asked(prometheus, followed)
        await asyncio.sleep(0.2)
    # Where the query gives one series, it still gives that.
    assert await asked(prometheus, "sum(up) or vector(0)") == 1.0


def test_a_name_that_no_test_observes_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "leaking.yaml"
    file.write_text(MANIFEST.format(target=9, seconds=1, prometheus=9, dsn="postgresql://a@b/c"))
    done = subprocess.run(
        [sys.executable, "-m", "perfrun.cli.main", "run", file, "--observe", f"apo={os.getpid()}"],
        capture_output=True, text=True, timeout=PATIENCE, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "--observe apo: no test observes a workload with that name" in done.stderr
