"""The environment of a benchmark's command on this machine."""

import os

import pytest

import perfrun
from perfrun.local import launcher

OURS = ("OPENBLAS_NUM_THREADS", "PYDANTIC_DISABLE_PLUGINS")


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """A user's, which has one of the variables; perfrun sets the other for itself."""
    user = {"PATH": "/usr/bin", "PERFRUN_PLAN": "plan.json", "OPENBLAS_NUM_THREADS": "3"}
    monkeypatch.setattr(os, "environ", user)
    monkeypatch.setattr(perfrun, "set_here", set())
    monkeypatch.setattr("gc.set_threshold", lambda _: None)
    perfrun.start_lean()
    return user


def test_the_command_has_what_the_user_has_set_and_not_what_perfrun_sets_for_itself(environment):
    assert all(name in environment for name in OURS)
    environment.pop("PYTEST_CURRENT_TEST", None)
    assert launcher._inherited() == {"PATH": "/usr/bin", "OPENBLAS_NUM_THREADS": "3"}
