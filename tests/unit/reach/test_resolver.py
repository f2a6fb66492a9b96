"""Names that cannot be looked up, and addresses that do not answer."""

import asyncio
import socket
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
import uvloop

from perfrun.logic.plan.network import ANYWHERE, Fence
from perfrun.measure.plan import NetworkRule
from perfrun.reach import resolver
from perfrun.reach.errors import ErrorClass, OpenError
from perfrun.reach.resolver import Resolver, _end

LAB = Fence([NetworkRule(policy="lab", hosts=["*.example.org"], allow=None, deny=[])], "shop")


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run])
@pytest.mark.parametrize(
    ("host", "fence"),
    [
        pytest.param("a" * 64 + ".example.org", ANYWHERE, id="a label of 64 characters"),
        pytest.param("a" * 64 + ".example.org", LAB, id="one that the policies let through"),
        pytest.param("é" * 64 + ".example.org", ANYWHERE, id="a label that IDNA makes longer"),
        pytest.param("a..example.org", ANYWHERE, id="an empty label"),
    ],
)
def test_what_is_no_name_is_not_resolved(
    host: str, fence: Fence, run: Callable[[Coroutine[Any, Any, Any]], Any]
) -> None:
    async def looked_up() -> OpenError:
        with pytest.raises(OpenError, match="could not be resolved") as caught:
            await Resolver(host, 80, fence).candidates()
        return caught.value

    error = run(looked_up())
    assert error.reason == ErrorClass.DNS
    assert host in error.message


class Addresses:
    """Connections by address: when each comes about, or why it does not; and what became of it."""

    def __init__(self, **how: float | OSError) -> None:
        self.how = how
        self.tried: list[str] = []
        self.closed: list[str] = []

    async def connect(self, address: str) -> str:
        self.tried.append(address)
        outcome = self.how[address]
        if isinstance(outcome, OSError):
            raise outcome
        await asyncio.sleep(outcome)
        return address

    async def first(self, resolver: Resolver, within_s: float = 0.2) -> str:
        return await resolver.first(list(self.how), self.connect, self.closed.append, within_s)


def _known(*addresses: str) -> Resolver:
    """A resolver that has looked its name up."""
    resolver = Resolver("shop.example.org", 80, ANYWHERE)
    resolver._addresses, resolver._until = list(addresses), sys.maxsize
    return resolver


async def test_a_silent_address_leaves_time_for_the_next_one_and_is_tried_last_then() -> None:
    resolver = _known("a", "b")
    assert await Addresses(a=60, b=0).first(resolver) == "b"
    for _ in range(3):
        assert await resolver.candidates() == ["b", "a"]
    resolver._refused.clear()  # as a look-up does, which says nothing of who answers
    assert await resolver.candidates() == ["b", "a"]


async def test_where_all_are_slow_one_is_taken_and_what_comes_later_is_let_go() -> None:
    resolver, three = _known("a", "b", "c"), Addresses(a=0.3, b=0.25, c=0.1)
    assert await three.first(resolver) == "c"
    assert three.tried[:3] == ["a", "b", "c"]
    assert [address for address in three.how if resolver._is_bad(address)] == ["a", "b"]


async def test_what_comes_too_late_is_let_go() -> None:
    late = asyncio.get_running_loop().create_future()
    late.set_result("late")
    ended: list[str] = []
    _end(ended.append, late)
    assert ended == ["late"]


async def test_an_address_that_refuses_costs_no_time() -> None:
    resolver = _known("a", "b")
    both = Addresses(a=ConnectionRefusedError(), b=0)
    async with asyncio.timeout(0.2):
        assert await both.first(resolver, 60) == "b"
    assert await resolver.candidates() == ["b", "a"]


async def test_where_all_refuse_the_last_one_says_why() -> None:
    both = Addresses(a=ConnectionRefusedError(), b=ConnectionResetError("b"))
    with pytest.raises(ConnectionResetError):
        await both.first(_known("a", "b"))


async def test_what_is_not_waited_for_any_more_is_ended() -> None:
    both = Addresses(a=60, b=60)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await both.first(_known("a", "b"), 0.02)
    assert both.tried == ["a", "b", "a"]
    await asyncio.sleep(0)
    assert [task for task in asyncio.all_tasks() if task is not asyncio.current_task()] == []


async def test_service_that_leads_elsewhere_is_refused_before_its_address_is_used(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    own = Fence([NetworkRule(policy="lab", hosts=["*.shop.svc"], allow=None, deny=[])], "shop")
    resolv_conf = tmp_path / "resolv.conf"
    resolv_conf.write_text(
        "nameserver 10.0.0.10\nsearch shop.svc.corp.example svc.corp.example corp.example\n"
    )
    monkeypatch.setattr(resolver, "RESOLV_CONF", resolv_conf)
    canonical = ""

    async def getaddrinfo(name: str, port: int, **how: Any) -> list[Any]:
        assert (name, how["flags"]) == ("api.shop.svc", socket.AI_CANONNAME)
        kind = (socket.AF_INET, socket.SOCK_STREAM, 6)
        return [(*kind, canonical, ("10.0.0.7", port)), (*kind, "", ("10.0.0.8", port))]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", getaddrinfo)
    canonical = "db.other.svc.corp.example"
    with pytest.raises(OpenError, match=r"points to db\.other\.svc \(ExternalName\)") as caught:
        await Resolver("api", 80, own).candidates()
    assert caught.value.reason == ErrorClass.POLICY
    canonical = "api.shop.svc.corp.example"
    assert set(await Resolver("api", 80, own).candidates()) == {"10.0.0.7", "10.0.0.8"}
