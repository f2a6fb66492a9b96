"""Processes of this machine in the place of workloads."""

import os
import socket

import pytest

from perfrun.api.test.perftest import PerfTest
from perfrun.local.processes import LocalWatch, parse_processes, unused
from perfrun.logic.plan.run_plan import make_plan

OBSERVE = [{"name": "api", "workload": {"kind": "Deployment", "name": "api"}}]


def perf_test() -> PerfTest:
    spec = {
        "target": {"http": {"url": "http://shop"}},
        "load": {"burst": {"requests": 1, "concurrency": 1}},
        "observe": OBSERVE,
    }
    return PerfTest.parse({"metadata": {"name": "shop", "namespace": "team"}, "spec": spec})


def test_a_process_is_named_by_its_id_or_its_port() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        found = parse_processes([f"api={os.getpid()}", f"web=port:{port}"])
    assert found == {"api": os.getpid(), "web": os.getpid()}


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        (["api"], "--observe api: write NAME=PID or NAME=port:PORT"),
        (["=1"], "--observe =1: write NAME=PID"),
        (["api=many"], "--observe api=many: write NAME=PID"),
        (["api=99999999999999"], "write NAME=PID"),
        (["api=999999999"], "--observe api=999999999: process 999999999 does not exist"),
        (["api=port:1"], "--observe api=port:1: no process listens on port 1"),
        ([f"api={os.getpid()}"] * 2, "api is given twice"),
    ],
)
def test_what_names_no_process_is_refused(texts: list[str], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        parse_processes(texts)


def test_a_process_that_nobody_observes_is_told() -> None:
    assert unused({"api": 1}, [perf_test()]) == []
    (said,) = unused({"apo": 1}, [perf_test()])
    assert said.startswith("--observe apo: no test observes a workload with that name")
    assert '"api"' in said


async def test_without_a_process_it_is_said_how_to_give_one() -> None:
    plan = make_plan(perf_test().spec, uid="u", namespace="n", test="t", run="r")
    watch = LocalWatch(plan, {})
    watch.start()
    assert await watch.finish(None) == []
    watch = LocalWatch(plan, {"api": os.getpid()})
    watch.start()
    seen = await watch.finish(watch._began)
    assert {one.metric for one in seen} == {"cpu", "memory"}
    memory = next(one for one in seen if one.metric == "memory")
    assert memory.values[-1] > 1e6
