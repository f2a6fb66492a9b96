"""What is written of a status: only what has changed, and only on what it was decided on."""

from datetime import UTC, datetime
from typing import Any

from perfrun.api import Json
from perfrun.api.metadata import Condition, Metadata
from perfrun.api.run.perfrun import WorkerCounts
from perfrun.controller.objects.status import as_json, changed, conditions_json, write_status
from perfrun.kube.resources import PERF_RUNS

NOW = datetime(2026, 11, 22, 2, 0, tzinfo=UTC)


def test_only_differences_are_written_and_what_is_to_go_is_none() -> None:
    old = {"phase": "Running", "progress": "1s", "workers": {"ready": 1}}
    assert changed(old, {"phase": "Running", "workers": {"ready": 1}}) == {}
    assert changed(old, {"progress": None, "workers": {"ready": 2}}) == {
        "progress": None, "workers": {"ready": 2},
    }  # fmt: skip
    assert changed({}, {"queue": None}) == {}


def test_models_become_json_in_the_apis_notation() -> None:
    assert as_json([WorkerCounts(planned=2)]) == [{"planned": 2, "ready": 0, "reported": 0}]
    assert as_json("Pass") == "Pass"


def test_conditions_are_what_the_api_server_gives_back() -> None:
    # Else a status would differ from itself, and be written for ever.
    condition = Condition(type="Ready", status="True", reason="Accepted", observed_generation=1,
                          last_transition_time=NOW)  # fmt: skip
    written = conditions_json([condition])
    assert written == [{
        "type": "Ready", "status": "True", "reason": "Accepted", "message": "",
        "observedGeneration": 1, "lastTransitionTime": "2026-11-22T02:00:00Z",
    }]  # fmt: skip
    assert conditions_json([Condition.model_validate(written[0])]) == written


async def test_write_names_the_object_and_version_that_it_was_decided_on() -> None:
    class Recorder:
        async def patch(self, *where: Any, sub: str) -> Json:
            self.where, self.sub = where, sub
            return {}

    kube = Recorder()
    about = Metadata(name="one", namespace="team", uid="u", resource_version="7")
    await write_status(kube, PERF_RUNS, about, {"phase": "Done"})  # type: ignore[arg-type]
    assert kube.sub == "status"
    assert kube.where == (PERF_RUNS, "team", "one", {
        "metadata": {"uid": "u", "resourceVersion": "7"}, "status": {"phase": "Done"},
    })  # fmt: skip
