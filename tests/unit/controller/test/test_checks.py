"""The checks of tests in processes of their own: what they cost, whom they delay, what is kept."""

import asyncio
import json
import os
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from perfrun import __version__
from perfrun.controller.objects.store import Key
from perfrun.controller.test import checks as checks_module
from perfrun.controller.test.check_process import bound
from perfrun.controller.test.checks import CheckFailedError, Checks, check_status, outcome_of
from perfrun.kube.resources import PERF_TESTS
from perfrun.logic.accept import examine as budgets
from perfrun.logic.accept.examine import examine
from tests.unit.controller.build import Json
from tests.unit.controller.fake_kube import FakeKube

PLAIN: Json = {
    "target": {"http": {"url": "http://shop/health"}},
    "load": {"burst": {"requests": 100, "concurrency": 10}},
}


def with_steps(*steps: Json, **more: Any) -> Json:
    return {**PLAIN, "scenarios": [{"name": "all", "steps": list(steps)}], **more}


def nested(levels: int) -> Json:
    value: Any = 1
    for _ in range(levels):
        value = {"a": value}
    return with_steps({"name": "x", "http": {"method": "POST", "json": value}})


def case_blind(count: int) -> Json:
    """Each compiles for tens of milliseconds, whatever the schema says of it."""
    classes = ["[!-\U0010ffff]" * 16 + chr(0x4E00 + i) for i in range(count)]
    extract = {f"v{i}": {"regex": f"(?i){pattern}"} for i, pattern in enumerate(classes)}
    names = list(extract)
    return with_steps(
        *(
            {"name": f"s{n}", "extract": {name: extract[name] for name in names[n : n + 20]}}
            for n in range(0, count, 20)
        )
    )


HOSTILE = case_blind(400)


@pytest.fixture
async def kube() -> FakeKube:
    return FakeKube()


@pytest.fixture
async def checks(kube: FakeKube) -> AsyncIterator[Checks]:
    checks = Checks(kube, lambda key: woken.append(key))  # type: ignore[arg-type]
    woken: list[Key] = []
    checks.woken = woken  # type: ignore[attr-defined]
    await checks.start()
    yield checks
    await checks.close()


def put(kube: FakeKube, spec: Json, name: str = "shop", namespace: str = "team") -> Json:
    about = {"name": name, "namespace": namespace, "uid": f"uid-{name}", "generation": 1}
    return kube.put(PERF_TESTS, {"metadata": about, "spec": spec})


async def until_known(checks: Checks, body: Json) -> budgets.Examined:
    async with asyncio.timeout(60):
        while (outcome := checks.of(body)) is None:
            await asyncio.sleep(0.01)
    return outcome


async def test_a_process_says_what_this_one_would(checks: Checks) -> None:
    for spec in (PLAIN, nested(101), nested(20), with_steps({"name": "x", "expectt": {}})):
        assert await checks.examine(spec, "team", freeze=True) == examine(spec, "team", freeze=True)


async def test_over_a_second_of_cpu_is_a_sentence_and_the_next_check_is_as_before(
    checks: Checks,
) -> None:
    outcome = await checks.examine(HOSTILE, "team")
    assert outcome.problems == [
        "spec: checking it takes more than 1 s of CPU: make it smaller or simpler, for example its "
        "regular expressions"
    ]
    assert (await checks.examine(PLAIN, "team")).problems == []


def test_process_of_a_check_has_no_more_memory_than_its_budget() -> None:
    # Within 256 KiB nothing was found that needs so much memory: the limit itself is shown.
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            bound()
            bytearray(300 * 1024 * 1024)
            os.write(write, b"had it")
        except MemoryError:
            os.write(write, b"refused")
        os._exit(0)
    os.waitpid(pid, 0)
    assert os.read(read, 10) == b"refused"


