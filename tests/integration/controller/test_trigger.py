"""``perfrun trigger`` beside a real API server and operator."""

import asyncio
import os
import sys
from asyncio.subprocess import PIPE
from pathlib import Path

import pytest

from tests.cluster.handle import ApiServer
from tests.integration.controller.world import World


async def started(
    server: ApiServer | None, *arguments: str, config: str = ""
) -> asyncio.subprocess.Process:
    environment = {**os.environ, "KUBECONFIG": str(server.kubeconfig) if server else config}
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "perfrun.cli.main", "trigger", *arguments,
        stdout=PIPE, stderr=PIPE, env=environment,
    )  # fmt: skip


async def trigger(server: ApiServer | None, *arguments: str, config: str = "") -> tuple[int, str]:
    """The exit code, and what was printed."""
    process = await started(server, *arguments, config=config)
    out, err = await asyncio.wait_for(process.communicate(), 90)
    assert process.returncode is not None
    return process.returncode, out.decode() + err.decode()


async def test_waits_for_the_verdict_and_tells_of_each_step(
    world: World, server: ApiServer
) -> None:
    await world.apply_test()
    await world.until_ready()
    process = await started(server, "shop", "-n", world.namespace, "--wait")
    assert process.stdout is not None
    first, second = [(await process.stdout.readline()).decode() for _ in range(2)]
    (run,) = await world.until_runs(1)
    name = run["metadata"]["name"]
    assert run["spec"]["reason"] == "Requested"
    assert first == f"PerfRun {name} was requested in namespace {world.namespace}\n"
    assert second.startswith(("Created: ", "Starting: "))
    await asyncio.gather(*(worker.work() for worker in await world.workers(name)))
    rest, _ = await asyncio.wait_for(process.communicate(), 60)
    assert (process.returncode, rest.decode().splitlines()[-1][:6]) == (0, "Pass: ")


async def test_without_waiting_it_ends_at_once_and_each_call_asks_for_one_run(
    world: World, server: ApiServer
) -> None:
    await world.apply_test()
    for _ in range(2):
        code, said = await trigger(server, "shop", "-n", world.namespace)
        assert (code, "was requested" in said) == (0, True)
        await world.settled()
    await world.until_runs(2)


async def test_a_run_that_cannot_start_is_an_error_with_its_sentence(
    world: World, server: ApiServer
) -> None:
    await world.apply_test(schedule={"cron": "0 2 * * *", "timeZone": "Europe/Berln"})
    await world.until_ready()
    code, said = await trigger(server, "shop", "-n", world.namespace, "--wait")
    assert code == 3
    assert "no run was created within 30s; the test is not ready: spec.schedule.timeZone" in said


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (["nowhere", "-n", "default"], 2, "there is no PerfTest nowhere in namespace default"),
        (["shop", "--context", "mars"], 3, "there is no context mars; there are: "),
        ([], 2, "Missing argument"),
    ],
)
async def test_wrong_calls(
    world: World, server: ApiServer, arguments: list[str], code: int, sentence: str
) -> None:
    ended, said = await trigger(server, *arguments)
    assert (ended, sentence in said) == (code, True), said


async def test_no_cluster_is_told_in_a_sentence(tmp_path: Path) -> None:
    code, said = await trigger(None, "shop", config=str(tmp_path / "none"))
    assert (code, said.count("\n")) == (3, 1)
    assert "no cluster found" in said
