"""What policies say of a namespace."""

import shlex
from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import ValidationError

from perfrun.api.policy import PerfPolicySpec
from perfrun.logic.plan.network import Fence, NotAllowedError
from perfrun.logic.schedule.policy import (
    DEFAULT,
    MAX_OPEN_RUNS,
    UNSCHEDULED_FOR,
    Cap,
    Policies,
    default_manifest,
)
from tests.unit.logic.build import BURST, CLOSED, spec


def policies(**written: dict[str, Any]) -> Policies:
    return Policies({name: PerfPolicySpec.parse(body) for name, body in written.items()}, {})


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def told(held: str | None) -> str:
    return held or ""


@pytest.mark.parametrize(
    ("patterns", "selects"),
    [
        (["*"], True),
        (["shop"], True),
        (["sh*"], True),
        (["*op"], True),
        (["shop-*"], False),
        (["o"], False),
        ([], False),
        (["a", "s*p"], True),
        (["s.op"[:1] + "*x"], False),
    ],
)
def test_namespaces_are_selected_by_whole_names(patterns: list[str], selects: bool) -> None:
    found = policies(lab={"namespaces": patterns}).of("shop")
    assert bool(found.specs) is selects


def test_without_policies_nothing_is_refused_and_one_run_goes_on_for_each_target() -> None:
    here = policies().of("shop")
    assert (here.problems(spec()), here.network, here.caps) == ([], [], [])
    assert (here.held(at("2026-01-01")), here.runs_per_target) == (None, 1)


def test_the_default_lets_services_of_the_own_namespace_through() -> None:
    here = Policies({"perfrun-default": DEFAULT}, {}).of("shop")
    (rule,) = here.network
    assert rule.hosts == ["*.shop.svc"]
    assert here.problems(spec()) == []
    (problem,) = here.problems(spec(target={"http": {"url": "http://169.254.169.254/"}}))
    assert problem.field == "spec.target.http.url"
    assert default_manifest()["metadata"] == {"name": "perfrun-default"}
    assert PerfPolicySpec.parse(default_manifest()["spec"]) == DEFAULT


METADATA_ADDRESSES = [
    "169.254.169.254",
    "169.254.170.2",
    "100.100.100.200",
    "168.63.129.16",
    "192.0.0.192",
    "fd00:ec2::254",
    "fd00:ec2::23",
    "fd20:ce::254",
    "fd00:42::42",
    "fe80::a9fe:a9fe",
]


@pytest.mark.parametrize("address", METADATA_ADDRESSES)
def test_the_default_keeps_workers_from_where_clouds_keep_credentials(address: str) -> None:
    """By whatever name it is reached: a Service may lead anywhere."""
    fence = Fence(Policies({"perfrun-default": DEFAULT}, {}).of("shop").network, "shop")
    with pytest.raises(NotAllowedError, match=r"deny\.cidrs"):
        fence.address(address)


@pytest.mark.parametrize(
    "form",
    [
        "::ffff:{v4}",  # mapped (RFC 4291)
        "::{v4}",  # compatible (RFC 4291)
        "64:ff9b::{v4}",  # NAT64 (RFC 6052)
        "64:ff9b:1::{v4}",  # NAT64 of the local network (RFC 8215)
        "64:ff9b:1:{a}:{b}:{c}::",  # the same, at 48 bits: around bits 64 to 71
        "2002:{ab}:{cd}::1",  # 6to4 (RFC 3056)
        "fe80::5efe:{v4}",
        "2001:db8::5efe:{v4}",  # ISATAP (RFC 5214)
        "2001:db8::200:5efe:{v4}",
    ],
)
@pytest.mark.parametrize("v4", ["169.254.169.254", "100.100.100.200", "127.0.0.1"])
def test_the_default_sees_the_address_behind_an_address(form: str, v4: str) -> None:
    b = [int(part) for part in v4.split(".")]
    address = form.format(
        v4=v4,
        ab=f"{b[0]:02x}{b[1]:02x}",
        cd=f"{b[2]:02x}{b[3]:02x}",
        a=f"{b[0]:02x}{b[1]:02x}",
        b=f"00{b[2]:02x}",
        c=f"{b[3]:02x}00",
    )
    fence = Fence(Policies({"perfrun-default": DEFAULT}, {}).of("shop").network, "shop")
    with pytest.raises(NotAllowedError, match=r"deny\.cidrs"):
        fence.address(address)


