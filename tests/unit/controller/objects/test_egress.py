"""The NetworkPolicy of a script's run: exactly its targets, name servers and the coordinator."""

import asyncio
import socket
from typing import Any

import pytest

from perfrun.controller.objects.egress import egress_policy, ensure_egress
from perfrun.controller.objects.manifests import plan_config_map
from perfrun.kube.errors import AwayError, ConflictError, RefusedError
from perfrun.kube.resources import NETWORK_POLICIES, SERVICES
from perfrun.measure.plan import NetworkRule, RunPlan
from tests.unit.controller.build import KEY, perf_test, plan_of, settings
from tests.unit.controller.fake_kube import FakeKube

Json = dict[str, Any]
DNS = {"ports": [{"protocol": way, "port": port} for port in (53, 5353) for way in ("UDP", "TCP")]}
COORDINATOR = {
    "to": [
        {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "perfrun-system"}}}
    ],
    "ports": [{"protocol": "TCP", "port": 8443}],
}


def plan(*targets: str, **script: Any) -> RunPlan:
    target = {"tool": "k6", "image": "k6:1", "entry": "a.js", "targets": list(targets), **script}
    test = perf_test(target={"script": target}, load={"maxDuration": "1m"})
    return plan_of(test)


def policy_of(kube: FakeKube, made: RunPlan) -> Json:
    owner = {"metadata": {"name": "pr-plan", "uid": "uid-plan"}}
    asyncio.run(ensure_egress(kube, settings(), KEY, made, owner))  # type: ignore[arg-type]
    (policy,) = kube.all(NETWORK_POLICIES)
    return policy


def service(kube: FakeKube, name: str, namespace: str, **spec: Any) -> None:
    spec = {"selector": {"app": name}, "ports": [{"port": 80, "targetPort": 8080}], **spec}
    kube.put(SERVICES, {"metadata": {"name": name, "namespace": namespace}, "spec": spec})


def test_it_selects_the_pods_of_the_run_and_goes_with_its_plan() -> None:
    kube = FakeKube()
    service(kube, "shop", "team")
    policy = policy_of(kube, plan("shop:80"))
    assert policy["metadata"]["name"] == "pr-uidrun-egress" or policy["metadata"]["name"].endswith(
        "-egress"
    )
    assert policy["metadata"]["namespace"] == "team"
    assert policy["metadata"]["ownerReferences"] == [
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "name": "pr-plan",
            "uid": "uid-plan",
            "controller": True,
            "blockOwnerDeletion": False,
        }
    ]
    spec = policy["spec"]
    assert spec["policyTypes"] == ["Egress"]
    assert spec["podSelector"]["matchLabels"] == {
        "app.kubernetes.io/managed-by": "perfrun",
        "perfrun.dev/run": KEY.name,
    }


def test_a_service_is_its_pods_behind_the_port_and_nothing_else_is_open() -> None:
    kube = FakeKube()
    service(kube, "shop", "team")
    policy = policy_of(kube, plan("shop:80"))
    assert policy["spec"]["egress"] == [
        {
            "to": [
                {
                    "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "team"}},
                    "podSelector": {"matchLabels": {"app": "shop"}},
                }
            ],
            "ports": [{"protocol": "TCP", "port": 8080}],
        },
        DNS,
        COORDINATOR,
    ]


@pytest.mark.parametrize("host", ["pay.money", "pay.money.svc", "PAY.money.svc.cluster.local."])
def test_a_service_of_another_namespace_is_known_by_each_of_its_names(host: str) -> None:
    kube = FakeKube()
    service(kube, "pay", "money", ports=[{"port": 443, "targetPort": "https"}])
    first = policy_of(kube, plan(f"{host.rstrip('.')}:443"))["spec"]["egress"][0]
    labels = first["to"][0]["namespaceSelector"]["matchLabels"]
    assert labels == {"kubernetes.io/metadata.name": "money"}
    assert first["ports"] == [{"protocol": "TCP", "port": "https"}], "the name of the pods' port"


def test_pods_of_a_headless_service_are_reached_at_the_port_itself() -> None:
    kube = FakeKube()
    service(kube, "db", "team", clusterIP="None", ports=[])
    first = policy_of(kube, plan("db-0.db.team.svc:5432"))["spec"]["egress"][0]
    assert first["ports"] == [{"protocol": "TCP", "port": 5432}]


def test_a_port_that_a_service_does_not_have_is_refused_with_those_that_it_has() -> None:
    kube = FakeKube()
    service(kube, "shop", "team")
    with pytest.raises(RefusedError, match=r"shop:81: Service shop has no port 81; its ports: 80$"):
        policy_of(kube, plan("shop:81"))


def test_an_address_is_one_block() -> None:
    rules = policy_of(FakeKube(), plan("192.0.2.7:80", "[2001:db8::1]:81"))["spec"]["egress"]
    assert rules[:2] == [
        {
            "to": [{"ipBlock": {"cidr": "192.0.2.7/32"}}],
            "ports": [{"protocol": "TCP", "port": 80}],
        },
        {
            "to": [{"ipBlock": {"cidr": "2001:db8::1/128"}}],
            "ports": [{"protocol": "TCP", "port": 81}],
        },
    ]


