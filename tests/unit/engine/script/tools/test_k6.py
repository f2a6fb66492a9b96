"""How k6 is started: its segment, what is asked of it before, and what its ends mean."""

import asyncio
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from perfrun.api.test.commands.script import ScriptTarget
from perfrun.engine.errors import EngineError
from perfrun.engine.script.tool import ToolShare
from perfrun.engine.script.tools import k6
from perfrun.engine.script.tools.k6 import K6
from perfrun.launcher.hiding import Hider
from perfrun.measure.command import CommandEnd, CommandOrder
from perfrun.measure.script import ToolThreshold


def share(folder: Path, index: int = 0, workers: int = 1, **target: Any) -> ToolShare:
    fields = {"tool": "k6", "entry": "a.js", "targets": ["shop:80"], **target}
    return ToolShare(
        target=ScriptTarget.parse(fields),
        args=("--tag", "team=shop", "-e", "SIZE=3", "--env=WAYS=2"),
        env={"URL": "http://shop"},
        hidden=("TOKEN",),
        index=index,
        workers=workers,
        folder=folder,
        entry="/scripts/a.js",
        port=6565,
        output_before=lambda _: None,
    )


def order(folder: Path, **more: Any) -> tuple[CommandOrder, dict[str, Any]]:
    made = K6(share(folder, **more)).order()
    return made, json.loads((folder / "k6.json").read_text())


def test_every_worker_has_its_segment_of_the_whole_sequence(tmp_path: Path) -> None:
    configs = [order(tmp_path, index=index, workers=3)[1] for index in range(3)]
    assert [one["executionSegment"] for one in configs] == ["0/3:1/3", "1/3:2/3", "2/3:1"]
    assert {one["executionSegmentSequence"] for one in configs} == {"0/3,1/3,2/3,1"}


@pytest.mark.parametrize("more", [{}, {"workers": 3, "split": "None"}])
def test_an_undivided_load_has_none(tmp_path: Path, more: dict[str, Any]) -> None:
    assert "executionSegment" not in order(tmp_path, **more)[1]


def test_only_worker_0_outlives_its_load_for_the_teardown(tmp_path: Path) -> None:
    assert "--linger" in order(tmp_path, workers=2)[0].argv
    assert "--linger" not in order(tmp_path, index=1, workers=2)[0].argv


def test_the_script_is_inspected_with_the_variables_that_it_runs_with(tmp_path: Path) -> None:
    made, _ = order(tmp_path)
    _, inspect = made.before
    assert inspect[-4:] == ["-e", "SIZE=3", "--env=WAYS=2", "/scripts/a.js"]
    assert made.argv[-1] == "/scripts/a.js"
    assert (made.env["URL"], made.hidden) == ("http://shop", ["TOKEN"])


async def test_it_leaves_no_connection_behind(tmp_path: Path) -> None:
    connected = asyncio.Event()
    gone = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}")
        connected.set()
        await reader.read()
        gone.set()
        writer.close()

    async with asyncio.timeout(5), await asyncio.start_server(serve, "127.0.0.1") as server:
        one = K6(replace(share(tmp_path), port=server.sockets[0].getsockname()[1]))
        assert not await one.is_over()
        assert connected.is_set()
        await one.close()
        await gone.wait()


@pytest.mark.parametrize(
    ("scenario", "parts"),
    [
        ({"executor": "constant-vus", "vus": 3}, 3),
        ({"executor": "ramping-vus", "startVUs": 1, "stages": [{"target": 9}]}, 9),
        ({"executor": "shared-iterations", "vus": 5, "iterations": 2}, 2),
        ({"executor": "per-vu-iterations", "vus": None}, 1),
        ({"executor": "constant-arrival-rate", "rate": 100, "preAllocatedVUs": 4}, 4),
    ],
)
def test_a_scenario_without_a_part_for_each_worker_is_refused(
    tmp_path: Path, scenario: dict[str, Any], parts: int
) -> None:
    options = {"scenarios": {"s": scenario}}
    k6._check_split(options, share(tmp_path, workers=parts))
    with pytest.raises(EngineError, match=f"has only {parts} to share among {parts + 1} workers"):
        k6._check_split(options, share(tmp_path, workers=parts + 1))


