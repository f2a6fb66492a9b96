"""A machine that cannot run the cluster: one sentence, exit code 2, and another way."""

import pytest

from tests.cluster import __main__ as command_line
from tests.cluster import cluster, gobuild
from tests.cluster.errors import ClusterError


@pytest.fixture(autouse=True)
def _signals_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("signal.signal", lambda *_: None)


def test_without_root(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("shutil.which", lambda *_, **__: "/usr/bin/apt-get")
    monkeypatch.setattr("pathlib.Path.exists", lambda _: True)
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert command_line.main(["up"]) == 2
    said = capsys.readouterr().err
    assert "needs root" in said
    assert "KUBECONFIG=" in said
    assert len(said.splitlines()) == 1


def test_not_debian(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("shutil.which", lambda *_, **__: None)
    assert command_line.main(["up"]) == 2
    assert "Debian" in capsys.readouterr().err


def test_go_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda *_, **__: None)
    with pytest.raises(ClusterError, match=r"Go is not installed.*Go 1\.26"):
        gobuild.find_go(gobuild.KUBERNETES)


def test_failure_is_one_message(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail() -> None:
        raise ClusterError("etcd ended at once")

    monkeypatch.setattr(cluster, "down", fail)
    assert command_line.main(["down"]) == 1
    assert capsys.readouterr().err == "error: etcd ended at once\n"


def test_build_argument_without_value(capsys: pytest.CaptureFixture[str]) -> None:
    assert command_line.main(["image", "x", ".", "--build-arg", "BASE"]) == 1
    assert "BASE=VALUE" in capsys.readouterr().err
