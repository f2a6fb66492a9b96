"""``perfrun quick`` as a user runs it, and the manifest that it saves."""

import json
import signal
from pathlib import Path

import pytest
import yaml

from perfrun.api.run.perfrun import PerfRun
from tests.cluster.paths import REPO
from tests.integration.test_local_run import PATIENCE, Cli, Target, cli, target
from tests.integration.waiting import until

__all__ = ["cli", "target"]


def quick(cli: Cli, *arguments: object) -> tuple[int, str, str]:
    with cli.start("quick", *arguments) as process:
        out, err = process.communicate(timeout=PATIENCE)
        return process.returncode, out, err


def run_in(file: Path) -> PerfRun:
    return PerfRun.model_validate(json.loads(file.read_text()))


def test_what_quick_saves_does_the_same_and_has_no_secret(cli: Cli, target: Target) -> None:
    host = target.url.removeprefix("http://")
    code, out, err = quick(
        cli, f"{host}/x", "-n", "100", "-c", "10", "-H", "Authorization: Bearer planted7f3a",
        "--error-rate", "0%", "--save", "api.yaml", "--json", "quick.json", "--html", "quick.html",
        "--result", "result.json",
    )  # fmt: skip
    assert code == 0, out + err
    assert target.seen == [("/x", "Bearer planted7f3a")] * 100
    assert "api.yaml: written, without the values of secret headers" in err
    written = {file.name: file.read_text() for file in cli.folder.iterdir() if file.is_file()}
    assert written.keys() == {"api.yaml", "quick.json", "quick.html", "result.json"}
    assert not any("planted7f3a" in text for text in (*written.values(), out, err))

    (header,) = yaml.safe_load(written["api.yaml"])["spec"]["target"]["http"]["headers"]
    ref = header["valueFrom"]["secretKeyRef"]
    secret = cli.folder / "secrets" / ref["name"] / ref["key"]
    secret.parent.mkdir(parents=True)
    secret.write_text("Bearer planted7f3a")
    code, out, err = cli.run("api.yaml", "--secrets", "secrets", "--json", "run.json")
    assert code == 0, out + err
    assert target.seen == [("/x", "Bearer planted7f3a")] * 200
    first, second = run_in(cli.folder / "quick.json"), run_in(cli.folder / "run.json")
    assert first.status.comparison_key == second.status.comparison_key
    assert first.status.slos == second.status.slos
    assert first.status.summary is not None
    assert second.status.summary is not None
    assert first.status.summary.requests == second.status.summary.requests


def test_a_load_runs_without_what_only_linux_has(
    cli: Cli, target: Target, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on macOS, but for its kernel."""
    monkeypatch.setenv("PYTHONPATH", str(REPO / "tests/darwin"))
    code, out, err = quick(cli, f"{target.url}/x", "-r", "100", "-d", "1s", "--json", "a.json")
    assert code == 0, out + err
    status = run_in(cli.folder / "a.json").status
    assert status.summary is not None
    assert (status.summary.requests.sent, status.summary.requests.succeeded) == (100, 100)
    assert status.generator is not None
    assert status.generator.cpu_wait is None, "it ran as on Linux"
    assert len(target.seen) == 100


def test_an_answer_that_is_not_expected_misses_the_objective(cli: Cli, target: Target) -> None:
    arguments = (f"{target.url}/x", "-n", "20", "--expect", "201", "--error-rate", "1%", "--strict")
    code, out, err = quick(cli, *arguments)
    assert code == 1, out + err
    assert out.splitlines()[0].startswith("▲ WARN  default/127-0-0-1-")
    assert "errorRate was 100%, at most 1% allowed" in out
    assert len(target.seen) == 20


def test_ctrl_c_reports_what_was_measured_so_far(cli: Cli, target: Target) -> None:
    with cli.start("quick", target.url, "-r", "40", "-d", "60", "--save", "api.yaml") as process:
        until(lambda: len(target.seen) >= 40, PATIENCE)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130, out + err
    assert "stopped (by Ctrl-C)" in out
    load = yaml.safe_load((cli.folder / "api.yaml").read_text())["spec"]["load"]
    assert load == {"open": {"rate": "40/s", "duration": "60s"}}
    assert cli.leftovers == []
