"""One worker's share of a script, with a tool that does nothing, and without a launcher."""

import asyncio
import fcntl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from perfrun.engine.script import engine
from perfrun.engine.script.engine import ScriptEngine
from perfrun.engine.script.tool import PreparedTool, SampleRows, Tool
from perfrun.engine.script.tools.locust_samples import LocustDecoder
from perfrun.launcher.hiding import Hider
from perfrun.measure.command import LAUNCHER, CommandOrder
from perfrun.reach.values import Values
from tests.unit.controller.build import perf_test, plan_of

STOP_TAKES = 2.1
"""Seconds; JMeter waits for its requests so long, and longer, before it cuts them off."""


class Idle(Tool):
    """A tool that ends when it was told to, after a while."""

    cut_off = False
    closed = False

    def order(self) -> CommandOrder:
        return CommandOrder(argv=["idle"])

    async def prepare(self) -> PreparedTool:
        return PreparedTool(version="idle 1")

    async def begin(self) -> None:
        """Nothing to start."""

    async def is_over(self) -> bool:
        return self.cut_off

    async def stop(self) -> None:
        await asyncio.sleep(STOP_TAKES)
        self.cut_off = True

    async def close(self) -> None:
        self.closed = True

    def decoder(self, rows: SampleRows) -> LocustDecoder:
        return LocustDecoder(rows)

    def failure(self, _: object) -> str | None:
        return None


@pytest.fixture
def launcher(tmp_path: Path) -> Iterator[Path]:
    """The folder of a launcher that is alive, and never says how a command ended."""
    with (tmp_path / LAUNCHER).open("wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield tmp_path


def engine_in(folder: Path, monkeypatch: pytest.MonkeyPatch, **more: Any) -> ScriptEngine:
    monkeypatch.setattr(engine, "TOOLS", {"Locust": Idle})
    monkeypatch.setattr(engine, "PATIENCE", 0.1)
    script = {"tool": "Locust", "entry": "load.py", "targets": ["shop:80"], "image": "a", **more}
    test = perf_test(target={"script": script}, load={"maxDuration": "10m"})
    return ScriptEngine(plan_of(test), 0, Values(folder / "values", folder), folder / "scripts")


async def test_a_stop_in_good_order_has_the_time_until_the_signal(
    launcher: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = engine_in(launcher, monkeypatch)
    one.stop("enough")
    await one._until_over(0)
    assert one._tool.cut_off  # type: ignore[attr-defined]
    assert not (launcher / "stop").exists()
    await one.close()
    assert one._tool.closed  # type: ignore[attr-defined]


async def test_a_secret_that_was_created_while_the_pod_waited_is_hidden(
    launcher: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("perfrun.reach.values.SECRETS", hider := Hider())
    one = engine_in(launcher, monkeypatch)
    (launcher / "values" / "secrets" / "shop").mkdir(parents=True)
    (launcher / "values" / "secrets" / "shop" / "token").write_text("s3cret-token\n")
    await one.check()
    assert hider.hide("http://shop/?t=s3cret-token") == "http://shop/?t=***"
    await one.close()


async def test_a_tool_that_does_not_end_is_not_said_to_be_killed(
    launcher: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = engine_in(launcher, monkeypatch)
    await one._finish()
    assert one._failure == "Locust: it was told to end, and still ran 0.1s later"
    await one.close()


async def test_what_python_compiles_is_none_of_the_scripts_files(
    launcher: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = engine_in(launcher, monkeypatch, files={"configMap": {"name": "shop"}})
    (launcher / "scripts" / "__pycache__").mkdir(parents=True)
    (launcher / "scripts" / "load.py").write_text("import helper")
    before = one._hash()
    (launcher / "scripts" / "__pycache__" / "helper.cpython-311.pyc").write_bytes(b"compiled")
    assert one._hash() == before
    (launcher / "scripts" / "helper.py").write_text("")
    assert one._hash() != before
    await one.close()
