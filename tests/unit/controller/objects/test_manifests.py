"""What a run creates: owned, labelled as ours, and in pieces that fit."""

import base64
import json
from typing import Any

import pytest

from perfrun.api.test.perftest import PerfTest
from perfrun.controller.objects.jobs import job_manifest
from perfrun.controller.objects.manifests import (
    CHUNK_BYTES,
    joined,
    owner_reference,
    plan_config_map,
    report_config_maps,
    result_config_maps,
    run_manifest,
)
from perfrun.logic.plan.names import job_name
from perfrun.measure.plan import RunPlan
from tests.unit.controller.build import KEY, perf_test, plan_of, revision, settings

Json = dict[str, Any]


def test_all_that_a_run_creates_goes_with_it() -> None:
    test = perf_test()
    plan = plan_of(test)
    bodies = [
        job_manifest(KEY, plan, test.spec, settings(), with_ca=True),
        plan_config_map(KEY, plan, ""), *report_config_maps(KEY, plan, 0, b"x"),
        *result_config_maps(KEY, plan, b"x"),
    ]  # fmt: skip
    owner = owner_reference("PerfRun", KEY.name, "uid-run")
    assert all(body["metadata"]["ownerReferences"] == [owner] for body in bodies)
    assert all(body["metadata"]["name"].startswith(job_name("uid-run")) for body in bodies)
    assert owner["controller"] is True
    assert owner["blockOwnerDeletion"] is False


def test_plan_in_the_config_map_is_the_plan() -> None:
    plan = plan_of(perf_test())
    data = plan_config_map(KEY, plan, "PEM")["data"]
    assert RunPlan.model_validate_json(data["plan.json"]) == plan
    assert data["ca.crt"] == "PEM"
    assert "ca.crt" not in plan_config_map(KEY, plan, "")["data"]


@pytest.mark.parametrize(
    ("size", "pieces"), [(1, 1), (CHUNK_BYTES, 1), (CHUNK_BYTES + 1, 2), (4 * 1024 * 1024, 5)]
)
def test_result_is_cut_into_pieces_that_fit_and_join_again(size: int, pieces: int) -> None:
    packed = bytes(number % 251 for number in range(size))
    maps = result_config_maps(KEY, plan_of(perf_test()), packed)
    assert len(maps) == pieces
    sizes = [len(base64.b64decode(body["binaryData"]["result.json.gz"])) for body in maps]
    assert max(sizes) <= 900 * 1024
    assert joined(maps[::-1]) == packed
    assert len({body["metadata"]["name"] for body in maps}) == pieces


def test_pieces_that_are_not_all_there_or_damaged_are_nothing() -> None:
    packed = bytes(CHUNK_BYTES + 1)
    maps = report_config_maps(KEY, plan_of(perf_test()), 3, packed)
    assert joined(maps[:1]) is None
    assert joined(maps[1:]) is None
    maps[1]["binaryData"] = {"report.json.gz": base64.b64encode(b"\1").decode()}
    assert joined(maps) is None
    assert {body["metadata"]["labels"]["perfrun.dev/index"] for body in maps} == {"3"}


def test_equal_specs_share_a_revision_and_bookkeeping_does_not_matter() -> None:
    def name_of(test: PerfTest) -> str:
        return str(revision(test)["metadata"]["name"])

    same = name_of(perf_test())
    assert name_of(perf_test(suspend=True, runOn=[])) == same
    assert name_of(perf_test(variables={"a": "b"})) != same
    body = revision(perf_test())
    assert body["metadata"]["name"] == same
    assert "suspend" not in body["data"]["spec"]
    json.dumps(body)


def test_run_of_the_operator_names_its_test_reason_and_time() -> None:
    body = run_manifest(perf_test().metadata, "shop-29", "Scheduled", "2026-11-22T02:00:00Z")
    assert body["spec"] == {
        "testRef": {"name": "shop"}, "reason": "Scheduled",
        "scheduledTime": "2026-11-22T02:00:00Z",
    }  # fmt: skip
    assert body["metadata"]["ownerReferences"][0]["uid"] == "uid-shop"
    assert "scheduledTime" not in run_manifest(perf_test().metadata, "x", "Change", None)["spec"]
