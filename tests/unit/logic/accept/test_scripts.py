"""What is refused of a script, everywhere or in a cluster only."""

from typing import Any

import pytest

from perfrun.logic.accept.examine import examine
from perfrun.logic.accept.spec import check
from tests.unit.logic.build import spec

SCRIPT = {"tool": "k6", "image": "k6:1", "entry": "/shop.js", "targets": ["shop:80"]}


def written(**script: Any) -> dict[str, Any]:
    target = {name: value for name, value in (SCRIPT | script).items() if value is not None}
    return {"target": {"script": target}, "load": {"maxDuration": "1m", "workers": 2}}


def problems(**script: Any) -> list[str]:
    body = written(**script)
    return [str(one) for one in check(spec(body["load"], target=body["target"])).problems]


@pytest.mark.parametrize("target", ["shop:65536", "[:::::]:80"])
def test_a_target_that_is_no_address_is_refused(target: str) -> None:
    (told,) = problems(targets=["shop:80", target])
    assert told.startswith(f"spec.target.script.targets[1]: //{target} cannot be read: ")


@pytest.mark.parametrize("path", ["/etc", "..", "a/../../b"])
def test_a_folder_outside_of_its_volume_is_refused(path: str) -> None:
    (told,) = problems(files={"volumeClaim": {"name": "load", "path": path}})
    assert told.startswith(f"spec.target.script.files.volumeClaim.path: {path} must be a folder of")


def test_a_folder_of_a_volume_is_fine() -> None:
    assert problems(files={"volumeClaim": {"name": "load", "path": "shop/load..old"}}) == []


@pytest.mark.parametrize(
    ("script", "told"),
    [
        ({"image": None}, "spec.target.script.image: this field is required in a cluster: name an "
         "image with k6 that the PerfPolicies allow (allowedImages)"),
        ({"entry": "shop.js"}, "spec.target.script.entry: shop.js begins at /scripts, which is empty "
         "without files: set files, or the absolute path in the image"),
    ],
)  # fmt: skip
def test_what_only_a_cluster_needs_is_refused_there_and_a_warning_elsewhere(
    script: dict[str, Any], told: str
) -> None:
    body = written(**script)
    assert examine(body, "team").problems == [told]
    acceptance = check(spec(body["load"], target=body["target"]))
    assert acceptance.problems == []
    assert [str(one) for one in acceptance.in_cluster] == [told]


def test_the_targets_of_a_script_are_its_lock_in_one_spelling() -> None:
    body = written(targets=["shop:80", "shop.team.svc:80", "pay.money:443"])
    assert examine(body, "team").target == "shop.team:80,pay.money:443"


@pytest.mark.parametrize(
    ("tool", "argument", "told"),
    [
        ("k6", "--out=csv", "perfrun sets --out itself: remove it"),
        ("Locust", "--headless", "perfrun sets --headless itself: remove it"),
        ("Locust", "--master-port=7", "perfrun sets --master-port itself: remove it"),
        ("Locust", "-fother.py", "perfrun sets -f itself: remove it"),
        ("JMeter", "-n", "perfrun sets -n itself: remove it"),
        ("JMeter", "-lother.jtl", "perfrun sets -l itself: remove it"),
        ("JMeter", "-Jperfrun.index=1", "perfrun sets perfrun.index itself: remove it"),
        ("JMeter", "-Jjmeter.save.saveservice.label=false",
         "perfrun sets jmeter.save.saveservice.label itself: remove it"),
        ("JMeter", "-J", "write -JNAME=VALUE as one argument: otherwise its number is not divided "
         "among the workers"),
        ("JMeter", "-Jperfrun.threads=1",
         "perfrun.threads=1 cannot be shared by 2 workers: some of them would have no part of it. "
         "Raise it, or use fewer workers"),
    ],
)  # fmt: skip
def test_what_perfrun_sets_or_cannot_divide_is_refused(tool: str, argument: str, told: str) -> None:
    assert problems(tool=tool, args=["x", argument]) == [f"spec.target.script.args[1]: {told}"]


@pytest.mark.parametrize(
    ("tool", "args", "more"),
    [
        ("Locust", ["-u", "9", "--host=http://shop:80", "--stop-timeout", "1", "--tags", "a"], {}),
        ("JMeter", ["-Jperfrun.threads=2", "-Jhost=shop", "-q", "/more.properties"], {}),
        ("JMeter", ["-Jperfrun.threads=1"], {"split": "None"}),
    ],
)
def test_other_arguments_are_fine(tool: str, args: list[str], more: dict[str, Any]) -> None:
    assert problems(tool=tool, args=args, **more) == []
