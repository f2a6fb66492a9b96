"""What each program of perfrun loads: all of it costs time at each start."""

import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"
CLUSTER = {"kubernetes", "kopf", "aiohttp_retry", "prometheus_client", "cryptography"}
TARGETS = {"playwright", "asyncpg", "asyncmy", "psutil"}
TESTS = {"pytest", "hypothesis", "click"}

_LOADED = """
import sys
sys.argv[1:] = {arguments!r}
from perfrun.cli.main import main
try: main()
except SystemExit: pass
sys.stderr.write(" ".join(sys.modules))
"""
_WORKER = """
import sys
import perfrun
perfrun.start_lean()
import perfrun.worker.__main__
from perfrun.engine.kinds import kind_of
from perfrun.measure.plan import RunPlan
from perfrun.reach.values import Values
kind = kind_of(RunPlan.model_validate_json(sys.argv[1]), Values(), 0)
sys.stderr.write(" ".join(sys.modules))
"""


def loaded(script: str, *arguments: str) -> set[str]:
    """The modules, and the packages around them, that a program has loaded in the end."""
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return set(done.stderr.split())


def command(*arguments: str) -> set[str]:
    return loaded(_LOADED.format(arguments=list(arguments)))


def test_help_loads_no_library_but_that_of_the_command_line() -> None:
    found = command("--help")
    unneeded = {"pydantic", "numpy", "yaml", "asyncio", "aiohttp", "httpx", "jsonpath", "jinja2"}
    assert not found & (unneeded | CLUSTER | TARGETS | TESTS)


def test_what_checks_a_manifest_loads_nothing_that_makes_a_load() -> None:
    found = command("validate", str(EXAMPLES / "health-burst.yaml"))
    unneeded = {"asyncio", "aiohttp", "httpx", "jsonpath", "jinja2", "perfrun.local.run"}
    assert not found & (unneeded | CLUSTER | TARGETS | TESTS)


def test_what_runs_a_test_loads_nothing_of_a_cluster_and_no_form_that_is_not_asked_for() -> None:
    found = loaded("import sys, perfrun.cli.run\nsys.stderr.write(' '.join(sys.modules))")
    assert not found & ({"httpx", "jsonpath", "jinja2"} | CLUSTER | TARGETS | TESTS)


@pytest.fixture
def plan() -> str:
    from perfrun.local.files.manifests import read_manifests
    from perfrun.local.outcome import new_plan

    (manifest,) = read_manifests([str(EXAMPLES / "health-burst.yaml")])
    assert manifest.test is not None
    return new_plan(manifest.test).to_bytes().decode()


def test_a_worker_loads_what_its_target_needs(plan: str) -> None:
    found = loaded(_WORKER, plan)
    assert "perfrun.engine.http.kind" in found
    unneeded = {"hpack", "jsonpath", "jinja2", "rich", "yaml", "aiohttp", "typer"}
    assert not found & (unneeded | CLUSTER | TARGETS | TESTS)
    kinds = {f"perfrun.engine.{kind}" for kind in ("sql", "browser", "benchmark", "extension")}
    assert not found & (kinds | {"perfrun.engine.http.http2.pool"})


def test_a_worker_knows_no_spec_no_status_and_no_verdict(plan: str) -> None:
    found = loaded(_WORKER, plan)
    above = ("perfrun.api.run", "perfrun.api.test.perftest", "perfrun.logic.verdict")
    assert not [name for name in found if name.startswith(above)]