@pytest.mark.parametrize("address", ["10.0.0.1", "fd12:3456::1", "2001:db8::1", "100.100.100.201"])
def test_the_default_lets_other_addresses_be(address: str) -> None:
    Fence(Policies({"perfrun-default": DEFAULT}, {}).of("shop").network, "shop").address(address)


# --- tokens -------------------------------------------------------------------------------------


def audience_problems(audience: str, *allowed: str, api: Collection[str] = ()) -> list[str]:
    policy = PerfPolicySpec.parse({"allowedAudiences": list(allowed)})
    here = Policies({"lab": policy}, {}, frozenset(api)).of("shop")
    auth = {"serviceAccountToken": {"audience": audience}}
    one = spec(target={"http": {"url": "http://shop", "auth": auth}})
    return [str(problem) for problem in here.problems(one)]


def test_no_audience_is_allowed_that_is_not_listed_and_the_refusal_prints_the_patch() -> None:
    assert audience_problems("shop", "other", "shop") == []
    assert audience_problems("shop", "other") == [
        "spec.target.http.auth.serviceAccountToken.audience: shop is not allowed by PerfPolicy lab "
        "(allowedAudiences); to allow it: kubectl patch perfpolicy lab --type=json -p "
        '\'[{"op": "add", "path": "/spec/allowedAudiences", "value": ["other", "shop"]}]\''
    ]
    assert "allowedAudiences" in audience_problems("shop")[0]


def test_audience_of_the_api_server_is_refused_though_a_policy_lists_it() -> None:
    (said,) = audience_problems("https://issuer.example", "https://issuer.example",
                                api=["https://issuer.example"])  # fmt: skip
    assert "the Kubernetes API server itself accepts tokens" in said
    assert "kubectl" not in said


@pytest.mark.parametrize(
    "audience",
    [
        "https://kubernetes.default.svc",
        "https://kubernetes.default.svc.cluster.local",
        "https://kubernetes.default.svc.cluster.local/",
        "kubernetes.default.svc:443",
        "kubernetes",
    ],
)
def test_usual_audiences_of_api_servers_are_refused_by_the_schema(audience: str) -> None:
    with pytest.raises(ValidationError, match="API server itself"):
        audience_problems(audience, audience)


def test_what_a_tenant_writes_stays_one_word_of_the_command_that_is_printed() -> None:
    here = policies(lab={"allow": {"hosts": ["*.shop.svc"]}}).of("shop")
    (problem,) = here.problems(spec(target={"http": {"url": "http://a'$(reboot)'b.example/"}}))
    words = shlex.split(str(problem).partition("to allow it: ")[2])
    assert words[:3] == ["kubectl", "patch", "perfpolicy"]
    assert "reboot" in words[-1]
    assert len(words) == 7


def test_the_address_of_an_extension_is_looked_at_as_the_host_of_a_url() -> None:
    here = policies(lab={"allow": {"hosts": ["*.shop.svc"]}}).of("shop")
    steps = [{"name": "s", "steps": [{"name": "x", "extension": {}}]}]
    own, foreign = (
        {"extension": {"kind": "websocket", "address": address}}
        for address in ("chat:8765", "chat.evil.com:443")
    )
    assert here.problems(spec(target=own, scenarios=steps)) == []
    (problem,) = here.problems(spec(target=foreign, scenarios=steps))
    assert problem.field == "spec.target.extension.address"
    assert "does not allow connections to chat.evil.com" in problem.message


