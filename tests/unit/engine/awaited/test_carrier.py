"""The carrier of awaited targets: what it counts, and whose connections it holds."""

import asyncio
import contextlib
import time
from base64 import b64decode
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from time import monotonic_ns
from typing import Any, Literal

import pytest
import uvloop

from perfrun.engine.awaited.carrier import AwaitedCarrier
from perfrun.engine.awaited.sessions import ConnectionLimits, Done, Session, Speaker, UnusedError
from perfrun.engine.compiled import CompiledScenario
from perfrun.engine.errors import ErrorClass, OpenError, OutOfDataError
from perfrun.engine.load.execution import Execution
from perfrun.engine.load.kind import Carrier, Course, Courses, Ended, Kind, VirtualUser
from perfrun.engine.record.recorder import Recorder, ScenarioTally
from perfrun.measure.plan import RunPlan
from perfrun.measure.report import WorkerReport

MS = 1_000_000


@dataclass
class Step:
    """A step that takes so long (s), and then is ``done``."""

    name: str = "ask"
    takes: float = 0.0
    done: Done = field(default_factory=Done)
    think_time: int = 0
    empty: bool = False
    is_deaf: bool = False
    """Whether it goes on when it is cancelled."""
    first: Done | None = None
    """What the first iteration gets, and at once."""

    def render(self, number: int, _values: dict[str, str]) -> int:
        if self.empty:
            raise OutOfDataError("ids")
        return number


@dataclass
class Peer(Speaker[Step]):
    """A target in memory that keeps book of its connections."""

    opens: Callable[[], None] = lambda: None
    takes_to_open: float = 0.0
    open_now: int = 0
    most: int = 0
    opened: int = 0
    ended: int = 0
    """How many connections it ends next as something is sent over them, which it does not read."""
    asked: list[int] = field(default_factory=list)
    pictures: list[bytes] = field(default_factory=list)
    """What its sessions look like, one after another."""

    async def open(self) -> "Line":
        await asyncio.sleep(self.takes_to_open)
        self.opens()
        self.opened += 1
        self.open_now += 1
        self.most = max(self.most, self.open_now)
        return Line(self)


class Line(Session[Step]):
    def __init__(self, peer: Peer) -> None:
        self._peer = peer
        self._usable = True

    async def perform(self, step: Step, request: int, values: dict[str, str]) -> Done:
        self._peer.asked.append(request)
        values["seen"] = str(request)
        if request == 0 and step.first is not None:
            return step.first
        await (_in_spite_of_all(step.takes) if step.is_deaf else asyncio.sleep(step.takes))
        if self._peer.ended > 0:
            self._peer.ended -= 1
            self._peer.asked.pop()
            self._usable = False
            raise UnusedError
        if step.done.error == "hang up":
            self._usable = False
            raise ConnectionResetError
        return step.done

    async def picture(self) -> bytes | None:
        await asyncio.sleep(0.05)
        return self._peer.pictures.pop(0) if self._peer.pictures else None

    def doing(self) -> str:
        return "waiting"

    def is_usable(self) -> bool:
        return self._usable

    def abandon(self) -> None:
        if self._usable is not None:
            self._peer.open_now -= 1
        self._usable = None  # type: ignore[assignment]


class Fake(Kind):
    """A kind of such a peer."""

    def __init__(self, peer: Peer, steps: list[Step], limits: ConnectionLimits) -> None:
        self.peer, self.steps, self.limits = peer, steps, limits

    def compile(self, plan: RunPlan) -> list[CompiledScenario]:
        return [CompiledScenario("s", self.steps)]

    async def check(self) -> None:
        """Nothing."""

    async def renew(self) -> None:
        """Nothing."""

    @contextlib.asynccontextmanager
    async def kept_fresh(self) -> AsyncIterator[None]:
        yield

    def carrier(self, ended: Ended, course: Courses, *, notes_sends: bool) -> Carrier:
        looks = bool(self.peer.pictures)
        return AwaitedCarrier(
            self.peer, self.limits, ended, course, notes_sends=notes_sends, looks=looks
        )


