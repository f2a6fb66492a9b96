"""The coordinator over HTTP, with scripted workers."""

import asyncio
import gc
import gzip
import socket
import struct
from datetime import timedelta
from hashlib import sha256

import pytest
from aiohttp import web

from perfrun.coordinator.app import MAX_INTERVAL, MAX_REPORT, make_app
from perfrun.coordinator.errors import Conflict
from perfrun.measure.report import WorkerReport
from tests.unit.coordinator.conftest import (
    NOW,
    UID,
    S,
    World,
    in_trouble,
    make_interval,
    make_plan,
    make_report,
)


async def until(condition) -> None:
    """Wait for a state of the world that no event announces; fails after 5 s."""
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.005)


async def test_all_workers_are_told_the_same_t0_and_only_once_all_are_ready(world: World, deadline):
    session = world.coordinator.open(make_plan(2), start_deadline=deadline)
    first = asyncio.create_task(world.ready(0))
    await until(lambda: session.ready_count == 1)
    assert world.store.starts == {}
    second = await world.ready(1)
    assert second[:2] == (
        200,
        {"startIn": S, "stop": None, "setup": False, "values": {}, "master": None},
    )
    assert (await first)[1]["startIn"] == S
    assert session.start == world.store.starts[UID] == NOW + timedelta(seconds=1)


async def test_nobody_is_told_before_t0_is_persisted(world: World, deadline):
    world.coordinator.open(make_plan(1), start_deadline=deadline)
    world.store.gate.clear()
    waiting = asyncio.create_task(world.ready(0))
    await until(lambda: world.store.calls == 1)
    assert not waiting.done()
    world.store.gate.set()
    assert (await waiting)[1]["startIn"] == S


async def test_a_start_that_cannot_be_persisted_is_tried_again(world: World, deadline, monkeypatch):
    monkeypatch.setattr("perfrun.coordinator.coordinator._RETRY_SECONDS", 0.01)
    world.coordinator.open(make_plan(1), start_deadline=deadline)
    world.store.fail = 2
    assert (await world.ready(0))[1]["startIn"] == S
    assert world.store.calls == 3


async def test_the_t0_that_was_persisted_earlier_stands(world: World, deadline):
    world.store.starts[UID] = NOW - timedelta(seconds=3)
    session = world.coordinator.open(make_plan(1), start_deadline=deadline)
    assert (await world.ready(0))[1]["startIn"] == -3 * S
    assert session.start == NOW - timedelta(seconds=3)


async def test_after_a_restart_workers_join_the_schedule_that_runs(world: World, deadline):
    session = world.coordinator.open(
        make_plan(2),
        start=NOW - timedelta(seconds=20),
        start_deadline=deadline,
        reported={1: sha256(b"").hexdigest()},
    )
    assert (await world.ready(0))[1]["startIn"] == -20 * S
    world.clock.move(1.5)
    assert (await world.ready(0))[1]["startIn"] == -21_500_000_000
    assert (await world.post(0, "report", make_report().pack()))[0] == 200
    assert session.all_reported
    assert world.store.starts == {}


async def test_a_worker_that_waits_in_vain_is_told_to_ask_again(world: World, deadline):
    world.coordinator._poll = 0.05
    world.coordinator.open(make_plan(2), start_deadline=deadline)
    status, body, _ = await world.ready(0)
    assert (status, body["startIn"], body["stop"]) == (200, None, None)


async def test_trouble_is_answered_at_once_and_told_to_the_host(world: World, deadline):
    world.coordinator.open(make_plan(1), start_deadline=deadline)
    status, body, _ = await world.ready(0, in_trouble("shop:8000 refuses connections"))
    assert (status, body["startIn"]) == (200, None)
    trouble = world.coordinator.trouble(UID)
    assert trouble is not None
    assert trouble.message == "worker 0: shop:8000 refuses connections"
    assert not trouble.hopeless
    world.clock.move(600)
    assert world.coordinator.trouble(UID) == trouble


