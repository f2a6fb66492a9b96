"""A coordinator on a real server, a clock that is moved by hand, and a store in memory."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer

from perfrun.api.run.perfrun import HoldStatus
from perfrun.api.test.load import Load
from perfrun.api.test.scenario import default_scenarios
from perfrun.api.test.target import Target
from perfrun.coordinator.app import make_app
from perfrun.coordinator.coordinator import Coordinator
from perfrun.coordinator.errors import Refused
from perfrun.coordinator.ports import Clock
from perfrun.measure.histogram import Histogram
from perfrun.measure.plan import RunPlan
from perfrun.measure.record import GeneratorRecord, PhaseRecord, Series
from perfrun.measure.report import Interval, Ready, Trouble, WorkerReport

UID = "0a1b2c3d-run"
NOW = datetime(2026, 11, 22, 2, 0, tzinfo=UTC)
S = 1_000_000_000


class HandClock(Clock):
    """Both clocks stand still until they are moved."""

    def __init__(self) -> None:
        self.ns = 50 * S
        self.epoch = NOW

    def monotonic(self) -> int:
        return self.ns

    def wall(self) -> datetime:
        return self.epoch

    def move(self, seconds: float) -> None:
        self.ns += round(seconds * S)
        self.epoch += timedelta(seconds=seconds)


@dataclass
class MemoryStore:
    starts: dict[str, datetime] = field(default_factory=dict)
    reports: dict[int, bytes] = field(default_factory=dict)
    holds: list[HoldStatus] = field(default_factory=list)
    """Of a capacity search, as they were persisted last."""
    fail: int = 0
    """How many calls are still to fail."""
    calls: int = 0
    gate: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.gate.set()

    async def _write(self) -> None:
        self.calls += 1
        await self.gate.wait()
        if self.fail:
            self.fail -= 1
            raise ConnectionError("the API server is away")

    async def persist_start(self, uid: str, time: datetime, workers: int) -> datetime:
        await self._write()
        return self.starts.setdefault(uid, time)

    async def persist_holds(self, uid: str, holds: Sequence[HoldStatus]) -> None:
        await self._write()
        self.holds = list(holds)

    async def store_report(self, uid: str, index: int, packed: bytes) -> None:
        await self._write()
        self.reports[index] = packed


class Tokens:
    """``ok-INDEX`` and ``ok-INDEX-OTHER`` are workers; the part after ``ok-`` is who they are."""

    def __init__(self) -> None:
        self.asked = 0
        self.away = False
        self.ended: set[str] = set()
        """Tokens that have expired, or whose pod has ended."""

    async def identify(self, uid: str, index: int, token: str) -> str:
        self.asked += 1
        if self.away:
            raise ConnectionError("no TokenReview today")
        if token in self.ended or not token.startswith(f"ok-{index}"):
            raise Refused(f"the token is not one of worker {index} of run {uid}")
        return token


@dataclass
class World:
    coordinator: Coordinator
    store: MemoryStore
    tokens: Tokens
    clock: HandClock
    client: TestClient

    async def post(
        self, index: int, what: str, body: bytes, *, token: str | None = None, uid: str = UID
    ) -> tuple[int, dict, dict]:
        headers = {"Authorization": f"Bearer {token or f'ok-{index}'}"}
        url = f"/v1/runs/{uid}/workers/{index}/{what}"
        async with self.client.post(url, data=body, headers=headers) as response:
            return response.status, await response.json(), dict(response.headers)

    async def ready(self, index: int, ready: Ready | None = None, **more: str):
        return await self.post(index, "ready", (ready or Ready()).to_bytes(), **more)


def make_plan(workers: int = 2) -> RunPlan:
    return RunPlan(
        uid=UID,
        namespace="shop",
        test="api",
        run="api-1",
        seed=1,
        target=Target.model_validate({"http": {"url": "http://127.0.0.1:1/"}}),
        scenarios=default_scenarios(),
        load=Load.model_validate({"workers": workers, "open": {"rate": "10/s", "duration": "1s"}}),
    )


def make_report() -> WorkerReport:
    return WorkerReport(
        warmup=PhaseRecord(),
        window=PhaseRecord(),
        generator=GeneratorRecord.empty(),
        series=Series(),
        window_time=S,
        load_time=S,
    )


def make_interval(sequence: int = 1, **counts: Any) -> Interval:
    latency = Histogram()
    latency.fold([5_000_000] * 10)
    return Interval(
        **{
            "sequence": sequence,
            "elapsed": sequence * S,
            "in_flight": 3,
            "planned": 10 * sequence,
            "started": 10 * sequence,
            "dropped": 0,
            "sent": counts.get("succeeded", 10 * sequence) + counts.get("failed", 0),
            "succeeded": 10 * sequence,
            "failed": 0,
            "latency": latency if counts.get("succeeded", 1) else Histogram(),
            **counts,
        }
    )


def in_trouble(message: str = "shop refuses connections", *, final: bool = False) -> Ready:
    return Ready(trouble=Trouble(reason="Connect", message=message), final=final)


@asynccontextmanager
async def a_world() -> AsyncIterator[World]:
    """A coordinator on a server."""
    store, tokens, clock = MemoryStore(), Tokens(), HandClock()
    coordinator = Coordinator(store, tokens, clock, poll=5.0)
    async with TestClient(TestServer(make_app(coordinator))) as client:
        yield World(coordinator, store, tokens, clock, client)


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with a_world() as one:
        yield one


@pytest.fixture
def deadline() -> datetime:
    return NOW + timedelta(minutes=10)
