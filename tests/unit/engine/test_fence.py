"""What policies let a worker connect to, seen at servers that listen."""

import asyncio
import socket
from typing import Any

import pytest

from perfrun.engine.errors import EngineError, ErrorClass
from perfrun.engine.run import Engine
from perfrun.measure.plan import NetworkRule, RunPlan
from perfrun.reach.values import Values

from .conftest import Run
from .server import answer, burst, plan, running, step


def fenced(made: RunPlan, **rule: Any) -> RunPlan:
    return made.model_copy(update={"network": [NetworkRule(policy="lab", **rule)]})


async def refusal(made: RunPlan) -> EngineError:
    with pytest.raises(EngineError) as refused:
        await Engine(made, 0, Values()).check()
    return refused.value


async def test_what_is_allowed_is_measured_as_ever(run: Run) -> None:
    async with running() as server:
        report = await run(fenced(plan(server.url, burst(5)), allow=["127.0.0.0/8"]))
    assert (len(server.log), report.window.steps[0].succeeded, report.forbidden) == (5, 5, None)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1", "2130706433", "[::ffff:127.0.0.1]"])
async def test_no_spelling_of_a_denied_address_is_connected_to(host: str) -> None:
    async with running() as server:
        made = plan(f"http://{host}:{server.port}", burst(1))
        error = await refusal(fenced(made, deny=["127.0.0.0/8"]))
    assert error.reason is ErrorClass.POLICY
    assert "PerfPolicy lab (deny.cidrs: 127.0.0.0/8)" in error.message
    assert server.connections == 0


async def test_an_allowed_name_that_leads_to_a_denied_address_is_not_connected_to() -> None:
    async with running() as server:
        made = plan(f"http://localhost:{server.port}", burst(1))
        error = await refusal(fenced(made, hosts=["localhost"], deny=["127.0.0.0/8", "::1/128"]))
    assert error.reason is ErrorClass.POLICY
    assert server.connections == 0


@pytest.mark.parametrize(
    "there", ["http://localhost:{}/", "http://good.svc@localhost:{}/", "//localhost:{}"]
)
async def test_a_redirect_to_where_nothing_may_go_fails_and_is_told_of(
    run: Run, there: str
) -> None:
    async with running() as other:
        elsewhere = answer(302, b"", Location=there.format(other.port))
        async with running(go=elsewhere) as server:
            made = plan(server.url, burst(3), step("/go"))
            report = await run(fenced(made, hosts=["127.0.0.1", "*.svc"]))
    assert report.window.steps[0].errors == {"Policy": 3}
    assert "does not allow connections to localhost" in (report.forbidden or "")
    assert other.connections == 0


async def test_a_name_whose_answers_change_is_looked_at_each_time(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DNS rebinding: allowed when the run began, the node's own address later on."""
    monkeypatch.setattr("perfrun.reach.resolver.RESOLVED_FOR", 0)
    answers = iter(["127.0.0.1"] * 2)

    async def lookup(host: str, port: int, **_: object) -> list[Any]:
        assert host == "api.shop.svc"
        address = next(answers, "127.0.0.2")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", lookup, raising=False)
    async with running() as server:
        made = plan(f"http://api:{server.port}", burst(5), connections="PerRequest")
        report = await run(fenced(made, hosts=["*.shop.svc"], deny=["127.0.0.2/32"]))
    assert report.window.steps[0].succeeded == len(server.log) == 2
    assert report.window.steps[0].errors == {"Policy": 3}
    assert "127.0.0.2" in (report.forbidden or "")
