"""Arguments that perfrun sets itself are those that it refuses, and each is named with its reason."""

import pytest

from perfrun.cli.init.draft import NotCarried
from perfrun.cli.init.peers.arguments import (
    _ALONE,
    _WITH_VALUE,
    kept_arguments,
    value_of,
    without,
)
from perfrun.logic.accept.scripts import OWN_FLAGS


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


def test_an_empty_value_behind_an_equals_sign_is_the_value():
    left = NotCarried()
    assert kept_arguments("k6", ["--out=", "--tag", "a=b"], left, 0) == ["--tag", "a=b"]
    assert value_of(["--run-time=", "--users", "5"], "--run-time") == ""
    assert without(["--locustfile=", "-f", "x.py", "--users"], "-f", "--locustfile") == ["--users"]
