"""Hosts and addresses beside the rules of policies."""

import re
from ipaddress import IPv4Address, ip_address
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perfrun.logic.plan.network import (
    ANYWHERE,
    Fence,
    NotAllowedError,
    address_of,
    normal_host,
    service_of,
)
from perfrun.measure.plan import NetworkRule


def fence(**rule: object) -> Fence:
    return Fence([NetworkRule(policy="lab", **rule)], "shop")  # type: ignore[arg-type]


OWN = fence(hosts=["*.shop.svc"])


@pytest.mark.parametrize(
    ("host", "looked_up"),
    [
        ("api", "api.shop.svc"),
        ("API.", "api.shop.svc"),
        # A name of the internet as well: only the Service may be looked up.
        ("api.shop", "api.shop.svc"),
        ("api.shop.svc", "api.shop.svc"),
        ("api.shop.svc.cluster.local.", "api.shop.svc"),
        ("a.b.shop.svc", "a.b.shop.svc"),
    ],
)
def test_a_service_of_the_own_namespace_however_it_is_called(host: str, looked_up: str) -> None:
    assert OWN.name(host) == looked_up


@pytest.mark.parametrize(
    "host",
    [
        "api.other",
        "api.other.svc",
        "shop.svc",
        "evilshop.svc",
        "api.shop.svc.evil.com",
        "localhost",
        "127.0.0.1",
        "2130706433",
        "0x7f.1",
        "[::1]",
        "::ffff:10.0.0.1",
        "xn--a.shop.svc\u3002evil.com",
        "",
        "a" * 64 + "\u00e4.shop.svc",
    ],
)
def test_nothing_else_gets_through(host: str) -> None:
    with pytest.raises(NotAllowedError):
        OWN.name(host)


def test_without_rules_a_host_is_looked_up_as_it_is_written() -> None:
    assert ANYWHERE.name("API.shop.") == "API.shop."
    ANYWHERE.address("169.254.169.254")


def test_a_refusal_names_policy_and_rule_and_the_patch() -> None:
    with pytest.raises(NotAllowedError) as refused:
        OWN.name("example.com")
    assert str(refused.value) == (
        "PerfPolicy lab (allow.hosts: *.shop.svc) does not allow connections to example.com; to "
        "allow it: kubectl patch perfpolicy lab --type=json -p "
        """'[{"op": "add", "path": "/spec/allow/hosts/-", "value": "example.com"}]'"""
    )


ITSELF = "in a cluster this is the worker's own pod: use the name of the target's Service"


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST.", "api.localhost", "127.0.0.1", "127.1", "[::1]", "0.0.0.0"]
)
def test_the_worker_itself_is_no_target_and_no_patch_makes_it_one(host: str) -> None:
    with pytest.raises(NotAllowedError, match=r"\(allow\.hosts: ") as refused:
        OWN.name(host)
    assert str(refused.value).endswith(f"; {ITSELF}")


@pytest.mark.parametrize("address", ["127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1"])
@pytest.mark.parametrize(
    "rule", [{"deny": ["127.0.0.0/8", "::1/128"]}, {"allow": ["10.0.0.0/8"]}], ids=["deny", "allow"]
)
def test_nor_is_what_a_name_leads_to(address: str, rule: dict[str, list[str]]) -> None:
    with pytest.raises(NotAllowedError, match="cidrs: ") as refused:
        fence(**rule).address(address)
    assert str(refused.value).endswith(f"; {ITSELF}")


@pytest.mark.parametrize(
    "spelling",
    [
        "10.1.2.3",
        "0x0a010203",
        "167838211",
        "10.66051",
        "10.1.515",
        "012.1.2.3",
        "::ffff:a01:203",
        "[::ffff:10.1.2.3]",
        "64:ff9b::a01:203",
        "2002:0a01:0203::1",
        "10.1.2.3.",
    ],
)
def test_an_address_is_one_in_all_its_spellings(spelling: str) -> None:
    assert address_of(spelling) == IPv4Address("10.1.2.3")
    with pytest.raises(NotAllowedError, match=re.escape("deny.cidrs: 10.1.0.0/16")):
        fence(deny=["192.0.2.0/24", "10.1.0.0/16"]).name(spelling)


@pytest.mark.parametrize(
    "name", ["shop", "1.2.3.4.5", "256.1.1.1", "0x", "1..2", "08.1", "1.256.3"]
)
def test_what_only_looks_like_an_address_is_a_name(name: str) -> None:
    assert address_of(name) is None


