"""Arguments that perfrun sets itself are those that it refuses, and each is named with its reason."""

import pytest

from perfrun.api.test.perftest import PerfTestSpec
from perfrun.cli.init.draft import NotCarried
from perfrun.cli.init.peers.arguments import (
    _ALONE,
    _WITH_VALUE,
    kept_arguments,
    value_of,
    without,
)
from perfrun.logic.accept.scripts import OWN_FLAGS, script_problems


@pytest.mark.parametrize("tool", ["k6", "Locust"])
def test_each_flag_that_a_test_refuses_is_left_out(tool):
    own = OWN_FLAGS.get(tool, frozenset())
    for flag in own:
        left = NotCarried()
        args = [flag, "x", "--kept"] if flag in _WITH_VALUE[tool] else [flag, "--kept"]
        assert kept_arguments(tool, args, left, 3) == ["--kept"], flag
        (note,) = left.notes()
        assert note.startswith(f"Not carried over: the argument {flag}")
        assert note.endswith("(line 3)")


def test_values_may_stand_behind_an_equals_sign():
    left = NotCarried()
    args = ["--out=json=x.json", "--tag", "a=b", "--duration=5m", "--out", "csv"]
    assert kept_arguments("k6", args, left, 0) == ["--tag", "a=b", "--duration=5m"]
    assert len(left.notes()) == 2
    assert value_of(args, "-d", "--duration") == "5m"
    assert not _ALONE["k6"].keys() & _WITH_VALUE["k6"].keys()


def test_values_may_stand_in_the_word_of_a_short_flag():
    left = NotCarried()
    args = ["-ojson=x.json", "-eA=b", "-d5m", "-qv", "-o", "csv", "-v"]
    kept = kept_arguments("k6", args, left, 0)
    assert kept == ["-eA=b", "-d5m", "-v"]
    assert [one.split(": ")[1] for one in left.notes()] == [
        "the argument -o json=x.json",
        "the argument -q v",
        "the argument -o csv",
    ]
    script = {"tool": "k6", "entry": "a.js", "args": kept, "targets": ["a:1"]}
    spec = PerfTestSpec.parse({"target": {"script": script}, "load": {"maxDuration": "1m"}})
    assert list(script_problems(spec)) == []
    assert value_of(args, "-d", "--duration") == "5m"
    assert without(["-fx.py", "-u5"], "-f", "--locustfile") == ["-u5"]


def test_an_empty_value_behind_an_equals_sign_is_the_value():
    left = NotCarried()
    assert kept_arguments("k6", ["--out=", "--tag", "a=b"], left, 0) == ["--tag", "a=b"]
    assert value_of(["--run-time=", "--users", "5"], "--run-time") == ""
    assert without(["--locustfile=", "-f", "x.py", "--users"], "-f", "--locustfile") == ["--users"]
