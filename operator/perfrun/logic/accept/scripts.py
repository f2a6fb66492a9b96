"""What can be wrong with a script target, beyond what patterns can check."""

from collections.abc import Iterator

from perfrun.api.test.commands.script import ToolName
from perfrun.api.test.perftest import PerfTestSpec
from perfrun.logic.problems import Problem

FINISHED: frozenset[ToolName] = frozenset()
"""The tools that work."""


def script_problems(spec: PerfTestSpec) -> Iterator[Problem]:
    """A tool that this version cannot run."""
    target = spec.target.the_script
    if target.tool not in FINISHED:
        yield Problem(
            "spec.target.script.tool", f"{target.tool} is not supported in this version of perfrun"
        )
