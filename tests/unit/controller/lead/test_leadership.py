"""The lease: taken, kept, lost, given back; and no write without it."""

import asyncio
from collections.abc import Iterator

import pytest

from perfrun.controller.lead.leadership import Leadership, LostLeaseError, NotLeadingError
from perfrun.kube.errors import KubeError
from perfrun.kube.resources import LEASES
from perfrun.logic.run.lease import LEASE_S, RENEW_WITHIN_S, RETRY_S
from tests.unit.controller.build import HandClock, settings
from tests.unit.controller.fake_kube import FakeKube


class Clock(HandClock):
    """Time also passes while somebody sleeps."""

    async def sleep(self, seconds: float) -> None:
        self.now += seconds
        await _pass()


async def _pass() -> None:
    for _ in range(20):
        await asyncio.get_running_loop().run_in_executor(None, lambda: None)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(asyncio, "sleep", clock.sleep)
    return clock


@pytest.fixture
def kube() -> FakeKube:
    return FakeKube()


class Candidates:
    """Operators that want one lease."""

    def __init__(self, kube: FakeKube, clock: Clock) -> None:
        self._kube, self._clock = kube, clock
        self.announced: list[str] = []
        self._running: list[asyncio.Task[None]] = []

    def stand(self, pod: str, uid: str = "") -> Leadership:
        async def announce(*_: object) -> None:
            self.announced.append(pod)

        about = settings(PERFRUN_POD_NAME=pod, PERFRUN_POD_UID=uid or f"uid-{pod}")
        return Leadership(self._kube, about, announce, self._clock)  # type: ignore[arg-type]

    def start(self, one: Leadership) -> asyncio.Task[None]:
        task = asyncio.create_task(one.run())
        self._running.append(task)
        return task

    async def end(self) -> None:
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)


@pytest.fixture
def candidates(kube: FakeKube, clock: Clock) -> Iterator[Candidates]:
    yield Candidates(kube, clock)


def _holder(kube: FakeKube) -> str:
    (lease,) = kube.all(LEASES)
    return str(lease["spec"]["holderIdentity"])


async def test_the_first_one_leads_and_has_workers_led_to_it(
    candidates: Candidates, kube: FakeKube
) -> None:
    first = candidates.stand("a")
    with pytest.raises(NotLeadingError, match="does not hold Lease perfrun"):
        first.time_to_write()
    await first._campaign()
    assert first.leading.is_set()
    assert first.time_to_write() == RENEW_WITHIN_S
    assert (_holder(kube), candidates.announced) == ("a_uid-a", ["a"])


async def test_the_second_one_waits_until_the_lease_is_over(
    candidates: Candidates, clock: Clock, kube: FakeKube
) -> None:
    first, second = candidates.stand("a"), candidates.stand("b")
    await first._campaign()
    await second._campaign()
    clock.now += LEASE_S
    await second._campaign()
    assert not second.leading.is_set()
    clock.now += 0.1
    await second._campaign()
    assert second.leading.is_set()
    assert _holder(kube) == "b_uid-b"
    with pytest.raises(NotLeadingError):
        first.time_to_write()
    with pytest.raises(LostLeaseError):
        await first._keep()


async def test_the_clock_of_the_machine_plays_no_part(
    candidates: Candidates, clock: Clock, kube: FakeKube
) -> None:
    first, second = candidates.stand("a"), candidates.stand("b")
    await first._campaign()
    (lease,) = kube.all(LEASES)
    lease["spec"]["renewTime"] = "1999-01-01T00:00:00.000000Z"
    kube.put(LEASES, lease)
    clock.now += LEASE_S + 1
    await second._campaign()
    assert not second.leading.is_set(), "it has only just seen the lease for the first time"


async def test_a_new_container_of_the_same_pod_leads_at_once(
    candidates: Candidates, kube: FakeKube
) -> None:
    before, after = candidates.stand("a"), candidates.stand("a")
    await before._campaign()
    await after._campaign()
    assert after.leading.is_set()
    with pytest.raises(LostLeaseError, match="belongs to a_uid-a"):
        await before._keep()


async def test_a_lease_that_was_given_back_is_free_at_once(
    candidates: Candidates, kube: FakeKube
) -> None:
    first, second = candidates.stand("a"), candidates.stand("b")
    await first._campaign()
    await first.release()
    with pytest.raises(NotLeadingError):
        first.time_to_write()
    assert _holder(kube) == ""
    await second._campaign()
    assert second.leading.is_set()


async def test_with_the_api_server_away_the_leader_ends_in_time(
    candidates: Candidates, clock: Clock, kube: FakeKube
) -> None:
    first = candidates.stand("a")
    running = candidates.start(first)
    await asyncio.wait_for(first.leading.wait(), 10)
    kube.failing["patch", "leases"] = KubeError(0, "the API server did not answer")
    began = clock.now
    with pytest.raises(LostLeaseError, match="was not renewed for 8s"):
        await asyncio.wait_for(running, 10)
    assert clock.now - began <= RENEW_WITHIN_S + 2 * RETRY_S


async def test_a_renewal_whose_answer_was_lost_is_no_loss(
    candidates: Candidates, kube: FakeKube, clock: Clock
) -> None:
    first = candidates.stand("a")
    await first._campaign()
    (lease,) = kube.all(LEASES)
    kube.put(LEASES, lease)  # its own write, under a version that it never heard of
    clock.now += 5
    await first._keep()
    assert first.time_to_write() == RENEW_WITHIN_S


async def test_a_lease_that_was_deleted_is_lost_and_made_anew_by_the_next(
    candidates: Candidates, kube: FakeKube
) -> None:
    first, second = candidates.stand("a"), candidates.stand("b")
    await first._campaign()
    kube.objects.clear()
    with pytest.raises(LostLeaseError, match="was deleted"):
        await first._keep()
    await second._campaign()
    assert second.leading.is_set()