def test_denied_wins_over_allowed_and_what_is_not_listed_is_refused() -> None:
    rules = fence(allow=["10.0.0.0/8", "fd00::/8"], deny=["10.9.0.0/16"])
    rules.address("10.1.1.1")
    rules.address("fd00::1%eth0")
    with pytest.raises(NotAllowedError, match=r"deny\.cidrs"):
        rules.address("10.9.1.1")
    with pytest.raises(NotAllowedError, match=r"allow\.cidrs"):
        rules.address("::ffff:11.0.0.1")
    with pytest.raises(NotAllowedError, match=r"allow\.cidrs"):
        rules.address("fe80::1")


def test_each_policy_has_to_let_it_through() -> None:
    both = Fence(
        [NetworkRule(policy="a", hosts=["*"]), NetworkRule(policy="b", hosts=["x.com"])], "shop"
    )
    assert both.name("x.com") == "x.com"
    with pytest.raises(NotAllowedError, match="PerfPolicy b"):
        both.name("y.com")


@given(st.integers(0, 2**32 - 1), st.sampled_from(["{0}", "{0:#x}", "{0:#o}"]))
def test_any_number_is_the_address_that_resolvers_take_it_for(value: int, form: str) -> None:
    text = form.format(value).replace("0o", "0")
    assert address_of(text) == ip_address(value)


@given(st.integers(0, 2**32 - 1))
def test_no_spelling_of_a_denied_address_gets_through(value: int) -> None:
    plain = IPv4Address(value)
    rules = fence(deny=[f"{plain}/32"])
    for spelling in (str(plain), f"::ffff:{plain}", f"64:ff9b::{plain}", f"{value}", f"{value:#x}"):
        with pytest.raises(NotAllowedError):
            rules.name(spelling)


@given(st.text(alphabet="abcXYZ019.-\u3002\u00e4@:/\\#?[]%", max_size=40))
def test_whatever_is_written_only_the_own_namespace_is_ever_looked_up(text: str) -> None:
    try:
        host = urlsplit(f"http://{text}/").hostname or ""
        name = OWN.name(host)
    except (NotAllowedError, ValueError):
        return
    assert name.endswith(".shop.svc")
    assert normal_host(name) == name


# --- Services that are another name ------------------------------------------------------------

SEARCH = ["shop.svc.corp.example", "svc.corp.example", "corp.example", "nodes.example"]


@pytest.mark.parametrize(
    "found",
    [
        "api.shop.svc",
        "api.shop.svc.cluster.local.",
        "API.shop.svc.corp.example",
        "other.shop.svc.cluster.local",  # of the same namespace, which is let through too
    ],
)
def test_a_service_that_is_what_it_is_called_is_let_through(found: str) -> None:
    OWN.canonical("api.shop.svc", found, SEARCH)


@pytest.mark.parametrize(
    ("found", "reached"),
    [
        ("db.other.svc.cluster.local", "db.other.svc"),
        ("db.other.svc.corp.example", "db.other.svc"),
        ("metadata.google.internal", "metadata.google.internal"),
        ("api.shop.svc.evil.example", "api.shop.svc.evil.example"),
        ("internal.corp.example", "internal"),
    ],
)
def test_a_service_that_stands_for_another_name_is_judged_by_that_one(
    found: str, reached: str
) -> None:
    with pytest.raises(NotAllowedError) as refused:
        OWN.canonical("api.shop.svc", found, SEARCH)
    said = str(refused.value)
    assert said.startswith(f"api.shop.svc points to {reached} (ExternalName): PerfPolicy lab ")
    assert f'"value": "{reached}"' in said


def test_names_of_the_internet_may_stand_for_any_other() -> None:
    fence(hosts=["*.example.com"]).canonical("shop.example.com", "d1.cdn.example.net", SEARCH)
    fence(deny=["10.0.0.0/8"]).canonical("api.shop.svc", "elsewhere.example", SEARCH)
    ANYWHERE.canonical("api.shop.svc", "elsewhere.example", SEARCH)


@pytest.mark.parametrize(
    ("host", "service"),
    [
        ("shop", ("team", "shop")),
        ("shop.other", ("other", "shop")),
        ("shop.other.svc", ("other", "shop")),
        ("a.shop.other.svc", ("other", "shop")),
        ("shop.example.com", None),
        ("10.0.0.1", None),
        ("fd00::1", None),
        ("0x7f000001", None),
        ("localhost", None),
    ],
)
def test_which_service_a_host_may_name(host: str, service: tuple[str, str] | None) -> None:
    assert service_of(host, "team") == service