async def run(
    peer: Peer,
    *steps: Step,
    load: dict[str, Any],
    connections: Literal["Shared", "PerUser", "PerRequest"] = "Shared",
    most: int = 100,
    within: int = 1000 * MS,
    stop_after: float | None = None,
) -> WorkerReport:
    """The report of a load on a peer; its laws were checked."""
    target = {"sql": {"dsnFrom": {"secretKeyRef": {"name": "db", "key": "dsn"}}, "timeout": "1s"}}
    plan = RunPlan.model_validate(
        {
            "uid": "u",
            "namespace": "shop",
            "test": "t",
            "run": "t-1",
            "seed": 7,
            "target": target,
            "scenarios": [
                {
                    "name": "s",
                    "steps": [{"name": one.name, "sql": {"statement": "x"}} for one in steps],
                }
            ],
            "load": load,
        }
    )
    kind = Fake(peer, list(steps), ConnectionLimits(connections, most, within))
    execution = Execution(plan, 0, monotonic_ns() + 20 * MS, kind.compile(plan), [0], kind)
    if stop_after is not None:
        asyncio.get_running_loop().call_later(stop_after, execution.stop, "enough")
    async with asyncio.timeout(20):
        await execution.finish(None)
    report = execution.report(0.0)
    report.check()
    assert peer.open_now == 0, "connections are left open"
    return report


async def _in_spite_of_all(seconds: float) -> None:
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    while (left := end - loop.time()) > 0:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(left)


def burst(requests: int, concurrency: int) -> dict[str, Any]:
    return {"burst": {"requests": requests, "concurrency": concurrency}}


async def test_every_iteration_is_asked_once_and_connections_are_shared() -> None:
    peer = Peer()
    report = await run(peer, Step(), load=burst(200, 8))
    (step,) = report.window.steps
    assert (step.sent, step.succeeded, step.attempts) == (200, 200, 200)
    assert sorted(peer.asked) == list(range(200))
    assert peer.opened <= 8
    assert report.generator.connections == peer.opened


@pytest.mark.flaky(reruns=3)
async def test_no_more_connections_than_allowed_and_waiting_counts_as_latency() -> None:
    peer = Peer()
    report = await run(peer, Step(takes=0.05), load=burst(8, 8), most=2)
    (step,) = report.window.steps
    assert peer.most == 2
    latency = step.timings["latency/success"]
    assert latency.greatest >= 180 * MS  # four rounds of 50 ms, of which three were waited for
    assert step.timings["service/success"].quantile(0.5) < 150 * MS


async def test_each_user_keeps_its_connection() -> None:
    peer = Peer()
    load = {"closed": {"users": 3, "duration": "300ms"}}
    report = await run(peer, Step(takes=0.02), load=load, connections="PerUser")
    assert report.window.steps[0].succeeded > 6
    assert peer.opened == 3


async def test_each_request_has_a_connection_of_its_own() -> None:
    peer = Peer()
    await run(peer, Step(), load=burst(20, 4), connections="PerRequest")
    assert peer.opened == 20


@pytest.mark.parametrize("connections", ["Shared", "PerUser"])
async def test_what_crosses_the_end_of_an_idle_connection_is_sent_once_more_and_is_no_attempt(
    connections: Literal["Shared", "PerUser"],
) -> None:
    peer = Peer(ended=1)
    report = await run(peer, Step(), load=burst(5, 1), connections=connections)
    (step,) = report.window.steps
    assert (step.sent, step.succeeded, step.attempts) == (5, 5, 5)
    assert sorted(peer.asked) == list(range(5))
    assert (peer.opened, peer.open_now) == (2, 0)


async def test_a_second_connection_that_ends_at_once_is_a_reset() -> None:
    peer = Peer(ended=2)
    report = await run(peer, Step(), load=burst(5, 1))
    (step,) = report.window.steps
    assert (step.errors, step.succeeded, step.attempts) == ({"Reset": 1}, 4, 4)


async def test_failures_are_counted_by_their_class_and_end_the_iteration() -> None:
    peer = Peer()
    steps = (Step("first", done=Done("Sql23")), Step("second"))
    report = await run(peer, *steps, load=burst(10, 2))
    first, second = report.window.steps
    assert first.errors == {"Sql23": 10}
    assert second.sent == 0
    assert report.window.scenarios[0].failed == 10


