"""What Locust and JMeter are started with, worker by worker."""

import asyncio
import os
import socket
from dataclasses import replace
from pathlib import Path

import pytest

from perfrun.api.test.commands.script import ScriptTarget
from perfrun.engine.errors import ToolError
from perfrun.engine.script.tool import ToolShare
from perfrun.engine.script.tools.jmeter import JMeter
from perfrun.engine.script.tools.locust import LISTENER, Locust
from perfrun.measure.command import CommandEnd


def share(folder: Path, tool: str, index: int = 0, workers: int = 2, split: str = "") -> ToolShare:
    body = {
        "tool": tool,
        "entry": "/s",
        "targets": ["shop:80"],
        **({"split": split} if split else {}),
    }
    return ToolShare(
        target=ScriptTarget.model_validate(body),
        args=("-Jperfrun.threads=5", "-Jhost=shop") if tool == "JMeter" else ("-u", "9"),
        env={"TOKEN": "t"},
        hidden=("TOKEN",),
        index=index,
        workers=workers,
        folder=folder,
        entry=str(folder / "script"),
        port=4445,
        output_before=lambda _: None,
        master="127.0.0.1:5557",
    )


def end(code: int | None, signal: str | None = None, *, stopped: bool = False) -> CommandEnd:
    tail = "one\nlast words\n"
    return CommandEnd(missing=None, code=code, signal=signal, stopped=stopped, peak=1, tail=tail)


def locust(one: ToolShare) -> tuple[str, list[str]]:
    order = Locust(one).order()
    assert order.argv[:3] == ["locust", "-f", f"{one.entry},{one.folder}/perfrun_listener.py"]
    assert (one.folder / "perfrun_listener.py").read_bytes() == LISTENER.read_bytes()
    assert (order.env["TOKEN"], order.hidden) == ("t", ["TOKEN"])
    assert order.env["PERFRUN_FOLDER"] == str(one.folder)
    return order.env["PERFRUN_ROLE"], order.argv[order.argv.index("--exit-code-on-error") + 2 :]


def test_the_master_of_locust_is_beside_worker_0(tmp_path: Path) -> None:
    to_it = ["--master-port", "5557"]
    assert locust(share(tmp_path, "Locust")) == (
        "Master",
        [
            "--processes",
            "1",
            "--master-bind-host",
            "127.0.0.1",
            "--master-bind-port",
            "5557",
            *to_it,
        ],
    )
    assert locust(share(tmp_path, "Locust", index=1)) == (
        "Worker",
        ["--worker", "--master-host", "127.0.0.1", *to_it],
    )
    in_a_pod = replace(share(tmp_path, "Locust"), master="10.1.2.3:5557")
    assert locust(in_a_pod)[1][3] == "*"


@pytest.mark.parametrize("how", [{"workers": 1}, {"split": "None"}, {"split": "Properties"}])
def test_a_share_of_its_own_needs_no_master(tmp_path: Path, how: dict[str, object]) -> None:
    assert locust(share(tmp_path, "Locust", **how)) == ("Alone", [])  # type: ignore[arg-type]


def test_locust_takes_a_comma_for_two_paths(tmp_path: Path) -> None:
    with pytest.raises(ToolError, match="a comma"):
        Locust(replace(share(tmp_path, "Locust"), entry="/a,b")).order()


def jmeter(one: ToolShare) -> list[str]:
    return JMeter(one).order().argv


def test_each_jmeter_gets_its_part_and_perfruns_settings_come_last(tmp_path: Path) -> None:
    found = [jmeter(share(tmp_path, "JMeter", index)) for index in range(2)]
    for index, argv in enumerate(found):
        assert argv[:4] == ["jmeter", "-n", "-t", str(tmp_path / "script")]
        assert argv[argv.index("-l") + 1] == str(tmp_path / "samples")
        assert f"-Jperfrun.threads={3 - index}" in argv
        own = argv[argv.index("-Jhost=shop") + 1 :]
        assert own[:2] == ["-Jperfrun.workers=2", f"-Jperfrun.index={index}"]
        assert "-Jjmeter.save.saveservice.output_format=csv" in own
        assert "-Jjmeterengine.nongui.port=4445" in own


