"""How patient a worker is with its coordinator, and what it says meanwhile; time is played."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from perfrun.measure.report import Ready
from perfrun.worker import client as module
from perfrun.worker.client import Client, CoordinatorAwayError, WorkerRefusedError
from perfrun.worker.config import from_environment
from tests.unit.coordinator.conftest import make_report

URL = "https://perfrun-coordinator.perfrun-system.svc:8443"
SENTENCE = (
    'event=away message="the worker could not reach the coordinator at perfrun-coordinator.perfrun-system.svc:8443: '
    'check the egress rules of NetworkPolicies (ConnectError: refused)"\n'
)
OK = (200, {"startIn": 1, "values": {}})


class World:
    """A coordinator that answers by a script, and a clock that only moves when it is slept."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept: list[float] = []
        self.answers: list[Callable[[], httpx.Response]] = []
        self.client = Client(
            from_environment(
                {"PERFRUN_PLAN": "p", "PERFRUN_COORDINATOR": URL, "JOB_COMPLETION_INDEX": "0"}
            ),
            "uid",
        )

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    def answer(self, _: httpx.Request) -> httpx.Response:
        return (self.answers.pop(0) if len(self.answers) > 1 else self.answers[0])()

    def takes(self, status: int, body: Any = None, **headers: str) -> None:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.answers.append(lambda: httpx.Response(status, json=body, headers=named))

    def away(self, seconds: float = 0.0, times: int = 1) -> None:
        """Cannot be reached, which shows after so long."""

        def refuse() -> httpx.Response:
            self.now += seconds
            raise httpx.ConnectError("refused")

        self.answers += [refuse] * times


@pytest.fixture
async def world(monkeypatch: pytest.MonkeyPatch) -> Any:
    world = World()
    monkeypatch.setattr(module, "asyncio", SimpleNamespace(sleep=world.sleep))
    monkeypatch.setattr(module, "monotonic", lambda: world.now)
    await world.client._http.aclose()
    world.client._http = httpx.AsyncClient(transport=httpx.MockTransport(world.answer))
    async with world.client:
        yield world


async def test_worker_that_cannot_reach_the_coordinator_says_so_once_within_a_minute(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.away(times=20)
    world.takes(*OK)
    world.away(times=20)
    world.takes(*OK)
    began = world.now
    told_after: list[float] = []
    sleep = world.sleep

    async def listening(seconds: float) -> None:
        if not told_after and (said := capsys.readouterr().err):
            assert said == SENTENCE
            told_after.append(world.now - began)
        await sleep(seconds)

    module.asyncio.sleep = listening  # type: ignore[attr-defined]
    await world.client.ready(Ready())
    (after,) = told_after
    assert 30 <= after < 33
    await world.client.ready(Ready())
    assert world.now - began > 40
    assert capsys.readouterr().err == ""


async def test_coordinator_whose_packets_are_dropped_is_told_with_the_first_connection_that_fails(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.away(module.LONG_POLL)
    world.takes(*OK)
    await world.client.ready(Ready())
    assert capsys.readouterr().err == SENTENCE


async def test_short_absence_is_not_worth_a_word(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    world.away(times=5)
    world.takes(*OK)
    await world.client.ready(Ready())
    assert world.slept == [0.2, 0.4, 0.8, 1.6, 2.0]
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("asked", "waits"),
    [("3", 3.0), ("0", 0.2), ("100000", module.MAX_ASKED), ("soon", 0.2), ("-5", 0.2)],
)
async def test_worker_waits_as_long_as_it_is_asked_to(
    world: World, asked: str, waits: float
) -> None:
    world.takes(429, {"message": "wait"}, Retry_After=asked)
    world.takes(503, {"message": "not yet"})
    world.takes(*OK)
    await world.client.ready(Ready())
    assert world.slept == [waits, 0.4]


async def test_report_is_given_up_at_its_deadline_also_where_it_is_asked_to_wait(
    world: World,
) -> None:
    world.takes(429, {"message": "wait"}, Retry_After="4")
    began = world.now
    with pytest.raises(CoordinatorAwayError, match="429"):
        await world.client.report(make_report(), deadline=10)
    assert world.now - began == 8


@pytest.mark.parametrize("status", [400, 403, 409, 410, 413, 422])
async def test_what_is_refused_is_not_sent_again(world: World, status: int) -> None:
    world.takes(status, {"message": "no"})
    with pytest.raises(WorkerRefusedError, match=r"\Ano\Z"):
        await world.client.report(make_report(), deadline=10)
    assert world.slept == []
