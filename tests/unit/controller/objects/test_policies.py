"""Policies as they are read: objects, a file, and the one of a cluster without any."""

from pathlib import Path

import pytest

from perfrun.controller.objects.policies import (
    ensure_policy,
    policies_of,
    policy_record,
    written_policies,
)
from perfrun.kube.resources import PERF_POLICIES
from perfrun.logic.schedule.policy import DEFAULT, DEFAULT_NAME
from tests.unit.controller.build import settings
from tests.unit.controller.fake_kube import FakeKube

WRITTEN = """
- metadata: {name: lab}
  spec: {limits: {workers: 2}}
- metadata: {name: odd}
  spec: {limits: {wrokers: 2}}
"""


def test_a_policy_that_cannot_be_read_is_kept_as_one_that_forbids_all() -> None:
    odd = policy_record({"metadata": {"name": "odd", "uid": "u"}, "spec": {"deny": {"cidrs": [3]}}})
    assert (odd.spec, odd.uid) == (None, "u")
    policies = policies_of({"odd": odd})
    assert policies.unreadable["odd"].startswith("spec.deny.cidrs")


def test_a_policy_of_hours_in_a_zone_that_is_not_there_forbids_all_and_says_so() -> None:
    hours = [{"from": "22:00"}, {"from": "22:00", "timeZone": "Europe/Berln"}]
    record = policy_record({"metadata": {"name": "night"}, "spec": {"allowedHours": hours}})
    assert record.spec is None
    assert record.why.startswith("spec.allowedHours[1].timeZone: Europe/Berln is not a time zone")
    assert "cannot be read" in str(policies_of({"night": record}).of("shop").suspended)


def test_the_file_of_a_namespaced_installation(tmp_path: Path) -> None:
    file = tmp_path / "policies.yaml"
    file.write_text(WRITTEN)
    found = policies_of(written_policies(settings(PERFRUN_POLICY_FILE=str(file))))
    assert found.specs["lab"].limits.workers == 2
    assert "wrokers" in found.unreadable["odd"]


@pytest.mark.parametrize("text", ["- {spec: {}}", "{a: b}", "a: [", "- 3"])
def test_a_file_that_is_no_list_of_policies_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "policies.yaml"
    file.write_text(text)
    with pytest.raises(ValueError, match="PERFRUN_POLICY_FILE"):
        written_policies(settings(PERFRUN_POLICY_FILE=str(file)))


def test_without_a_file_the_default_holds_if_there_is_to_be_one() -> None:
    (record,) = written_policies(settings(PERFRUN_DEFAULT_POLICY="true")).values()
    assert record.spec == DEFAULT
    assert written_policies(settings()) == {}


async def test_only_a_cluster_without_any_policy_is_given_one() -> None:
    kube = FakeKube()
    for _ in range(2):
        await ensure_policy(kube)  # type: ignore[arg-type]
    (made,) = kube.all(PERF_POLICIES)
    assert made["metadata"]["name"] == DEFAULT_NAME
    assert policy_record(made).spec == DEFAULT
    await kube.delete(PERF_POLICIES, None, DEFAULT_NAME, uid=made["metadata"]["uid"])  # type: ignore[arg-type]
    kube.put(PERF_POLICIES, {"metadata": {"name": "mine"}, "spec": {}})
    await ensure_policy(kube)  # type: ignore[arg-type]
    assert [body["metadata"]["name"] for body in kube.all(PERF_POLICIES)] == ["mine"]