async def test_a_late_worker_opens_the_barrier_after_trouble(world: World, deadline):
    world.coordinator.open(make_plan(2), start_deadline=deadline)
    waiting = asyncio.create_task(world.ready(0))
    await world.ready(1, in_trouble())
    assert not waiting.done()
    assert (await world.ready(1))[1]["startIn"] == S
    assert (await waiting)[1]["startIn"] == S


async def test_a_second_worker_of_an_index_is_a_conflict(world: World, deadline):
    world.coordinator.open(make_plan(2), start_deadline=deadline)
    await world.ready(0, in_trouble(), token="ok-0-first")
    status, body, _ = await world.ready(0, token="ok-0-second")
    assert status == 409
    assert "worker 0" in body["message"]


async def test_an_unknown_run_is_to_be_asked_again_and_an_ended_one_is_gone(world: World, deadline):
    status, body, headers = await world.ready(0)
    assert (status, headers["Retry-After"]) == (503, "1")
    assert "not been opened here" in body["message"]
    world.coordinator.open(make_plan(1), start_deadline=deadline)
    world.coordinator.close(UID)
    assert (await world.ready(0))[:2] == (410, {"message": "this run is over"})


async def test_closing_answers_those_who_wait(world: World, deadline):
    session = world.coordinator.open(make_plan(2), start_deadline=deadline)
    waiting = asyncio.create_task(world.ready(0))
    await until(lambda: session.ready_count == 1)
    world.coordinator.close(UID)
    assert (await waiting)[0] == 410


async def test_a_server_that_shuts_down_lets_its_workers_go_and_ends_no_run(world: World, deadline):
    session = world.coordinator.open(make_plan(2), start_deadline=deadline)
    waiting = asyncio.create_task(world.ready(0))
    await until(lambda: session.ready_count == 1)
    async with asyncio.timeout(2):
        await world.client.server.runner.shutdown()
    status, _, headers = await waiting
    assert (status, headers["Retry-After"]) == (503, "1")


async def test_tokens_are_needed_and_checked_once(world: World, deadline):
    world.coordinator.open(make_plan(2), start_deadline=deadline)
    async with world.client.post(f"/v1/runs/{UID}/workers/0/interval", data=b"{}") as response:
        assert response.status == 401
    assert (await world.post(1, "interval", b"{}", token="ok-0"))[0] == 403
    asked = world.tokens.asked
    for sequence in range(1, 4):
        assert (await world.post(0, "interval", make_interval(sequence).to_bytes()))[0] == 200
    assert world.tokens.asked == asked + 1


async def test_a_token_that_cannot_be_checked_now_is_not_refused(world: World, deadline):
    world.coordinator.open(make_plan(1), start_deadline=deadline)
    world.tokens.away = True
    status, _, headers = await world.ready(0)
    assert (status, headers["Retry-After"]) == (503, "1")


async def test_intervals_are_merged_and_answered(world: World, deadline):
    world.coordinator.open(make_plan(2), start=NOW, start_deadline=deadline)
    await world.post(0, "interval", make_interval(1).to_bytes())
    status, body, _ = await world.post(1, "interval", make_interval(1).to_bytes())
    go_on = {
        "stop": None,
        "breached": False,
        "hold": None,
        "cut": None,
        "done": False,
        "othersDone": False,
        "repost": False,
    }
    assert (status, body) == (200, go_on)
    assert world.coordinator.live(UID).sent == 20


async def test_a_stop_reaches_workers_at_the_barrier_and_in_progress(world: World, deadline):
    session = world.coordinator.open(make_plan(2), start_deadline=deadline)
    waiting = asyncio.create_task(world.ready(0))
    await until(lambda: session.ready_count == 1)
    world.coordinator.stop(UID, "spec.stop was set")
    assert (await waiting)[1]["stop"] == "spec.stop was set"
    _, body, _ = await world.post(1, "interval", make_interval(1).to_bytes())
    assert body["stop"] == "spec.stop was set"


