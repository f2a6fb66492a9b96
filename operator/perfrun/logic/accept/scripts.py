"""What can be wrong with a script target, beyond what patterns can check."""

from collections.abc import Iterator, Mapping

from perfrun.api.test.commands.script import ToolName
from perfrun.api.test.perftest import PerfTestSpec
from perfrun.logic.accept.targets import url_problem
from perfrun.logic.plan.shares import lacks_share
from perfrun.logic.problems import Problem, field_path

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
    "Locust": frozenset(
        {
            *("-f", "--locustfile", "--headless", "--headful", "--autostart", "--autoquit"),
            *("--master", "--master-bind-host", "--master-bind-port", "--master-host"),
            *("--master-port", "--expect-workers", "--expect-workers-max-wait", "--worker"),
            *("--processes", "--exit-code-on-error", "-l", "--list", "--show-task-ratio"),
            *("--show-task-ratio-json", "-h", "--help", "-V", "--version"),
        }
    ),
    "JMeter": frozenset(
        {
            *("-n", "--nongui", "-t", "--testfile", "-l", "--logfile", "-j", "--jmeterlogfile"),
            *("-r", "--runremote", "-R", "--remotestart", "-s", "--server", "-X"),
            *("--remoteexit", "-e", "--reportatendofloadtests", "-o", "--reportoutputfolder"),
            *("-g", "--reportonly", "-f", "--forceDeleteResultFile", "-d", "--homedir"),
            *("-h", "--help", "-?", "-v", "--version", "-G", "--globalproperty"),
        }
    ),
}
"""Flags of each tool that perfrun sets itself, or that would change what it reads."""

OWN_PROPERTIES = tuple(
    f"-J{name}"
    for name in (
        *("jmeter.save.saveservice.", "jmeterengine.nongui.", "jmeterengine.force.system.exit"),
        *("sampleresult.timestamp.start", "subresults.disable_renaming"),
        *("perfrun.workers=", "perfrun.index="),
    )
)
"""Beginnings of the properties of JMeter that perfrun sets itself."""


def script_problems(spec: PerfTestSpec) -> Iterator[Problem]:
    """Arguments that perfrun sets itself, and those that cannot be divided."""
    target = spec.target.the_script
    own = OWN_FLAGS.get(target.tool, frozenset())
    for index, argument in enumerate(target.args):
        where = field_path(["spec", "target", "script", "args", index])
        flag = argument.partition("=")[0]
        short = argument[:2] if argument[:1] == "-" and argument[:2] != "--" else flag
        if found := sorted(own & {flag, short}):
            yield Problem(
                where,
                f"perfrun sets {found[0]} itself: remove it",
            )
        if target.tool == "JMeter" and argument.startswith(OWN_PROPERTIES):
            yield Problem(
                where,
                f"perfrun sets {argument.partition('=')[0].removeprefix('-J')} itself: remove it",
            )
        elif target.tool == "JMeter" and flag in ("-J", "--jmeterproperty"):
            yield Problem(
                where,
                "write -JNAME=VALUE as one argument: otherwise its number is not divided among "
                "the workers",
            )
        elif target.divided == "Properties" and lacks_share(argument, spec.load.workers):
            yield Problem(
                where,
                f"{argument.removeprefix('-J')} cannot be shared by {spec.load.workers} workers: "
                "some of them would have no part of it. Raise it, or use fewer workers",
            )


def target_problems(spec: PerfTestSpec) -> Iterator[Problem]:
    """Targets without a usable host or port."""
    for index, target in enumerate(spec.target.the_script.targets):
        yield from url_problem(
            field_path(["spec", "target", "script", "targets", index]), f"//{target}"
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
