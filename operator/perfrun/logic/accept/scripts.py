"""What can be wrong with a script target, beyond what patterns can check."""

from collections.abc import Iterator, Mapping

from perfrun.api.test.commands.script import ToolName
from perfrun.api.test.perftest import PerfTestSpec
from perfrun.logic.problems import Problem, field_path

FINISHED: frozenset[ToolName] = frozenset({"k6"})
"""The tools that work."""
OWN_FLAGS: Mapping[ToolName, frozenset[str]] = {
    "k6": frozenset(
        {
            *("-a", "--address", "-c", "--config", "-p", "--paused", "-o", "--out", "-l"),
            *("--linger", "-q", "--quiet", "--execution-segment", "--execution-segment-sequence"),
            *("--no-setup", "--no-teardown", "--no-thresholds", "--no-summary", "--summary-mode"),
            *("--summary-export", "--system-tags", "--no-usage-report", "--traces-output"),
            *("--no-color", "--log-output", "--log-format"),
        }
    ),
}
"""Flags of each tool that perfrun sets itself, or that would change what it reads."""


def script_problems(spec: PerfTestSpec) -> Iterator[Problem]:
    """A tool that this version cannot run, and arguments that perfrun sets itself."""
    target = spec.target.the_script
    if target.tool not in FINISHED:
        yield Problem(
            "spec.target.script.tool", f"{target.tool} is not supported in this version of perfrun"
        )
    own = OWN_FLAGS.get(target.tool, frozenset())
    for index, argument in enumerate(target.args):
        flag = argument.partition("=")[0]
        short = argument[:2] if argument[:1] == "-" and argument[:2] != "--" else flag
        if found := sorted(own & {flag, short}):
            yield Problem(
                field_path(["spec", "target", "script", "args", index]),
                f"perfrun sets {found[0]} itself: remove it",
            )


def path_problems(spec: PerfTestSpec) -> Iterator[Problem]:
    """A folder outside of its volume."""
    files = spec.target.the_script.files
    path = files.volume_claim.path if files is not None and files.volume_claim is not None else None
    if path is not None and (path.startswith("/") or ".." in path.split("/")):
        yield Problem(
            "spec.target.script.files.volumeClaim.path",
            f"{path} must be a folder of the volume: no slash at the beginning, and no ..",
        )


def missing_in_cluster(spec: PerfTestSpec) -> Iterator[Problem]:
    """What a script needs in a cluster, and not with ``perfrun run``."""
    script = spec.target.script
    if script is None:
        return
    if script.image is None:
        yield Problem(
            "spec.target.script.image",
            f"this field is required in a cluster: name an image with {script.tool} that the "
            "PerfPolicies allow (allowedImages)",
        )
    if script.files is None and not script.entry.startswith("/"):
        yield Problem(
            "spec.target.script.entry",
            f"{script.entry} begins at /scripts, which is empty without files: set files, or the "
            "absolute path in the image",
        )