async def test_a_timeout_lets_go_of_its_connection_and_is_no_less_than_the_timeout() -> None:
    peer = Peer()
    report = await run(peer, Step(takes=5), load=burst(4, 2), within=100 * MS)
    (step,) = report.window.steps
    assert step.errors == {"Timeout": 4}
    assert step.timings["latency/timeout"].least >= 100 * MS
    assert peer.opened == 4


async def test_a_timeout_while_waiting_for_a_connection_takes_none_away() -> None:
    peer = Peer()
    report = await run(peer, Step(takes=0.15), load=burst(6, 3), most=1, within=100 * MS)
    assert report.window.steps[0].errors == {"Timeout": 6}
    report = await run(peer, Step(), load=burst(4, 2), most=1)
    assert report.window.steps[0].succeeded == 4


async def test_a_connection_that_is_lost_is_not_used_again() -> None:
    peer = Peer()
    report = await run(peer, Step(done=Done("hang up")), load=burst(5, 1))
    assert report.window.steps[0].errors == {"Reset": 5}
    assert peer.opened == 5


async def test_one_that_cannot_be_opened_fails_and_gives_its_place_back() -> None:
    def refuse() -> None:
        raise OpenError(ErrorClass.CONNECT, "nobody listens")

    peer = Peer(opens=refuse)
    report = await run(peer, Step(), load=burst(6, 3), most=1)
    (step,) = report.window.steps
    assert (step.errors, step.attempts) == ({"Connect": 6}, 0)


async def test_what_a_policy_refuses_is_told() -> None:
    def refuse() -> None:
        raise OpenError(ErrorClass.POLICY, "PerfPolicy default does not allow connections to db")

    report = await run(Peer(opens=refuse), Step(), load=burst(2, 1))
    assert report.window.steps[0].errors == {"Policy": 2}
    assert report.forbidden == "PerfPolicy default does not allow connections to db"


async def test_a_feed_that_is_used_up_sends_nothing() -> None:
    peer = Peer()
    report = await run(peer, Step(empty=True), load=burst(4, 2))
    (step,) = report.window.steps
    assert (step.errors, step.attempts, peer.asked) == ({"Data": 4}, 0, [])


@pytest.mark.filterwarnings("ignore")
async def test_a_defect_of_a_kind_is_a_failure_and_no_run_without_end() -> None:
    class Broken(Step):
        def render(self, number: int, _values: dict[str, str]) -> int:
            raise ZeroDivisionError

    seen: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: seen.append(context))
    report = await run(Peer(), Broken(), load=burst(3, 1))
    assert report.window.steps[0].errors == {"Data": 3}
    assert isinstance(seen[0]["exception"], ZeroDivisionError)


async def test_a_kind_that_goes_on_when_its_time_is_up_has_timed_out_all_the_same() -> None:
    peer = Peer()
    report = await run(peer, Step(takes=0.3, is_deaf=True), load=burst(4, 2), within=100 * MS)
    (step,) = report.window.steps
    assert (step.errors, peer.opened) == ({"Timeout": 4}, 4)
    assert step.timings["latency/timeout"].least >= 290 * MS


async def test_a_kind_that_goes_on_after_the_end_gives_nothing_back() -> None:
    peer = Peer()
    step = Step(takes=5.6, is_deaf=True)
    load = {"closed": {"users": 2, "duration": "60s"}}
    report = await run(peer, step, load=load, within=60_000 * MS, stop_after=0.2)
    assert report.window.steps[0].censored == 2
    await asyncio.sleep(0.6)
    assert (peer.opened, peer.open_now) == (2, 0)


async def test_what_is_open_at_a_stop_is_censored() -> None:
    peer = Peer()
    load = {"closed": {"users": 4, "duration": "60s"}}
    report = await run(peer, Step(takes=30), load=load, within=60_000 * MS, stop_after=0.2)
    (step,) = report.window.steps
    assert (step.sent, step.censored) == (4, 4)
    assert step.timings["latency/censored"].count == 4
    assert report.stopped == "enough"


