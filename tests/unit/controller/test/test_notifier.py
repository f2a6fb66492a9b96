"""Notices on their way: at least once, each receiver by itself, and settled on the run."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from perfrun.api.run.perfrun import PerfRun
from perfrun.controller.metrics import Metrics
from perfrun.controller.objects.events import Events
from perfrun.controller.objects.store import Store, run_record
from perfrun.controller.test import notifier as module
from perfrun.controller.test.notifier import Notifier
from perfrun.controller.test.receivers import Receiver, Receivers
from perfrun.kube.errors import KubeError
from perfrun.kube.resources import EVENTS, PERF_RUNS
from perfrun.logic.run.notices import SIGNATURE_HEADER, signature
from tests.unit.controller.build import checked_test, run_body
from tests.unit.controller.fake_kube import FakeKube

Answer = Callable[[httpx.Request], httpx.Response]


class World:
    """An operator's notifier, its receivers, and what they were sent."""

    def __init__(self, folder: Path) -> None:
        self.kube = FakeKube()
        self.store = Store()
        self.sent: list[tuple[str, dict[str, Any], httpx.Headers]] = []
        self.answers: dict[str, Answer] = {}
        for name, value in (("url", "http://secret/T0KEN\n"), ("signing-key", "k3y")):
            file = folder / "secret" / name
            file.parent.mkdir(exist_ok=True)
            file.write_text(value)
        self.receivers = {
            "plain": Receiver.parse({"name": "plain", "url": "http://plain/hook"}),
            "secret": Receiver.parse({"name": "secret"}),
            "nowhere": Receiver.parse({"name": "nowhere"}),
            "theirs": Receiver.parse(
                {"name": "theirs", "url": "http://theirs/", "namespaces": ["other"]}
            ),
        }
        self.folder = folder
        self.notifier = self.new()
        self.test = checked_test()

    def new(self) -> Notifier:
        """A notifier that knows nothing yet, as after a restart."""
        client = httpx.AsyncClient(transport=httpx.MockTransport(self._take))
        return Notifier(
            self.kube,  # type: ignore[arg-type]
            self.store,
            Events(self.kube, "op"),  # type: ignore[arg-type]
            Metrics(self.store),
            Receivers(self.receivers, self.folder),
            client,
        )

    def _take(self, request: httpx.Request) -> httpx.Response:
        self.sent.append((request.url.host, json.loads(request.content), request.headers))
        return self.answers.get(request.url.host, lambda _: httpx.Response(204))(request)

    def ended(self, name: str, verdict: str = "Warn") -> None:
        """A run of the test that has just ended."""
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        body = run_body(name, uid=f"uid-{name}", phase="Done", verdict=verdict, completionTime=now)
        self.kube.put(PERF_RUNS, body)
        self.heard()

    def heard(self) -> None:
        """The watch has brought the runs as they are."""
        for body in self.kube.all(PERF_RUNS):
            self.store.put_run(run_record(PerfRun.parse(body)))

    def look(self, *receivers: str) -> None:
        wanted = [{"receiver": one} for one in receivers]
        self.notifier.look(checked_test(notifications=wanted))

    def notified(self, name: str) -> list[str]:
        body = next(one for one in self.kube.all(PERF_RUNS) if one["metadata"]["name"] == name)
        return sorted(body["status"].get("notified", {}).values())

    async def until(self, what: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            while not what():
                await asyncio.sleep(0.01)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    held = World(tmp_path)
    yield held
    await held.notifier.close()


async def test_a_warning_is_delivered_once_and_noted_on_its_run(world: World) -> None:
    world.ended("shop-1")
    world.look("plain")
    world.look("plain")
    await world.until(lambda: world.notified("shop-1") == ["Delivered"])
    world.heard()
    world.look("plain")
    assert not world.notifier._held
    ((host, event, headers),) = world.sent
    assert (host, event["type"], headers["Idempotency-Key"]) == (
        "plain",
        "dev.perfrun.warn",
        event["id"],
    )


async def test_url_and_key_of_a_secret_are_used_and_the_key_signs(world: World) -> None:
    world.ended("shop-1")
    world.look("secret")
    await world.until(lambda: world.notified("shop-1") == ["Delivered"])
    ((host, event, headers),) = world.sent
    assert host == "secret"
    body = json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode()
    said = headers[SIGNATURE_HEADER]
    at = int(said.partition(",")[0].removeprefix("t="))
    assert said == signature(b"k3y", body, at)


async def test_a_sink_that_is_away_for_a_moment_is_told_after_it(world: World) -> None:
    states = iter([503, 429, 204])
    world.answers["plain"] = lambda _: httpx.Response(next(states))
    world.ended("shop-1")
    world.look("plain")
    await world.until(lambda: world.notified("shop-1") == ["Delivered"])
    assert len({event["id"] for _, event, _ in world.sent}) == 1
    assert len(world.sent) == 3


async def test_a_sink_that_refuses_is_given_up_at_once_and_an_event_says_so(world: World) -> None:
    world.answers["plain"] = lambda _: httpx.Response(404)
    world.ended("shop-1")
    world.look("plain")
    await world.until(lambda: world.notified("shop-1") == ["GivenUp"])
    (event,) = world.kube.all(EVENTS)
    assert (event["reason"], event["type"]) == ("NotDelivered", "Warning")
    assert "receiver plain was not notified of Warn: it answered 404" in event["note"]
    assert len(world.sent) == 1


async def test_a_redirect_is_not_followed(world: World) -> None:
    world.answers["plain"] = lambda _: httpx.Response(302, headers={"Location": "http://evil/"})
    world.ended("shop-1")
    world.look("plain")
    await world.until(lambda: world.notified("shop-1") == ["GivenUp"])
    assert [host for host, *_ in world.sent] == ["plain"]


async def test_no_error_tells_the_secret_url(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "GIVE_UP_S", 0.5)

    def away(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError(f"cannot reach {request.url}", request=request)

    world.answers["secret"] = away
    world.ended("shop-1")
    world.look("secret")
    await world.until(lambda: world.notified("shop-1") == ["GivenUp"])
    (event,) = world.kube.all(EVENTS)
    assert "T0KEN" not in json.dumps(event)
    assert "ConnectError" in event["note"]


async def test_a_dead_sink_keeps_no_other_from_being_told(world: World) -> None:
    world.answers["plain"] = lambda _: httpx.Response(503)
    world.ended("shop-1")
    world.look("plain", "secret")
    await world.until(lambda: world.notified("shop-1") == ["Delivered"])
    assert "secret" in [host for host, *_ in world.sent]


async def test_killed_before_it_was_noted_it_is_told_again_under_the_same_id(world: World) -> None:
    patch = world.kube.patch

    async def fails(*_: Any, **__: Any) -> Any:
        raise KubeError(500, "killed here")

    world.kube.patch = fails  # type: ignore[method-assign]
    world.ended("shop-1")
    world.look("plain")
    await world.until(lambda: len(world.sent) == 1)
    await world.notifier.close()
    world.kube.patch = patch  # type: ignore[method-assign]
    world.notifier = world.new()
    world.look("plain")
    await world.until(lambda: world.notified("shop-1") == ["Delivered"])
    first, second = (event["id"] for _, event, _ in world.sent)
    assert first == second


async def test_a_run_that_is_gone_is_told_of_no_more(world: World) -> None:
    world.ended("shop-1")
    world.kube.objects.clear()
    world.look("plain")
    assert world.notifier._held
    await world.until(lambda: not world.notifier._held)
    assert world.sent == []


async def test_receivers_of_other_namespaces_and_unknown_ones_are_doubts(world: World) -> None:
    world.ended("shop-1")
    world.look("theirs", "unknown")
    assert not world.notifier._held
    wanted = [{"receiver": "theirs"}, {"receiver": "unknown"}, {"receiver": "plain"}]
    doubts = world.notifier.doubts(checked_test(notifications=wanted))
    assert [one.field for one in doubts] == [
        "spec.notifications[0].receiver",
        "spec.notifications[1].receiver",
    ]
    assert "there are: nowhere, plain, secret" in doubts[0].message


async def test_a_receiver_without_its_secret_is_tried_until_it_is_there(world: World) -> None:
    world.ended("shop-1")
    world.look("nowhere")
    await asyncio.sleep(0)  # the first try finds nothing
    folder = world.folder / "nowhere"
    folder.mkdir()
    (folder / "url").write_text("http://plain/late")
    await world.until(lambda: world.notified("shop-1") == ["Delivered"])