async def test_what_is_too_long_is_refused_by_its_length_alone(
    kube: FakeKube, checks: Checks, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def never(request: bytes) -> bytes:
        raise AssertionError("it was looked at")

    monkeypatch.setattr(checks, "_exchange", never)
    large = {**PLAIN, "variables": {f"v{i}": "x" * 4096 for i in range(64)}}
    outcome = await checks.examine(large, "team")
    assert outcome.problems == [
        "spec: has 257 KiB as JSON; at most 256 KiB are allowed: move bodies and data into feeds"
    ]


@pytest.mark.flaky(reruns=3)
async def test_no_other_namespace_waits_for_one_that_costs_much(checks: Checks) -> None:
    await checks.examine(PLAIN, "other")  # warm
    hostile = [asyncio.create_task(checks.examine(HOSTILE, "hostile")) for _ in range(4)]
    await asyncio.sleep(0.2)
    began = time.monotonic()
    assert (await checks.examine(PLAIN, "other")).problems == []
    waited = time.monotonic() - began
    assert sum(task.done() for task in hostile) <= 1
    assert waited < 2  # of which a busy machine may have most
    for task in hostile:
        assert "1 s of CPU" in (await task).problems[0]


async def test_loop_goes_on_while_the_worst_is_checked(checks: Checks) -> None:
    longest, last = 0.0, time.monotonic()
    checking = asyncio.create_task(checks.examine(HOSTILE, "team"))
    while not checking.done():
        await asyncio.sleep(0.005)
        longest, last = max(longest, time.monotonic() - last), time.monotonic()
    assert longest < 0.25


async def test_outcome_is_asked_for_once_and_wakes_its_test(kube: FakeKube, checks: Checks) -> None:
    body = put(kube, PLAIN)
    assert checks.of(body) is None
    assert checks.of(body) is None
    outcome = await until_known(checks, body)
    assert outcome.what_runs
    assert kube.asked["get", "perftests"] == 1
    await asyncio.sleep(0)
    assert checks.woken == [Key("team", "shop")]  # type: ignore[attr-defined]


async def test_changed_test_is_checked_anew(kube: FakeKube, checks: Checks) -> None:
    body = put(kube, with_steps({"name": "x", "expectt": {}}))
    assert (await until_known(checks, body)).problems
    changed = {**body, "metadata": {**body["metadata"], "generation": 2}, "spec": PLAIN}
    kube.put(PERF_TESTS, changed)
    assert checks.of(changed) is None
    assert (await until_known(checks, changed)).problems == []


@pytest.mark.parametrize("spec", [PLAIN, nested(300)], ids=["accepted", "refused"])
async def test_what_stands_on_the_object_is_not_found_out_again(spec: Json) -> None:
    outcome = examine(spec, "team")
    status = {
        "observedGeneration": 3,
        "check": json.loads(check_status(outcome).model_dump_json(exclude_none=True)),
        "conditions": [
            {
                "type": "Ready",
                "status": "False",
                "reason": "Invalid",
                "message": "; ".join(outcome.problems),
            }
        ],
    }
    body = {"metadata": {"generation": 3}, "status": status}
    noted = outcome_of(body)
    assert noted is not None
    assert (noted.problems, noted.asks, noted.what_runs) == (
        outcome.problems,
        outcome.asks,
        outcome.what_runs,
    )
    assert outcome_of({**body, "metadata": {"generation": 4}}) is None
    older = {**status, "check": {**status["check"], "version": f"{__version__}-older"}}
    assert outcome_of({**body, "status": older}) is None


@pytest.mark.parametrize(
    "status",
    [
        {"check": 3},
        {"observedGeneration": 1, "check": {"version": __version__}},
        {"conditions": "none", "lastScheduleTime": "yesterday"},
    ],
)
def test_rubbish_in_a_status_is_no_outcome(status: Json) -> None:
    assert outcome_of({"metadata": {"generation": 1}, "status": status}) is None


async def test_process_that_was_killed_is_started_again(checks: Checks) -> None:
    await checks.examine(PLAIN, "team")
    assert checks._pool is not None
    os.killpg(checks._pool.process.pid, signal.SIGKILL)
    with pytest.raises(CheckFailedError):
        await checks.examine(PLAIN, "team")
    assert (await checks.examine(PLAIN, "team")).problems == []


async def test_process_that_does_not_answer_is_killed_and_started_again(
    checks: Checks, monkeypatch: pytest.MonkeyPatch
) -> None:
    await checks.examine(PLAIN, "team")
    pool = checks._pool
    assert pool is not None
    os.killpg(pool.process.pid, signal.SIGSTOP)
    monkeypatch.setattr(checks_module, "PATIENCE_S", 0.2)
    with pytest.raises(CheckFailedError):
        await checks.examine(PLAIN, "team")
    monkeypatch.undo()
    assert pool.process.poll() is not None
    assert (await checks.examine(PLAIN, "team")).problems == []


async def test_all_that_was_forked_ends_with_the_operator(checks: Checks) -> None:
    await checks.examine(PLAIN, "team")
    assert checks._pool is not None
    group = checks._pool.process.pid
    assert len(_in_group(group)) == 1 + checks_module.PROCESSES
    # As when the operator is killed: nothing but the ends of its sockets is left of it.
    for _, writer in checks._pool.free:
        writer.transport.abort()
    async with asyncio.timeout(10):
        while any(_state(pid) != "Z" for pid in _in_group(group)):
            await asyncio.sleep(0.01)


def _in_group(group: int) -> list[int]:
    pids = [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]
    found = []
    for pid in pids:
        try:
            if os.getpgid(pid) == group:
                found.append(pid)
        except ProcessLookupError:
            pass
    return found


def _state(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return "Z"