def test_an_address_that_a_policy_denies_is_refused() -> None:
    denied = plan("192.0.2.7:80").model_copy(
        update={"network": [NetworkRule(policy="lab", deny=["192.0.2.0/24"])]}
    )
    with pytest.raises(RefusedError, match=r"PerfPolicy lab \(deny.cidrs: 192.0.2.0/24\)"):
        policy_of(FakeKube(), denied)


def test_a_name_that_nobody_knows_may_be_known_later() -> None:
    with pytest.raises(AwayError, match=r"nowhere.invalid cannot be resolved"):
        policy_of(FakeKube(), plan("nowhere.invalid:80"))


def test_a_namespace_that_the_operator_may_not_read_is_looked_up_by_name() -> None:
    kube = FakeKube()
    kube.failing["get", "services"] = RefusedError(403, "forbidden")
    with pytest.raises(AwayError, match=r"pay.money.svc cannot be resolved"):
        policy_of(kube, plan("pay.money.svc:80"))


@pytest.fixture
def looked_up(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names that were looked up; each is the same address."""
    names: list[str] = []

    def getaddrinfo(host: str, port: int, *_: Any, **__: Any) -> list[Any]:
        names.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.2.7", port))]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return names


def test_a_policy_that_exists_needs_no_second_look_up(looked_up: list[str]) -> None:
    kube = FakeKube()
    created = policy_of(kube, plan("example.com:80"))
    assert policy_of(kube, plan("example.com:80")) == created
    assert looked_up == ["example.com"]


def test_the_policy_of_a_former_plan_is_not_taken_for_its_own(looked_up: list[str]) -> None:
    kube = FakeKube()
    policy = policy_of(kube, plan("example.com:80"))
    policy["metadata"]["ownerReferences"][0]["uid"] = "uid-former-plan"
    kube.put(NETWORK_POLICIES, policy)
    with pytest.raises(ConflictError, match=r"belongs to something else"):
        policy_of(kube, plan("example.com:80"))


def test_a_service_without_a_selector_is_looked_up_in_its_own_namespace(
    looked_up: list[str],
) -> None:
    kube = FakeKube()
    service(kube, "legacy", "team", selector=None)
    policy_of(kube, plan("legacy:80"))
    assert looked_up == ["legacy.team.svc"], "the operator has another namespace than the test"


def test_a_short_name_is_no_service_of_the_operators_namespace(looked_up: list[str]) -> None:
    policy_of(FakeKube(), plan("perfrun-webhook:443"))
    assert looked_up == ["perfrun-webhook.team.svc"]


def test_an_alias_is_judged_as_what_it_leads_to(looked_up: list[str]) -> None:
    kube = FakeKube()
    service(kube, "shop", "team", type="ExternalName", externalName="bank.example.com", ports=[])
    rule = NetworkRule(policy="lab", hosts=["*.team.svc"])
    fenced = plan("shop:80").model_copy(update={"network": [rule]})
    with pytest.raises(RefusedError, match=r"shop.team.svc points to bank.example.com"):
        policy_of(kube, fenced)
    assert not looked_up
    policy_of(kube, plan("shop:80"))
    assert looked_up == ["bank.example.com"]


def test_a_name_that_is_allowed_as_a_service_only_is_no_internet_name(
    looked_up: list[str],
) -> None:
    rule = NetworkRule(policy="lab", hosts=["pay.money.svc"])
    policy_of(FakeKube(), plan("pay.money:80").model_copy(update={"network": [rule]}))
    assert looked_up == ["pay.money.svc"]


def test_workers_of_locust_reach_their_master_and_no_other_tool_has_this_rule() -> None:
    made = plan("192.0.2.7:80", tool="Locust")
    policy = policy_of(FakeKube(), made)
    assert policy["spec"]["egress"][-1] == {"to": [{"podSelector": policy["spec"]["podSelector"]}]}
    alone = policy_of(FakeKube(), plan("192.0.2.7:80", tool="Locust", split="None"))
    assert alone["spec"]["egress"][-1] == COORDINATOR


def test_an_operator_outside_of_pods_is_reached_at_its_address() -> None:
    here = settings(PERFRUN_COORDINATOR_URL="http://198.51.100.1:9000")
    owner = {"name": "plan", "uid": "uid-plan"}
    rule = egress_policy(KEY, plan("shop:80"), [], here, owner)["spec"]["egress"][-1]
    assert {"ipBlock": {"cidr": "198.51.100.1/32"}} in rule["to"]
    assert [port["port"] for port in rule["ports"]] == [8443, 9000]


def test_other_runs_have_none() -> None:
    kube = FakeKube()
    body = plan_config_map(KEY, plan_of(perf_test()), "")
    asyncio.run(ensure_egress(kube, settings(), KEY, plan_of(perf_test()), body))  # type: ignore[arg-type]
    assert kube.all(NETWORK_POLICIES) == []
