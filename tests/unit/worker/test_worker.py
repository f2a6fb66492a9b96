"""``python -m perfrun.worker`` as a process, against a coordinator and a target on 127.0.0.1."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from perfrun.measure.plan import RunPlan
from perfrun.measure.report import Hold, Interval, Order, Ready, Start, WorkerReport
from tests.unit.engine.server import answer, burst, plan, running, slow, step

S = 1_000_000_000


@dataclass
class Coordinator:
    """What the worker said, and what it is answered."""

    answers: list[Start | int] = field(default_factory=list)
    """To ready; an int is a status. The last one stays."""
    order: Order = field(default_factory=Order)
    interval_status: int = 200
    report_statuses: list[int] = field(default_factory=list)
    """Answers before the 200."""
    packed: set[bytes] = field(default_factory=set)
    """Reports, as they were sent."""
    readies: list[Ready] = field(default_factory=list)
    intervals: list[Interval] = field(default_factory=list)
    reports: list[WorkerReport] = field(default_factory=list)
    hold_statuses: list[int] = field(default_factory=list)
    """Answers before the 200."""
    holds: list[WorkerReport] = field(default_factory=list)
    tokens: set[str] = field(default_factory=set)
    url: str = ""

    async def ready(self, request: web.Request) -> web.Response:
        self.tokens.add(request.headers["Authorization"])
        self.readies.append(Ready.model_validate_json(await request.read()))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, int):
            return web.json_response({"message": "the run is over"}, status=answer)
        return web.Response(body=answer.to_bytes())

    async def interval(self, request: web.Request) -> web.Response:
        self.intervals.append(Interval.model_validate_json(await request.read()))
        if self.interval_status != 200:
            return web.json_response({"message": "another came first"}, status=self.interval_status)
        return web.Response(body=self.order.to_bytes())

    async def hold(self, request: web.Request) -> web.Response:
        report = WorkerReport.unpack(await request.read())
        if self.hold_statuses:
            return web.Response(status=self.hold_statuses.pop(0))
        self.holds.append(report)
        return web.json_response({})

    async def report(self, request: web.Request) -> web.Response:
        self.packed.add(await request.read())
        report = WorkerReport.unpack(await request.read())
        if self.report_statuses:
            return web.json_response({"message": "no"}, status=self.report_statuses.pop(0))
        self.reports.append(report)
        return web.json_response({})


@pytest.fixture
async def coordinator() -> AsyncIterator[Coordinator]:
    told = Coordinator(answers=[Start(start_in=S // 10)])
    app = web.Application()
    base = "/v1/runs/u/workers/{index:[01]}"
    app.add_routes(
        [
            web.post(f"{base}/ready", told.ready),
            web.post(f"{base}/interval", told.interval),
            web.post(f"{base}/hold", told.hold),
            web.post(f"{base}/report", told.report),
        ]
    )
    async with TestServer(app) as server:
        told.url = str(server.make_url("/"))
        yield told


Launch = Callable[..., Awaitable[asyncio.subprocess.Process]]


@pytest.fixture
async def launch(coordinator: Coordinator, tmp_path: Path) -> AsyncIterator[Launch]:
    processes: list[asyncio.subprocess.Process] = []

    async def launch(a_plan: RunPlan, **env: str) -> asyncio.subprocess.Process:
        (tmp_path / "plan.json").write_bytes(a_plan.to_bytes())
        (tmp_path / "token").write_text("t0ken\n")
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "perfrun.worker",
            env={
                "PATH": os.environ["PATH"],
                "PERFRUN_PLAN": str(tmp_path / "plan.json"),
                "PERFRUN_COORDINATOR": coordinator.url,
                "PERFRUN_TOKEN_FILE": str(tmp_path / "token"),
                "PERFRUN_SECRETS": str(tmp_path / "values"),
                "JOB_COMPLETION_INDEX": "0",
                **env,
            },
            stderr=asyncio.subprocess.PIPE,
        )
        processes.append(process)
        return process

    yield launch
    for process in processes:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.communicate()


async def ended(process: asyncio.subprocess.Process) -> tuple[int, str]:
    """Exit code and log; within 20 s."""
    _, log = await asyncio.wait_for(process.communicate(), 20)
    assert process.returncode is not None
    return process.returncode, log.decode()


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.02)


async def test_a_worker_delivers_what_it_measured(coordinator: Coordinator, launch: Launch) -> None:
    coordinator.report_statuses = [503, 404]
    async with running() as server:
        load = {"open": {"rate": "100/s", "duration": "1500ms"}}
        code, log = await ended(await launch(plan(server.url, load)))
    assert code == 0, log
    (report,) = coordinator.reports
    assert len(coordinator.packed) == 1, "what is sent again is the same"
    assert report.window.attempts == len(server.log) == 150
    assert report.generator.ceiling > 0
    assert coordinator.readies[0].ceiling == report.generator.ceiling
    assert coordinator.readies[0].trouble is None
    assert [interval.sequence for interval in coordinator.intervals] == [1]
    assert coordinator.tokens == {"Bearer t0ken"}
    assert "t0ken" not in log


async def test_a_worker_asks_until_it_is_told_to_start(
    coordinator: Coordinator, launch: Launch
) -> None:
    coordinator.answers = [503, Start(), 404, Start(start_in=S // 10)]
    async with running() as server:
        code, log = await ended(await launch(plan(server.url, burst(5))))
    assert code == 0, log
    assert len(coordinator.readies) == 4
    assert len(server.log) == 5


async def test_what_cannot_be_observed_is_told_and_the_load_goes_on(
    coordinator: Coordinator, launch: Launch
) -> None:
    ref = {"secretKeyRef": {"name": "db", "key": "dsn"}}
    observe = [
        {"name": "db", "sql": {"dsnFrom": ref}},
        {"name": "queue", "prometheus": {"url": "http://127.0.0.1:9", "query": "up"}},
        {"name": "api", "workload": {"kind": "Deployment", "name": "api"}},
    ]
    async with running() as server:
        written = plan(server.url, burst(5)).model_dump() | {"observe": observe}
        code, log = await ended(await launch(RunPlan.model_validate(written)))
    assert code == 0, log
    (report,) = coordinator.reports
    assert report.window.attempts == 5
    told = {(one.name, one.metric): one.trouble for one in report.observed}
    missing = "there is no Secret db with a key dsn (spec.observe[db].sql.dsnFrom)"
    assert told[("db", "connections")] == told[("db", "locks")] == missing
    assert "Prometheus 127.0.0.1:9 cannot be reached" in str(told[("queue", "value")])
    assert len(told) == 3


async def test_an_order_stops_the_load(coordinator: Coordinator, launch: Launch) -> None:
    coordinator.order = Order(stop="spec.stop")
    async with running() as server:
        load = {"closed": {"users": 2, "duration": "1h", "thinkTime": "50ms"}}
        code, log = await ended(await launch(plan(server.url, load)))
    assert code == 0, log
    assert coordinator.reports[0].stopped == "spec.stop"
    assert coordinator.reports[0].window.attempts == len(server.log)


async def test_a_signal_stops_the_load_and_the_report_comes(
    coordinator: Coordinator, launch: Launch
) -> None:
    async with running(x=slow(0.05)) as server:
        process = await launch(plan(server.url, burst(100_000, 2), step("/x")))
        await until(lambda: len(server.log) > 5)
        process.send_signal(signal.SIGTERM)
        code, log = await ended(process)
    assert code == 0, log
    assert coordinator.reports[0].stopped == "terminated"
    assert coordinator.reports[0].window.attempts == len(server.log)


@pytest.mark.parametrize("by_signal", [True, False])
async def test_the_teardown_of_a_load_that_was_stopped_waits_for_the_other_workers(
    coordinator: Coordinator, launch: Launch, by_signal: bool
) -> None:
    """They hear of it a little later: what they still write must be undone too."""
    async with running(x=slow(0.05)) as server:
        load = {"closed": {"users": 2, "duration": "1h"}, "workers": 2}
        a_plan = plan(server.url, load, step("/x")).model_dump()
        end = step("/end", "end", method="DELETE")
        process = await launch(RunPlan.model_validate({**a_plan, "teardown": [end]}))
        await until(lambda: len(server.log) > 5)
        if by_signal:
            process.send_signal(signal.SIGTERM)
        else:
            coordinator.order = Order(stop="spec.stop")
        # Interval 0 asks for the others.
        await until(lambda: len([one for one in coordinator.intervals if not one.sequence]) > 2)
        assert "/end" not in [seen.path for seen in server.log]
        coordinator.order = coordinator.order.model_copy(update={"others_done": True})
        code, log = await ended(process)
    assert (code, server.log[-1].path) == (0, "/end"), log
    assert coordinator.reports[0].teardown.attempts == 1


async def test_a_signal_before_the_start_ends_the_worker(
    coordinator: Coordinator, launch: Launch
) -> None:
    coordinator.answers = [503]
    async with running() as server:
        process = await launch(plan(server.url, burst(5)))
        await until(lambda: coordinator.readies)
        process.send_signal(signal.SIGTERM)
        code, log = await ended(process)
    assert (code, server.log) == (1, []), log
    assert "stopped by a signal before the load began" in log.splitlines()[-1]


async def test_a_stop_at_the_barrier_is_reported(coordinator: Coordinator, launch: Launch) -> None:
    coordinator.answers = [Start(stop="Replace")]
    async with running() as server:
        code, log = await ended(await launch(plan(server.url, burst(5))))
    assert (code, server.log) == (0, []), log
    assert coordinator.reports[0].stopped == "Replace"


async def test_a_target_that_is_away_is_trouble_until_it_is_there(
    coordinator: Coordinator, launch: Launch
) -> None:
    coordinator.answers = [Start(), Start(stop="startTimeout has passed")]
    code, log = await ended(await launch(plan("http://127.0.0.1:1/", burst(5))))
    assert code == 0, log
    trouble = coordinator.readies[-1].trouble
    assert trouble is not None
    assert trouble.reason == "Connect"
    assert trouble.message == "127.0.0.1:1 refused the connection"
    assert coordinator.readies[-1].final is False


async def test_a_missing_secret_is_final_trouble(coordinator: Coordinator, launch: Launch) -> None:
    token = {"secretKeyRef": {"name": "shop", "key": "token"}}
    a_plan = plan("http://127.0.0.1:1/", burst(5), auth={"bearer": {"tokenFrom": token}})
    code, log = await ended(await launch(a_plan))
    (ready,) = coordinator.readies
    assert ready.trouble is not None
    assert (code, ready.final, ready.trouble.reason) == (1, True, "Data"), log
    missing = "there is no Secret shop with a key token (spec.target.http.auth"
    assert ready.trouble.message.startswith(missing)


async def test_a_login_that_is_refused_is_final_trouble_after_three_tries(
    coordinator: Coordinator, launch: Launch, tmp_path: Path
) -> None:
    (tmp_path / "values/secrets/idp").mkdir(parents=True)
    (tmp_path / "values/secrets/idp/secret").write_text("wrong")
    coordinator.answers = [Start()]
    async with running(token=answer(401, b'{"error": "invalid_client"}')) as server:
        secret = {"secretKeyRef": {"name": "idp", "key": "secret"}}
        oauth = {"tokenUrl": f"{server.url}/token", "clientId": "me", "clientSecretFrom": secret}
        a_plan = plan("http://127.0.0.1:1/", burst(5), auth={"oauth2": oauth})
        code, log = await ended(await launch(a_plan))
        assert (code, len(server.log)) == (1, 3), log
    last = coordinator.readies[-1]
    assert last.trouble is not None
    assert (last.final, last.trouble.reason) == (True, "Data")
    assert "returned no token: invalid_client" in last.trouble.message
    assert log.count("event=trouble") == 2, log


@pytest.mark.parametrize("status", [403, 409, 410])
async def test_a_worker_that_is_refused_says_why_and_ends(
    coordinator: Coordinator, launch: Launch, status: int
) -> None:
    coordinator.answers = [status]
    async with running() as server:
        code, log = await ended(await launch(plan(server.url, burst(5))))
    assert (code, server.log) == (1, [])
    assert "the run is over" in log


async def test_a_worker_that_is_refused_under_load_stops_it(
    coordinator: Coordinator, launch: Launch
) -> None:
    coordinator.interval_status = 409
    async with running() as server:
        load = {"closed": {"users": 1, "duration": "1h", "thinkTime": "50ms"}}
        code, log = await ended(await launch(plan(server.url, load)))
    assert (code, coordinator.reports) == (1, [])
    assert "another came first" in log


async def test_a_report_that_is_refused_for_another_one_is_not_sent_again(
    coordinator: Coordinator, launch: Launch
) -> None:
    coordinator.report_statuses = [409, 409]
    async with running() as server:
        code, log = await ended(await launch(plan(server.url, burst(5))))
    assert (code, coordinator.report_statuses) == (1, [409]), log
    assert "event=refused message=no" in log


async def test_a_report_that_nobody_takes_ends_the_worker_at_its_deadline(
    coordinator: Coordinator, launch: Launch
) -> None:
    coordinator.report_statuses = [503] * 1000
    async with running() as server:
        process = await launch(plan(server.url, burst(5)), PERFRUN_REPORT_DEADLINE="1")
        code, log = await ended(process)
    assert code == 1
    assert "event=undelivered" in log


async def test_an_environment_without_a_plan_is_named() -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "perfrun.worker",
        env={"JOB_COMPLETION_INDEX": "0"},
        stderr=asyncio.subprocess.PIPE,
    )
    code, log = await ended(process)
    assert code == 2
    assert "PERFRUN_PLAN" in log


async def test_away_from_its_coordinator_it_judges_by_itself(
    coordinator: Coordinator, launch: Launch
) -> None:
    coordinator.interval_status = 503
    condition = {"metric": "errorRate", "above": "50%", "for": "2s"}
    load = {"closed": {"users": 2, "duration": "1h", "thinkTime": "50ms"}, "stopWhen": [condition]}
    async with running(x=answer(500)) as server:
        code, log = await ended(await launch(plan(server.url, load, step("/x"))))
    assert code == 0, log
    (report,) = coordinator.reports
    assert report.breached
    assert "errorRate was 100% for " in (report.stopped or "")
    assert "the coordinator could not be reached" in (report.stopped or "")
    assert report.window.attempts == len(server.log)


async def test_a_search_holds_what_it_is_told_and_repeats_its_reports(
    coordinator: Coordinator, launch: Launch
) -> None:
    hold = Hold(number=1, rate=100, start=2 * S, length=S)
    coordinator.order, coordinator.hold_statuses = Order(hold=hold), [503, 404]
    load = {"capacity": {"from": "100/s", "to": "200/s", "hold": "1s"}}
    async with running() as server:
        process = await launch(plan(server.url, load))
        await until(lambda: coordinator.holds)
        coordinator.order = Order(hold=hold, done=True)
        code, log = await ended(process)
    assert code == 0, log
    (held,), (report,) = coordinator.holds, coordinator.reports
    assert (held.hold, held.window.attempts) == (1, 100)
    assert (report.hold, report.window.attempts, report.stopped) == (1, 100, None)
    assert len(server.log) == 100


async def test_the_worker_after_the_last_one_only_runs_the_teardown(
    coordinator: Coordinator, launch: Launch
) -> None:
    coordinator.answers = [Start(start_in=0, values={"basket": "42"})]
    async with running() as server:
        end = step("/baskets/$(basket)", "end", method="DELETE")
        lost = step("/lost/$(never)", "lost")
        setup = [
            {**step("/", "begin"), "extract": {n: {"header": "X"}}} for n in ("basket", "never")
        ]
        setup[1]["name"] = "more"
        a_plan = plan(server.url, burst(5), step("/x")).model_dump()
        made = RunPlan.model_validate({**a_plan, "setup": setup, "teardown": [lost, end]})
        process = await launch(made, PERFRUN_INDEX="1")
        code, log = await ended(process)
    assert (code, [seen.path for seen in server.log]) == (0, ["/baskets/42"]), log
    (report,) = coordinator.reports
    assert (report.window.attempts, report.teardown.attempts) == (0, 1)
    assert report.untidy is not None
    assert report.untidy.startswith("step lost was skipped")


async def test_a_teardown_that_cannot_be_sent_is_reported(
    coordinator: Coordinator, launch: Launch
) -> None:
    header = {"name": "X", "valueFrom": {"secretKeyRef": {"name": "none", "key": "k"}}}
    a_plan = plan("http://127.0.0.1:1", burst(5), step("/x"), headers=[header]).model_dump()
    made = RunPlan.model_validate({**a_plan, "teardown": [step("/", "end")]})
    code, log = await ended(await launch(made, PERFRUN_INDEX="1"))
    assert code == 0, log
    assert "there is no Secret none with a key k" in (coordinator.reports[0].untidy or "")


# --- the master of a script's tool ---------------------------------------------------------------


def scripted(**script: str) -> RunPlan:
    target = {"tool": "Locust", "image": "l:1", "entry": "l.py", "targets": ["shop:80"], **script}
    shape = {"maxDuration": "1m", "workers": 2}
    made = plan("http://shop", burst(2)).model_dump(mode="json", by_alias=True)
    return RunPlan.model_validate({**made, "target": {"script": target}, "load": shape})


async def test_pods_learn_where_worker_0s_master_is(
    coordinator: Coordinator, launch: Launch, tmp_path: Path
) -> None:
    coordinator.answers = [Start(), Start(stop="enough")]
    env = {"PERFRUN_ADDRESS": "10.0.0.8", "PERFRUN_COMMAND_FOLDER": str(tmp_path)}
    code, log = await ended(await launch(scripted(), JOB_COMPLETION_INDEX="1", **env))
    assert (code, [one.master for one in coordinator.readies]) == (1, [None, None]), log
    troubles = {one.trouble.message for one in coordinator.readies if one.trouble}
    assert troubles == {"waits for worker 0, beside which the master of the script's tool runs"}
    assert "enough" in log


async def test_worker_0_says_where_its_master_listens(
    coordinator: Coordinator, launch: Launch, tmp_path: Path
) -> None:
    coordinator.answers = [Start(stop="enough")]
    env = {"PERFRUN_ADDRESS": "10.0.0.7", "PERFRUN_COMMAND_FOLDER": str(tmp_path)}
    await ended(await launch(scripted(), **env))
    assert coordinator.readies[0].master == "10.0.0.7:5557"
    coordinator.readies.clear()
    await ended(await launch(scripted(split="None"), **env))
    assert coordinator.readies[0].master is None