def test_what_is_controlled_from_outside_cannot_be_shared(tmp_path: Path) -> None:
    options = {"scenarios": {"s": {"executor": "externally-controlled", "vus": 9}}}
    with pytest.raises(EngineError, match="externally controlled"):
        k6._check_split(options, share(tmp_path, workers=2))


@pytest.mark.parametrize("option", ["executionSegment", "executionSegmentSequence"])
def test_a_script_with_a_segment_of_its_own_is_not_shared(tmp_path: Path, option: str) -> None:
    # The real k6 runs the script's segment then, whatever its configuration file says.
    options = {"scenarios": {"s": {"executor": "constant-vus", "vus": 9}}, option: "0,1/4,1"}
    k6._check_split(options, share(tmp_path))
    with pytest.raises(EngineError, match=rf"the script sets {option} \(0,1/4,1\)"):
        k6._check_split(options, share(tmp_path, workers=2))


@pytest.mark.parametrize("args", [("--vus", "9"), ("--iterations=9",), ("-u9",), ("-d", "10s")])
def test_a_load_of_the_arguments_is_not_refused_for_that_of_the_script(
    tmp_path: Path, args: tuple[str, ...]
) -> None:
    options = {"scenarios": {"default": {"executor": "per-vu-iterations", "vus": None}}}
    k6._check_split(options, replace(share(tmp_path, workers=2), args=args))


def test_more_thresholds_than_a_report_may_have_are_refused_before_the_load() -> None:
    options = {"thresholds": {f"m{number}": ["count>1"] for number in range(201)}}
    with pytest.raises(EngineError, match="has 201 thresholds; at most 200"):
        k6._thresholds(options)


def test_no_threshold_shows_a_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    hider = Hider()
    hider.learn("s3cret-token")
    monkeypatch.setattr("perfrun.reach.foreign.SECRETS", hider)
    (one,) = k6._thresholds({"thresholds": {"checks{name:http://a/?t=s3cret-token}": ["rate>0"]}})
    assert one.metric == "checks{name:http://a/?t=***}"


def test_thresholds_are_read_as_the_script_has_them() -> None:
    abort = {"threshold": "p(99)<1", "abortOnFail": True, "delayAbortEval": "1m30s"}
    options = {"thresholds": {"checks": ["rate>0.9"], "http_req_duration{name:a}": [abort]}}
    assert k6._thresholds(options) == [
        ToolThreshold(metric="checks", source="rate>0.9"),
        ToolThreshold(
            metric="http_req_duration{name:a}",
            source="p(99)<1",
            abort=True,
            delay=90_000_000_000,
        ),
    ]


def end(code: int, *, stopped: bool = False, tail: str = "") -> CommandEnd:
    return CommandEnd(missing=None, code=code, signal=None, stopped=stopped, peak=0, tail=tail)


@pytest.mark.parametrize(
    ("ended", "failure"),
    [
        (end(0), None),
        (end(99), None),
        (end(103), None),
        (end(105, stopped=True), None),
        (end(105), "k6 was stopped from outside (exit code 105)"),
        (
            end(107, tail='time="x" level=error msg="ReferenceError: a is \\"b\\"\\n\\tat x"\n'),
            'the script raised an exception (exit code 107): ReferenceError: a is "b" \\tat x',
        ),
        (end(2, tail="no such thing\n"), "exit code 2: no such thing"),
    ],
)
def test_its_exit_codes_are_sentences(tmp_path: Path, ended: CommandEnd, failure: str) -> None:
    assert K6(share(tmp_path)).failure(ended) == failure