async def test_a_report_is_acknowledged_only_after_it_is_stored(world: World, deadline):
    session = world.coordinator.open(make_plan(1), start=NOW, start_deadline=deadline)
    packed = make_report().pack()
    world.store.fail = 1
    status, _, headers = await world.post(0, "report", packed)
    assert (status, headers["Retry-After"]) == (503, "1")
    assert (world.store.reports, session.all_reported) == ({}, False)
    assert (await world.post(0, "report", packed))[0] == 200
    assert (world.store.reports, session.all_reported) == ({0: packed}, True)
    assert (await world.post(0, "report", packed))[0] == 200
    assert world.store.calls == 2


def another_report() -> bytes:
    report = make_report()
    report.stopped = "by somebody else"
    return report.pack()


async def test_second_report_that_differs_is_refused_and_changes_nothing(world: World, deadline):
    world.coordinator.open(make_plan(1), start=NOW, start_deadline=deadline)
    packed = make_report().pack()
    assert (await world.post(0, "report", packed))[0] == 200
    status, answer, _ = await world.post(0, "report", another_report())
    assert (status, answer["message"]) == (
        409,
        "worker 0 has already sent a different report",
    )
    assert (await world.post(0, "report", packed))[0] == 200
    assert (world.store.reports, world.store.calls) == ({0: packed}, 1)


async def test_of_two_reports_at_once_the_first_stands(world: World, deadline):
    world.coordinator.open(make_plan(2), start=NOW, start_deadline=deadline)
    world.store.gate.clear()
    packed = make_report().pack()

    def send(index: int, body: bytes) -> asyncio.Task[None]:
        return asyncio.create_task(world.coordinator.report(UID, index, body))

    first = send(0, packed)
    await until(lambda: world.store.calls == 1)
    others = [send(0, another_report()) for _ in range(3)]
    again, neighbour = send(0, packed), send(1, another_report())
    await until(lambda: world.store.calls == 2)  # another worker is not kept waiting
    world.store.gate.set()
    await asyncio.gather(first, again, neighbour)
    answers = await asyncio.gather(*others, return_exceptions=True)
    assert [type(answer) for answer in answers] == [Conflict] * 3
    assert world.store.reports == {0: packed, 1: another_report()}


async def test_of_reports_that_are_being_stored_nothing_unpacked_is_in_memory(
    world: World, deadline
):
    world.coordinator.open(make_plan(4), start=NOW, start_deadline=deadline)
    world.store.gate.clear()
    packed, before = make_report().pack(), _unpacked_reports()
    sending = [asyncio.create_task(world.coordinator.report(UID, i, packed)) for i in range(4)]
    await until(lambda: world.store.calls == 4)
    assert _unpacked_reports() == before
    world.store.gate.set()
    await asyncio.gather(*sending)
    assert sorted(world.store.reports) == [0, 1, 2, 3]


def _unpacked_reports() -> int:
    gc.collect()
    return sum(isinstance(one, WorkerReport) for one in gc.get_objects())


async def test_report_that_could_not_be_stored_leaves_room_for_the_next(world: World, deadline):
    world.coordinator.open(make_plan(1), start=NOW, start_deadline=deadline)
    world.store.fail = 1
    assert (await world.post(0, "report", make_report().pack()))[0] == 503
    assert (await world.post(0, "report", another_report()))[0] == 200


async def test_after_a_restart_the_stored_report_is_known_by_its_hash(world: World, deadline):
    packed = make_report().pack()
    reported = {0: sha256(packed).hexdigest()}
    world.coordinator.open(make_plan(2), start=NOW, start_deadline=deadline, reported=reported)
    assert (await world.post(0, "report", packed))[0] == 200
    assert (await world.post(0, "report", another_report()))[0] == 409
    assert world.store.calls == 0