def test_where_tokens_come_from_is_looked_at_too() -> None:
    secret = {"secretKeyRef": {"name": "s", "key": "k"}}
    oauth = {"tokenUrl": "https://login.evil.com/t", "clientId": "a", "clientSecretFrom": secret}
    (problem,) = (
        policies(lab={"allow": {"hosts": ["*.shop.svc"]}})
        .of("shop")
        .problems(
            spec(target={"http": {"url": "https://api.shop.svc/", "auth": {"oauth2": oauth}}})
        )
    )
    assert problem.field == "spec.target.http.auth.oauth2.tokenUrl"


@pytest.mark.parametrize(
    ("limits", "load", "field", "patched"),
    [
        ({"workers": 1}, {"workers": 2, **BURST}, "spec.load.workers", '"value": 2'),
        ({"rate": "99/s"}, {"open": {"rate": "100/s", "duration": "1s"}}, "spec.load.open",
         '"value": "100/s"'),
        ({"users": 9}, CLOSED, "spec.load.closed", '"value": 10'),
        ({"users": 9}, BURST, "spec.load.burst.concurrency", '"value": 10'),
        ({"duration": "9s"}, CLOSED, "spec.load", '"value": "10s"'),
        ({"rate": "10/s"}, {"capacity": {"from": "1/s", "to": "20/s", "hold": "5s"}},
         "spec.load.capacity.to", '"value": "20/s"'),
    ],
)  # fmt: skip
def test_a_limit_is_told_with_the_patch_that_allows_it(
    limits: dict[str, Any], load: dict[str, Any], field: str, patched: str
) -> None:
    (problem,) = policies(lab={"limits": limits}).of("shop").problems(spec(load))
    (rule,) = limits
    assert problem.field == field
    assert f"PerfPolicy lab (limits.{rule})" in problem.message
    assert f'"path": "/spec/limits/{rule}", {patched}' in problem.message


def test_what_keeps_the_limits_is_not_refused() -> None:
    limits = {"workers": 1, "rate": "100/s", "users": 10, "duration": "10s"}
    here = policies(lab={"limits": limits}).of("shop")
    assert here.problems(spec()) == here.problems(spec(CLOSED)) == []


def test_the_least_of_several_policies_counts() -> None:
    here = policies(
        a={"limits": {"runsPerTarget": 3, "runs": 5}}, b={"limits": {"runsPerTarget": 2}}
    ).of("shop")
    assert here.runs_per_target == 2
    assert here.caps == [Cap("a", 5)]


@pytest.mark.parametrize(
    ("limits", "cap", "share"),
    [
        ({"runs": 10}, Cap("lab", 10), 3),
        ({"runs": 2}, Cap("lab", 2), 1),  # at least one
        ({"runs": 10, "runsPerNamespace": 5}, Cap("lab", 10, 5), 5),
        ({"runsPerNamespace": 2}, Cap("lab", None, 2), 2),
    ],
)
def test_share_of_a_namespace_is_written_or_a_third(
    limits: dict[str, Any], cap: Cap, share: int
) -> None:
    (found,) = policies(lab={"limits": limits}).of("shop").caps
    assert (found, found.share) == (cap, share)


def test_bounds_of_open_and_unscheduled_runs_are_the_least_that_is_written() -> None:
    silent = policies(lab={"limits": {"runs": 10}}).of("shop")
    assert (silent.open_runs, silent.unscheduled_for) == (MAX_OPEN_RUNS, UNSCHEDULED_FOR)
    assert UNSCHEDULED_FOR == 300 * 1_000_000_000
    here = policies(
        a={"limits": {"openRunsPerNamespace": 5000, "unscheduledFor": "10m"}},
        b={"limits": {"openRunsPerNamespace": 2000, "unscheduledFor": "20m"}},
    ).of("shop")
    assert (here.open_runs, here.unscheduled_for) == (2000, 600 * 1_000_000_000)