async def test_thinking_users_are_no_requests_and_are_censored_without_one() -> None:
    peer = Peer()
    steps = (Step("first", think_time=30_000 * MS), Step("second"))
    load = {"closed": {"users": 2, "duration": "60s"}}
    report = await run(peer, *steps, load=load, stop_after=0.2)
    first, second = report.window.steps
    assert (first.succeeded, second.sent) == (2, 0)
    assert report.window.scenarios[0].censored == 2


def test_an_iteration_that_was_overdue_before_its_first_turn_is_counted() -> None:
    async def stalled() -> ScenarioTally:
        steps: list[Step] = [Step(takes=0.01)]
        whole = Recorder([CompiledScenario("s", steps)]).window.scenarios[0]
        course = Course(list(zip(steps, whole.steps, strict=True)), whole, stays=False)
        limits = ConnectionLimits("Shared", 1, 30 * MS)
        carrier = AwaitedCarrier(Peer(), limits, lambda *_: -1, lambda *_: course)
        carrier.begin(course, 0, monotonic_ns(), VirtualUser(), monotonic_ns())
        # In the turn of the loop after it, timers come first.
        time.sleep(0.06)  # noqa: ASYNC251
        async with asyncio.timeout(5):
            while carrier.in_flight():
                await asyncio.sleep(0.01)
        carrier.close()
        return whole

    step = uvloop.run(stalled()).steps[0]
    assert (step.sent, step.succeeded + step.failed) == (1, 1)


@pytest.mark.flaky(reruns=3)
async def test_what_a_step_puts_aside_is_no_part_of_its_times() -> None:
    aside = Done(aside=100 * MS, measures={"pageLoad": 7.0 * MS, "layoutShift": 0.12345})
    report = await run(Peer(), Step("a", 0.15, aside), Step("b", 0.1), load=burst(2, 2))
    first, second = report.window.steps
    for timing in ("latency", "service"):
        assert 40 * MS < first.timings[f"{timing}/success"].mean < 100 * MS
    assert second.timings["service/success"].mean > 90 * MS
    assert report.window.scenarios[0].journeys["success"].mean < 240 * MS
    assert first.measures["pageLoad"].mean == 7 * MS
    assert first.measures["layoutShift"].mean == 123_500_000, "four decimals"
    assert (first.measures["pageLoad"].count, second.measures) == (2, {})


JPEG = b"\xff\xd8\xff"


@pytest.mark.flaky(reruns=3)
async def test_the_slowest_visit_is_pictured_and_the_first_that_fails_in_its_place() -> None:
    peer = Peer(pictures=[JPEG + b"slow", JPEG + b"late", JPEG + b"never"])
    slow = await run(peer, Step("a"), Step("b", 0.05), load=burst(1, 1))
    picture = slow.window.picture
    assert picture is not None
    assert (picture.step, picture.error) == ("b", "")
    assert 45 * MS < picture.took < 95 * MS, "what is looked at takes its time, and not the page"
    late = await run(peer, Step("a", 30), load=burst(3, 1), within=100 * MS)
    picture = late.window.picture
    assert picture is not None
    assert (picture.error, b64decode(picture.jpeg)) == ("Timeout", JPEG + b"late")
    (step,) = late.window.steps
    assert (step.errors, step.messages) == ({"Timeout": 3}, {"Timeout": "waiting"})
    assert step.timings["latency/timeout"].greatest < 145 * MS


async def test_a_picture_of_a_failure_stays_where_a_success_was_looked_at_meanwhile() -> None:
    peer = Peer(pictures=[JPEG + b"failed", JPEG + b"slower"])
    report = await run(peer, Step(takes=0.02, first=Done("Check")), load=burst(2, 2))
    picture = report.window.picture
    assert picture is not None
    assert (picture.error, b64decode(picture.jpeg)) == ("Check", JPEG + b"failed")


@pytest.mark.parametrize("takes", [0.0, 30.0])
async def test_a_picture_that_is_none_is_a_defect_and_no_run_without_end(takes: float) -> None:
    seen: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: seen.append(context))
    peer = Peer(pictures=[b"no picture", b"none either"])
    report = await run(peer, Step(takes=takes), load=burst(2, 1), within=100 * MS)
    step = report.window.steps[0]
    assert (step.sent, step.succeeded + step.failed, report.window.picture) == (2, 2, None)
    assert [one["message"] for one in seen] == ["step ask could not be photographed"] * 2