def test_without_a_split_each_jmeter_gets_all(tmp_path: Path) -> None:
    assert "-Jperfrun.threads=5" in jmeter(share(tmp_path, "JMeter", 1, split="None"))


@pytest.mark.parametrize(
    ("plan", "how", "fine"),
    [
        ("${__P(perfrun.threads)}", {}, True),
        ("${__P(threads)}", {}, False),
        ("${__P(threads)}", {"workers": 1}, True),
        ("${__P(threads)}", {"split": "None"}, True),
        (None, {}, True),
        ("<!-- perfrun.rate --> ${__P(perfrun.threads,10)}", {}, True),
        ("${__P(perfrun.index)} ${__P(perfrun.rate,10)}", {}, True),
    ],
    ids=[
        *("divides", "does not", "one worker", "not to be divided", "in the image"),
        *("with a default", "by itself"),
    ],
)
def test_a_plan_that_divides_nothing_is_refused(
    tmp_path: Path, plan: str | None, how: dict[str, object], fine: bool
) -> None:
    if plan is not None:
        (tmp_path / "script").write_text(plan)
    one = JMeter(share(tmp_path, "JMeter", **how))  # type: ignore[arg-type]
    if fine:
        one.order()
        return
    with pytest.raises(
        ToolError, match=r"does not use the property perfrun\.threads: each of the 2"
    ):
        one.order()


def test_a_number_of_the_plan_that_no_argument_divides_is_refused(tmp_path: Path) -> None:
    (tmp_path / "script").write_text("${__P(perfrun.threads,1)} ${__property(perfrun.rate,10)}")
    with pytest.raises(ToolError, match=r"uses the property perfrun\.rate, which args do not set"):
        jmeter(share(tmp_path, "JMeter"))
    jmeter(share(tmp_path, "JMeter", workers=1))


async def test_a_log_of_jmeter_that_is_none_holds_nobody_up(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "jmeter.log")  # opening it would wait for a writer
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.bind(("127.0.0.1", 0))
        one = JMeter(replace(share(tmp_path, "JMeter"), port=udp.getsockname()[1]))
        async with asyncio.timeout(5):
            assert (await one.prepare()).version == "jmeter"


async def test_a_stop_of_jmeter_is_a_shutdown_and_then_a_stop_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("perfrun.engine.script.tools.jmeter._IN_GOOD_ORDER", 0.1)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.bind(("127.0.0.1", 0))
        udp.settimeout(5)
        one = JMeter(replace(share(tmp_path, "JMeter"), port=udp.getsockname()[1]))
        async with asyncio.timeout(5):
            assert (await one.prepare()).version == "jmeter"
            await one.stop()
        assert [udp.recv(100), udp.recv(100)] == [b"Shutdown", b"StopTestNow"]


@pytest.mark.parametrize(
    ("ended", "expected"),
    [
        (end(0), None),
        (end(1), "it could not run the locustfile (exit code 1): one | last words"),
        (end(None, "SIGTERM", stopped=True), None),
        (end(None, "SIGSEGV"), "SIGSEGV: one | last words"),
    ],
)
def test_how_locust_failed(tmp_path: Path, ended: CommandEnd, expected: str | None) -> None:
    assert Locust(share(tmp_path, "Locust")).failure(ended) == expected


@pytest.mark.parametrize(
    ("ended", "expected"),
    [
        (end(0), None),
        (end(1), "it could not run the plan (exit code 1): one | last words"),
        (end(143, stopped=True), None),
        (end(143), "exit code 143: one | last words"),
    ],
)
def test_how_jmeter_failed(tmp_path: Path, ended: CommandEnd, expected: str | None) -> None:
    assert JMeter(share(tmp_path, "JMeter")).failure(ended) == expected
