"""The Lease while the main loop does something else: a real thread beside a real loop."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from perfrun.controller.lead import heartbeat, leadership
from perfrun.controller.lead import lease_thread as module
from perfrun.controller.lead.heartbeat import Heartbeat
from perfrun.controller.lead.leadership import NotLeadingError
from perfrun.controller.lead.lease_thread import LeaseThread
from perfrun.kube.errors import KubeError
from perfrun.kube.resources import LEASES
from tests.unit.controller.build import settings
from tests.unit.controller.fake_kube import FakeKube

RENEW_WITHIN_S = 1.0


@dataclass
class Ends:
    """What would have ended the process."""

    said: list[str] = field(default_factory=list)
    happened: threading.Event = field(default_factory=threading.Event)

    def __call__(self, why: str, **_: Any) -> None:
        self.said.append(why)
        self.happened.set()


@pytest.fixture
def ends() -> Ends:
    return Ends()


@pytest.fixture
def kube(monkeypatch: pytest.MonkeyPatch) -> FakeKube:
    """An API server; and a Lease that is kept eight times as fast as a real one."""
    kube = FakeKube()

    async def connect() -> FakeKube:
        return kube

    monkeypatch.setattr("perfrun.controller.lead.lease_thread.Kube.connect", connect)
    monkeypatch.setattr(leadership, "RENEW_WITHIN_S", RENEW_WITHIN_S)
    monkeypatch.setattr(leadership, "RETRY_S", 0.25)
    monkeypatch.setattr(module, "BUSY_AFTER_S", 0.5)
    monkeypatch.setattr(module, "DEAD_AFTER_S", 4.0)
    return kube


@pytest.fixture
async def lease(kube: FakeKube, ends: Ends) -> AsyncIterator[LeaseThread]:
    heart = Heartbeat()
    beating = asyncio.create_task(heart.run())
    async with LeaseThread(settings(), heart, ends) as lease:
        await asyncio.wait_for(lease.leading.wait(), 10)
        yield lease
    beating.cancel()
    assert "lease" not in [one.name for one in threading.enumerate()]


def _stall(seconds: float) -> None:
    """As a computation in the main loop does it."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        pass


def _holder(kube: FakeKube) -> str:
    return str(kube.all(LEASES)[0]["spec"]["holderIdentity"])


@pytest.mark.flaky(reruns=3)
async def test_the_lease_is_kept_while_the_main_loop_is_busy_and_that_is_told_once(
    lease: LeaseThread, kube: FakeKube, ends: Ends, caplog: pytest.LogCaptureFixture
) -> None:
    left: list[float] = []
    looking = threading.Timer(2.5, lambda: left.append(lease.time_to_write()))
    looking.start()
    _stall(3 * RENEW_WITHIN_S)
    looking.join()
    assert 0 < left[0] <= RENEW_WITHIN_S, "a write may be, in the middle of the stall"
    assert 0 < lease.time_to_write() <= RENEW_WITHIN_S
    assert (_holder(kube).partition("_")[0], ends.said) == ("perfrun", [])
    await asyncio.sleep(2 * heartbeat.BEAT_S)
    told = [record.message for record in caplog.records if "main loop" in record.message]
    assert len(told) == 2
    assert "has stood still for" in told[0]
    assert "continues after" in told[1]


async def test_a_dead_main_loop_ends_the_process(lease: LeaseThread, ends: Ends) -> None:
    _stall(6)
    assert ends.happened.is_set()
    assert "the main loop has stood still for" in ends.said[0]
    assert "at most 4s is allowed: ending, so that another operator can act" in ends.said[0]


async def test_a_process_that_stood_still_as_a_whole_is_not_taken_for_dead(
    lease: LeaseThread, ends: Ends, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after SIGSTOP: both threads see a long time pass in one step."""
    late = lease._heartbeat._now

    monkeypatch.setattr(lease._heartbeat, "_now", lambda: late() + 3600)
    await asyncio.sleep(4 * heartbeat.BEAT_S)
    assert ends.said == []


async def test_a_lease_that_is_lost_ends_the_process_also_while_the_main_loop_is_busy(
    lease: LeaseThread, kube: FakeKube, ends: Ends
) -> None:
    (body,) = kube.all(LEASES)
    body["spec"]["holderIdentity"] = "another"
    kube.put(LEASES, body)
    _stall(2)
    assert ends.happened.is_set()
    assert ends.said == ["Lease perfrun belongs to another: ending, so that only one operator acts"]


async def test_a_lease_that_cannot_be_renewed_ends_the_process_and_before_that_the_writes(
    lease: LeaseThread, kube: FakeKube, ends: Ends
) -> None:
    kube.failing["patch", "leases"] = KubeError(0, "the API server did not answer")
    _stall(RENEW_WITHIN_S + 1)
    with pytest.raises(NotLeadingError):
        lease.time_to_write()
    assert "was not renewed" in ends.said[0]


async def test_what_goes_wrong_in_the_thread_ends_the_process(
    lease: LeaseThread, kube: FakeKube, ends: Ends
) -> None:
    kube.failing["patch", "leases"] = ZeroDivisionError()  # type: ignore[assignment]
    await asyncio.to_thread(ends.happened.wait, 5)
    assert ends.said == [
        "the operator may not write anything without the thread of the Lease: ending"
    ]


async def test_released_nothing_may_be_written_and_the_process_is_not_ended(
    lease: LeaseThread, kube: FakeKube, ends: Ends
) -> None:
    await lease.release()
    with pytest.raises(NotLeadingError):
        lease.time_to_write()
    assert _holder(kube) == ""
    await asyncio.sleep(RENEW_WITHIN_S + 0.5)
    assert ends.said == []


async def test_before_it_is_entered_nothing_may_be_written(ends: Ends) -> None:
    with pytest.raises(NotLeadingError, match="has not tried to get the Lease yet"):
        LeaseThread(settings(), Heartbeat(), ends).time_to_write()
