"""What a worker may send is bounded before it is decoded: memory, time, and what it leads to."""

import json
import logging
import resource
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from perfrun.api.test.observe import Observed
from perfrun.controller.metrics.live import live_families
from perfrun.controller.objects.store import Key
from perfrun.measure.report import WorkerReport, add_report
from tests import hostile
from tests.campaign import Campaign
from tests.unit.coordinator.bombed import Pulse
from tests.unit.coordinator.conftest import UID, World, make_plan
from tests.unit.logic import build

ROOT = Path(__file__).resolve().parents[3]
MAX_GROWTH = 160 * hostile.MiB
"""Of the whole process, for any refused message: a limit of 768 MiB leaves room for several."""
MAX_STALL_S = 0.25
SEED = 20261130


@pytest.mark.flaky(reruns=3)
def test_every_bomb_is_refused_with_a_reason_within_bounds_of_memory_and_time() -> None:
    command = [sys.executable, "-m", "tests.unit.coordinator.bombed"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert run.returncode == 0, run.stderr[-2000:]
    assert "Traceback" not in run.stderr
    seen = {one["name"]: one for one in map(json.loads, run.stdout.splitlines())}
    for bomb in hostile.bombs():
        one = seen.pop(bomb.name)
        assert one["status"] in (400, 413), one
        assert bomb.says in one["message"], one
        assert len(one["message"]) < 400, one
        assert one["grown"] < MAX_GROWTH, one
        assert one["stall"] < MAX_STALL_S, one
    assert not seen


@pytest.mark.flaky(reruns=3)
async def test_whatever_a_worker_sends_is_answered_and_leads_to_no_traceback(
    world: World, deadline, caplog: pytest.LogCaptureFixture, campaign: Campaign
) -> None:
    caplog.set_level(logging.WARNING)
    number = 10_000 if campaign.whole else 300
    seen = Observed.model_validate(
        {"name": "db", "prometheus": {"url": "http://prometheus", "query": "up"}}
    )
    plan = make_plan(2).model_copy(update={"observe": [seen]})
    world.coordinator.open(plan, start_deadline=deadline)
    pulse, stalls, accepted, answers = Pulse(), [], 0, Counter[str]()
    for route, body in hostile.messages(number, SEED):
        world.clock.move(1)
        status, answer, _ = await world.post(accepted % 2, route, body)
        assert status in (200, 400, 409, 413), (route, status, answer, body[:2000])
        answers[f"{route} {status}"] += 1
        if status == 200 and route == "report":
            accepted += 1
            _judged_without_harm(world.store.reports.popitem()[1])
            world.coordinator._runs[UID].reports._stored.clear()
        list(live_families({Key("shop", "api"): world.coordinator.live(UID)}))
        stalls.append(pulse.take())
    assert accepted > number // 100
    assert not [record for record in caplog.records if record.exc_info], caplog.text
    assert max(stalls) < MAX_STALL_S
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    campaign.add("messages", count=number, stall=max(stalls), peak=peak, **answers)


def _judged_without_harm(packed: bytes) -> None:
    """What was taken can be added up, judged and stored; or is refused in words."""
    report = WorkerReport.unpack(packed)
    spec = build.spec(
        slos=[{"metric": "latency.p95", "max": "1s"}, {"metric": "errorRate", "max": "1%"}]
    )
    try:
        whole = add_report(WorkerReport.unpack(packed), report)
    except ValueError:
        return
    build.judged(spec, whole, workers=2, reported=2)
    WorkerReport.unpack(whole.pack())
