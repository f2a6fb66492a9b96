"""The command line as it is found: help, order, completion, and what is loaded for it."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner

from perfrun.cli import completion
from perfrun.cli.commands import app
from perfrun.cli.commands.app import CLUSTER, LOCAL
from perfrun.cli.main import complete_for_kubectl
from tests.unit.cli.fake_api import FakeApi, perftest_body, run_body, status_body
from tests.unit.cli.fixtures_cluster import cluster_of


@pytest.fixture
def api(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeApi]:
    api = FakeApi(
        {
            "perftests": [perftest_body("api"), perftest_body("orders")],
            "perfruns": [run_body("api-1"), run_body("$(reboot)")],
        }
    )
    with cluster_of(api, tmp_path, monkeypatch):
        yield api


def test_the_help_has_what_runs_here_first_and_then_the_cluster():
    said = CliRunner().invoke(app, ["--help"], env={"COLUMNS": "100"}).output
    places = [said.index(word) for word in (LOCAL, "│ run ", "│ validate ", CLUSTER, "│ watch ")]
    assert places == sorted(places)
    inside = said[said.index(CLUSTER) :]
    assert all(f"│ {name} " in inside for name in ("watch", "trigger", "logs"))


def test_no_client_of_kubernetes_is_loaded_where_none_is_needed():
    script = (
        "import sys; from perfrun.cli.commands import app\n"
        "try: app(['--help'])\nexcept SystemExit: pass\n"
        "print('loaded:', 'kubernetes' in sys.modules, 'aiohttp' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "loaded: False False"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_script_for_each_shell(shell: str):
    done = CliRunner().invoke(app, ["completion", shell])
    assert done.exit_code == 0
    assert f"_PERFRUN_COMPLETE=complete_{shell}" in done.output


def typed(given: dict[str, str]) -> Any:
    """A command line of which these options are known."""
    return SimpleNamespace(params=given)


def test_names_are_completed_from_the_cluster(api: FakeApi):
    assert completion.test_names(typed({}), "") == ["api", "orders"]
    assert completion.test_names(typed({"namespace": "shop"}), "o") == ["orders"]
    assert completion.test_names(typed({"namespace": "empty"}), "") == []
    assert completion.test_or_run_names(typed({}), "") == ["api", "orders", "run/"]
    assert completion.test_or_run_names(typed({}), "run/a") == ["run/api-1"]


def test_what_a_shell_could_evaluate_is_not_offered(api: FakeApi):
    assert completion.run_names(typed({}), "") == ["api-1"]


def test_what_goes_wrong_completes_nothing_and_says_nothing(api: FakeApi, capfd):
    api.refusing["GET", "perftests"] = status_body(403, "no")
    assert completion.test_names(typed({}), "") == []
    assert completion.test_names(typed({"context": "mars"}), "") == []
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (["trigger", "o"], ["orders"]),
        (["watch", "r"], ["run/"]),
        (["watch", "run/"], ["run/api-1"]),
        (["next", "--output", ""], ["text", "json", "yaml"]),
        (["wat"], ["watch"]),
        (["q"], ["quick"]),
        (["quick", "-m", "P"], ["POST", "PUT", "PATCH"]),
        (["quick", "--fail-on", "w"], ["warn"]),
    ],
)
def test_kubectl_asks_for_words_and_whether_files_may_be_offered(
    api: FakeApi, capsys, monkeypatch: pytest.MonkeyPatch, words: list[str], offered: list[str]
):
    monkeypatch.setattr(sys, "argv", ["kubectl_complete-perfrun", *words])
    monkeypatch.setattr(os, "environ", os.environ.copy())
    monkeypatch.setattr("perfrun.cli.main.leave_on_interrupt", lambda: None)
    with pytest.raises(SystemExit):
        complete_for_kubectl()
    assert capsys.readouterr().out.splitlines() == [*offered, ":0"]
