"""Workers and scrapes are led to the operator that acts."""

import pytest

from perfrun.api import Json
from perfrun.controller.lead.endpoints import lead_here
from perfrun.controller.settings import Settings
from perfrun.kube.resources import ENDPOINT_SLICES
from tests.unit.controller.build import settings
from tests.unit.controller.fake_kube import FakeKube

SERVICE = {"PERFRUN_COORDINATOR_SERVICE": "perfrun-coordinator"}


def of(ip: str) -> Settings:
    return settings(PERFRUN_POD_IP=ip, **SERVICE)


async def announce(kube: FakeKube, about: Settings, lease: str = "lease-1") -> None:
    await lead_here(kube, about, lease)  # type: ignore[arg-type]


def slices(kube: FakeKube) -> dict[str, Json]:
    return {body["metadata"]["name"]: body for body in kube.all(ENDPOINT_SLICES)}


async def test_the_service_leads_to_the_pod_that_acts() -> None:
    kube = FakeKube()
    await announce(kube, of("10.0.0.7"))
    (body,) = slices(kube).values()
    assert body["metadata"]["labels"]["kubernetes.io/service-name"] == "perfrun-coordinator"
    assert body["addressType"] == "IPv4"
    assert body["endpoints"] == [{"addresses": ["10.0.0.7"], "conditions": {"ready": True}}]
    assert body["ports"] == [{"name": "coordinator", "port": 8443, "protocol": "TCP"}]
    # With the Lease, which belongs to the release, it goes.
    assert [owner["uid"] for owner in body["metadata"]["ownerReferences"]] == ["lease-1"]


async def test_said_twice_it_is_written_once() -> None:
    kube = FakeKube()
    await announce(kube, of("10.0.0.7"))
    await announce(kube, of("10.0.0.7"))
    assert (kube.asked["create", "endpointslices"], kube.asked["patch", "endpointslices"]) == (1, 0)


@pytest.mark.parametrize(("ip", "lease"), [("10.0.0.8", "lease-1"), ("10.0.0.7", "lease-2")])
async def test_the_next_leader_and_a_new_lease_are_written(ip: str, lease: str) -> None:
    kube = FakeKube()
    await announce(kube, of("10.0.0.7"))
    await announce(kube, of(ip), lease)
    (body,) = slices(kube).values()
    assert body["endpoints"][0]["addresses"] == [ip]
    assert body["metadata"]["ownerReferences"][0]["uid"] == lease


async def test_each_family_of_addresses_has_a_slice_of_its_own() -> None:
    kube = FakeKube()
    await announce(kube, of("10.0.0.7"))
    await announce(kube, of("fd00::7"))
    assert {name: body["addressType"] for name, body in slices(kube).items()} == {
        "perfrun-coordinator-ipv4": "IPv4",
        "perfrun-coordinator-ipv6": "IPv6",
    }


@pytest.mark.parametrize("about", [settings(), settings(PERFRUN_POD_IP="10.0.0.7"), of("")])
async def test_outside_of_a_pod_nothing_is_written(about: Settings) -> None:
    kube = FakeKube()
    await announce(kube, about)
    assert kube.all(ENDPOINT_SLICES) == []


async def test_the_service_of_the_metrics_leads_there_too() -> None:
    kube = FakeKube()
    for ip in ("10.0.0.7", "10.0.0.8"):
        await announce(
            kube, settings(PERFRUN_POD_IP=ip, PERFRUN_METRICS_SERVICE="perfrun-metrics", **SERVICE)
        )
    assert {
        name: (body["endpoints"][0]["addresses"], body["ports"][0]["port"])
        for name, body in slices(kube).items()
    } == {
        "perfrun-coordinator-ipv4": (["10.0.0.8"], 8443),
        "perfrun-metrics-ipv4": (["10.0.0.8"], 8444),
    }