@pytest.mark.parametrize(
    ("hours", "now", "open_"),
    [
        ({"from": "22:00", "to": "06:00"}, "2026-11-24T23:00", True),
        ({"from": "22:00", "to": "06:00"}, "2026-11-24T05:59", True),
        ({"from": "22:00", "to": "06:00"}, "2026-11-24T06:00", False),
        ({"from": "22:00", "to": "24:00"}, "2026-11-24T23:59", True),
        ({}, "2026-11-24T00:00", True),
        # A Monday night goes on until Tuesday morning, and a Sunday night does not begin.
        ({"days": ["Mon"], "from": "22:00", "to": "06:00"}, "2026-11-24T03:00", True),
        ({"days": ["Mon"], "from": "22:00", "to": "06:00"}, "2026-11-23T03:00", False),
        ({"from": "22:00", "to": "23:00", "timeZone": "Europe/Berlin"}, "2026-11-24T21:30", True),
        ({"from": "22:00", "to": "23:00", "timeZone": "Europe/Berlin"}, "2026-11-24T22:30", False),
    ],
)
def test_allowed_hours(hours: dict[str, Any], now: str, open_: bool) -> None:
    here = policies(night={"allowedHours": [hours]}).of("shop")
    held = here.held(at(now))
    assert (held is None) is open_, held
    assert open_ or "PerfPolicy night allows runs to start only at" in told(held)


def test_suspended_and_unreadable_let_nothing_start() -> None:
    here = policies(stop={"suspend": True}).of("shop")
    assert "kubectl patch perfpolicy stop" in told(here.held(at("2026-01-01")))
    broken = Policies({}, {"odd": "spec.allow: unknown"}).of("shop")
    assert told(broken.suspended) == "PerfPolicy odd cannot be read: spec.allow: unknown"


# --- scripts ------------------------------------------------------------------------------------

SCRIPT = {
    "tool": "k6",
    "image": "registry.example/k6:1",
    "entry": "/shop.js",
    "targets": ["shop:80", "search.example.com:443", "[fd00::1]:80"],
}


def script_problems(policy: dict[str, Any], **script: Any) -> list[str]:
    one = spec(target={"script": {**SCRIPT, **script}}, load={"maxDuration": "10m", "workers": 3})
    found = policies(lab={"allowedImages": ["*"], **policy}).of("shop").problems(one)
    return [str(problem) for problem in found]


def test_targets_of_a_script_are_looked_at_as_the_hosts_of_urls() -> None:
    (told,) = script_problems({"allow": {"hosts": ["*.shop.svc", "fd00::1"]}})
    assert told.startswith(
        "spec.target.script.targets[1]: PerfPolicy lab (allow.hosts: *.shop.svc, fd00::1) does not "
        "allow connections to search.example.com; to allow it: kubectl patch perfpolicy lab "
    )
    (denied,) = script_problems({"deny": {"cidrs": ["fd00::/8"]}})
    assert denied.startswith("spec.target.script.targets[2]: PerfPolicy lab (deny.cidrs: fd00::/8)")


def test_the_image_of_a_script_is_allowed_like_that_of_a_benchmark() -> None:
    (told,) = script_problems({"allowedImages": ["registry.example/other:*"]})
    assert told.startswith(
        "spec.target.script.image: registry.example/k6:1 is not allowed by PerfPolicy lab "
        "(allowedImages); to allow it: "
    )


@pytest.mark.parametrize(
    ("limits", "told"),
    [
        ({"workers": 3, "duration": "10m"}, None),
        ({"workers": 2}, "spec.load.workers: asks for 3, but PerfPolicy lab (limits.workers)"),
        ({"duration": "9m"}, "spec.load: takes up to 10m, but PerfPolicy lab (limits.duration)"),
        (
            {"rate": "10/s"},
            "spec.target.script: PerfPolicy lab limits the load of a run (limits.rate), but how much "
            "load a script of k6 makes is not known before it runs; to allow scripts: kubectl patch "
            'perfpolicy lab --type=json -p \'[{"op": "remove", "path": "/spec/limits/rate"}]\'',
        ),
        (
            {"users": 10},
            "spec.target.script: PerfPolicy lab limits the load of a run (limits.users)",
        ),
    ],
)
def test_limits_of_a_script(limits: dict[str, Any], told: str | None) -> None:
    found = script_problems({"limits": limits})
    assert (found == []) if told is None else found[0].startswith(told)