async def test_garbage_is_refused_with_a_sentence(world: World, deadline):
    world.coordinator.open(make_plan(1), start=NOW, start_deadline=deadline)
    for what, body in (
        ("ready", b"\xff\x00"),
        ("ready", b'{"version": 2}'),
        ("interval", b"[]"),
        ("interval", b'{"sequence": 1}'),
        ("report", b"not gzip"),
        ("report", gzip.compress(b'{"version": 1}')),
        ("report", make_report().pack()[:-9]),
    ):
        status, answer, _ = await world.post(0, what, body)
        assert status == 400, (what, body)
        assert answer["message"].startswith("not a"), answer
        assert "\n" not in answer["message"]
    assert world.store.reports == {}
    assert world.coordinator.session(UID) is not None


async def test_an_index_beyond_the_workers_is_refused(world: World, deadline):
    world.coordinator.open(make_plan(2), start_deadline=deadline)
    status, body, _ = await world.ready(7)
    assert (status, body["message"]) == (400, "there is no worker 7: the run has 2 workers")


async def test_what_is_too_large_is_refused_declared_or_not(world: World, deadline):
    world.coordinator.open(make_plan(1), start=NOW, start_deadline=deadline)

    async def chunks():
        for _ in range(5):
            yield b"x" * (MAX_INTERVAL // 4)

    headers = {"Authorization": "Bearer ok-0"}
    url = f"/v1/runs/{UID}/workers/0/interval"
    async with world.client.post(url, data=chunks(), headers=headers) as response:
        assert response.status == 413
    bomb = gzip.compress(b"\0" * (MAX_REPORT + 1))
    headers["Content-Encoding"] = "gzip"
    async with world.client.post(
        f"/v1/runs/{UID}/workers/0/report", data=bomb, headers=headers
    ) as response:
        assert response.status == 413
    assert world.store.reports == {}


async def test_other_paths_and_methods_have_sentences_too(world: World):
    async with world.client.get(f"/v1/runs/{UID}/workers/0/ready") as response:
        assert response.status == 405
        assert "message" in await response.json()
    async with world.client.post(f"/v1/runs/{UID}/workers/x/ready") as response:
        assert response.status == 404


async def test_no_stranger_keeps_a_connection_by_asking_again(world: World, deadline) -> None:
    world.coordinator.open(make_plan(2), start_deadline=deadline)

    async def closes(path: str, token: str) -> tuple[int, bool]:
        headers = {"Authorization": f"Bearer {token}"}
        async with world.client.post(path, headers=headers) as response:
            return response.status, response.headers.get("Connection") == "close"

    worker = f"/v1/runs/{UID}/workers"
    assert await closes("/", "x") == (404, True)
    assert await closes(f"{worker}/0/interval", "") == (401, True)
    assert await closes(f"{worker}/1/interval", "ok-0") == (403, True)
    assert await closes("/v1/runs/other/workers/0/interval", "ok-0") == (503, True)
    # A worker goes on with the one that it has, whatever it has sent.
    assert await closes(f"{worker}/0/interval", "ok-0") == (400, False)


@pytest.mark.parametrize("abruptly", [True, False])
async def test_a_worker_that_goes_away_while_it_posts_is_no_news(
    world: World, deadline, caplog, abruptly
):
    world.coordinator.open(make_plan(1), start=NOW, start_deadline=deadline)
    # A runner as the hosts make it: the one of aiohttp's test server cancels such handlers.
    runner = web.AppRunner(make_app(world.coordinator))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    assert runner.server is not None
    _, writer = await asyncio.open_connection(*runner.addresses[0])
    writer.write(
        f"POST /v1/runs/{UID}/workers/0/report HTTP/1.1\r\nHost: x\r\n"
        "Authorization: Bearer ok-0\r\nContent-Length: 1000\r\n\r\nhalf of it".encode()
    )
    await writer.drain()
    await until(lambda: world.tokens.asked == 1)
    if abruptly:
        reset = struct.pack("ii", 1, 0)  # linger for nothing: close with a RST
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, reset)
        writer.transport.abort()
    else:
        writer.close()
    await until(lambda: not runner.server.connections)
    await runner.cleanup()
    assert [record.getMessage() for record in caplog.records] == []
