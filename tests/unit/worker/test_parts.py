"""The parts of a worker that need no process: its environment, its plan."""

import resource
from pathlib import Path

import pytest

from perfrun.measure.report import Ready
from perfrun.measure.script import ToolThreshold
from perfrun.worker.client import Client
from perfrun.worker.config import Config, ConfigError, from_environment
from perfrun.worker.main import MACOS_OPEN_MAX, Worker, load_plan, raise_descriptor_limit
from tests.unit.engine.server import burst, plan

ENV = {"PERFRUN_PLAN": "/p.json", "PERFRUN_COORDINATOR": "https://c:8443/"}


def config(**env: str) -> Config:
    return from_environment({**ENV, "PERFRUN_INDEX": "0", **env})


def test_the_index_of_the_job_is_the_worker_s() -> None:
    given = from_environment({**ENV, "JOB_COMPLETION_INDEX": "3"})
    assert (given.index, given.coordinator) == (3, "https://c:8443")
    assert given.coordinator_host == "c:8443"
    assert (given.ca, given.token_file, given.secrets, given.report_deadline) == (
        None,
        None,
        None,
        600.0,
    )


@pytest.mark.parametrize(
    ("env", "named"),
    [
        ({}, "JOB_COMPLETION_INDEX"),
        ({"PERFRUN_INDEX": "x"}, "PERFRUN_INDEX"),
        ({"PERFRUN_INDEX": "1", "PERFRUN_PLAN": ""}, "PERFRUN_PLAN"),
    ],
)
def test_what_the_environment_lacks_is_named(env: dict[str, str], named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        from_environment({**ENV, **env})


@pytest.mark.parametrize("text", [None, "", "{", '{"version": 2}'])
def test_a_plan_that_is_none_is_refused(tmp_path: Path, text: str | None) -> None:
    path = tmp_path / "plan.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ConfigError, match=r"plan\.json"):
        load_plan(config(PERFRUN_PLAN=str(path)))


@pytest.mark.parametrize("hard", [resource.RLIM_INFINITY, 65536])
def test_files_are_opened_up_to_the_hard_limit_or_what_the_system_takes(
    monkeypatch: pytest.MonkeyPatch, hard: int
) -> None:
    set_: list[tuple[int, int]] = []

    def setrlimit(_: int, limits: tuple[int, int]) -> None:
        if limits[0] == resource.RLIM_INFINITY:  # as macOS does
            raise ValueError("current limit exceeds maximum limit")
        set_.append(limits)

    monkeypatch.setattr(resource, "getrlimit", lambda _: (256, hard))
    monkeypatch.setattr(resource, "setrlimit", setrlimit)
    raise_descriptor_limit()
    soft = MACOS_OPEN_MAX if hard == resource.RLIM_INFINITY else hard
    assert set_ == [(soft, hard)]


class _Aborting:
    """An engine of a script with a threshold that ends the load."""

    aborts = (ToolThreshold(metric="checks", source="rate>0.9", abort=True),)


async def test_a_new_coordinator_learns_which_thresholds_end_the_load(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told: list[Ready] = []

    async def repost(_: Client, message: Ready) -> None:
        told.append(message)

    monkeypatch.setattr(Client, "repost", repost)
    worker = Worker(config(), plan("http://127.0.0.1:1/", burst(1)))
    worker._setup = {"id": "7"}
    await worker._repost(_Aborting())  # type: ignore[arg-type]
    (ready,) = told
    assert (ready.setup, list(ready.aborts)) == ({"id": "7"}, list(_Aborting.aborts))
