"""Script targets: what is refused as it is written."""

from typing import Any

import pytest
from pydantic import ValidationError

from perfrun.api.test.commands.script import ScriptTarget
from perfrun.api.test.perftest import PerfTestSpec

SCRIPT: dict[str, Any] = {"tool": "k6", "entry": "shop.js", "targets": ["shop:8000"]}


def script(**fields: Any) -> ScriptTarget:
    return ScriptTarget.parse({**SCRIPT, **fields})


def spec(load: dict[str, Any], **target: Any) -> PerfTestSpec:
    return PerfTestSpec.parse({"target": target or {"script": SCRIPT}, "load": load})


def test_a_script_is_a_kind_of_target() -> None:
    target = spec({"maxDuration": "10m", "workers": 4}).target
    assert target.kind == "script"
    assert target.timeout == 60_000_000_000
    assert target.connect_timeout is None
    assert target.the_one is target.the_script


@pytest.mark.parametrize(
    ("tool", "split"), [("k6", "Segments"), ("Locust", "Distributed"), ("JMeter", "Properties")]
)
def test_each_tool_has_a_default_split(tool: str, split: str) -> None:
    assert script(tool=tool).divided == split
    assert script(tool=tool, split="None").divided == "None"


@pytest.mark.parametrize(
    ("tool", "split"),
    [("k6", "Distributed"), ("k6", "Properties"), ("Locust", "Segments"), ("JMeter", "Segments")],
)
def test_a_split_of_another_tool_is_refused(tool: str, split: str) -> None:
    with pytest.raises(ValidationError, match="cannot share its load like this"):
        script(tool=tool, split=split)


@pytest.mark.parametrize(
    "name", ["K6_OUT", "LOCUST_USERS", "JVM_ARGS", "JAVA_OPTS", "JAVA_TOOL_OPTIONS", "LD_PRELOAD"]
)
def test_variables_that_perfrun_sets_are_refused(name: str) -> None:
    with pytest.raises(ValidationError, match="perfrun sets the tool's own variables"):
        script(env=[{"name": name, "value": "x"}])


def test_other_variables_are_not() -> None:
    assert script(env=[{"name": "MY_K6_TOKEN", "value": "x"}]).env[0].name == "MY_K6_TOKEN"


@pytest.mark.parametrize("targets", [[], ["shop"], ["shop:0"], ["http://shop:80"], ["shop:80/x"]])
def test_targets_are_hosts_with_ports(targets: list[str]) -> None:
    with pytest.raises(ValidationError):
        script(targets=targets)


@pytest.mark.parametrize("target", ["shop:8000", "127.0.0.1:80", "[::1]:8080", "s.ns.svc:443"])
def test_these_are(target: str) -> None:
    assert script(targets=[target]).targets == [target]


def test_the_entry_stays_in_its_folder() -> None:
    with pytest.raises(ValidationError, match="must not contain"):
        script(entry="../../etc/shop.js")


def test_files_have_one_source() -> None:
    with pytest.raises(ValidationError, match="files needs exactly one"):
        script(files={})


@pytest.mark.parametrize(
    ("load", "target", "message"),
    [
        ({"open": {"rate": "1/s", "duration": "1s"}}, {"script": SCRIPT}, "requires load.maxDur"),
        ({"maxDuration": "1m"}, {"http": {"url": "http://shop"}}, "no other target can have it"),
        (
            {"maxDuration": "1m", "open": {"rate": "1/s", "duration": "1s"}},
            {"script": SCRIPT},
            "exactly one of burst, closed, open or capacity; for a script, maxDuration",
        ),
        ({"maxDuration": "1m", "warmup": "1s"}, {"script": SCRIPT}, "no warm-up"),
    ],
)
def test_only_a_script_has_a_max_duration(
    load: dict[str, Any], target: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValidationError, match=message):
        spec(load, **target)
