"""Scripts of other load tools: k6, Locust and JMeter. The script has the load; perfrun divides,
starts, measures and judges it."""

import re
from typing import Annotated, Literal

from pydantic import Field

from perfrun.api.base import ApiModel, Rule, Unique, exactly_one_of
from perfrun.api.names import ObjectName
from perfrun.api.quantities import NS_PER_S
from perfrun.api.test.commands.command import Argument, EnvVar, Image

SCRIPTS_FOLDER = "/scripts"
"""Where the files of a script are mounted in a pod, read-only."""
SCRIPT_SCENARIO = "script"
"""The scenario of requests whose tool has none."""
GRACE = 60 * NS_PER_S
"""ns that a tool has after the end of its load, for its last requests and samples."""

ToolName = Literal["k6", "Locust", "JMeter"]
SplitName = Literal["Segments", "Distributed", "Properties", "None"]
SPLITS: dict[ToolName, tuple[SplitName, ...]] = {
    "k6": ("Segments", "None"),
    "Locust": ("Distributed", "Properties", "None"),
    "JMeter": ("Properties", "None"),
}
"""The ways in which the load of each tool can be divided; the first is the default."""

RESERVED_ENV = (
    r"^(K6_.*|LOCUST_.*|JMETER_.*|JVM_ARGS|JAVA_TOOL_OPTIONS|JAVA_OPTS|_JAVA_OPTIONS|JDK_.*"
    r"|HEAP|GC_ALGO|PYTHONSTARTUP|PYTHONPATH|LD_PRELOAD)$"
)
"""Variables through which a tool takes settings that perfrun makes."""
_HOST_PORT = (
    r"^([A-Za-z0-9]([A-Za-z0-9._-]{0,251}[A-Za-z0-9])?|\[[0-9A-Fa-f:.]{2,45}\]):[1-9][0-9]{0,4}$"
)
HostPort = Annotated[str, Field(max_length=262, pattern=_HOST_PORT)]
FilePath = Annotated[str, Field(min_length=1, max_length=512, pattern=r"^[A-Za-z0-9._/@+ -]+$")]


class ConfigMapFiles(ApiModel):
    """A ConfigMap whose keys are files."""

    name: ObjectName = Field(description="Name of the ConfigMap, in the namespace of the test.")


class VolumeFiles(ApiModel):
    """A volume with files."""

    name: ObjectName = Field(
        description="Name of the PersistentVolumeClaim, in the namespace of the test."
    )
    path: FilePath | None = Field(
        default=None, description="Folder in the volume. Default: all of it. Example: shop/load."
    )


class ScriptFiles(ApiModel):
    """The files of a script. Exactly one source is required."""

    config_map: ConfigMapFiles | None = None
    volume_claim: VolumeFiles | None = None

    rules = (exactly_one_of("configMap", "volumeClaim", what="files"),)


def _has_known_split(target: "ScriptTarget") -> bool:
    return target.split is None or target.split in SPLITS[target.tool]


class ScriptTarget(ApiModel):
    """A script of k6, Locust or JMeter, with the load that it contains."""

    tool: ToolName = Field(description="The tool that runs the script.")
    image: Image | None = Field(
        default=None,
        description="Image with the tool. Required in a cluster, where a PerfPolicy must allow it. "
        "`perfrun run` uses the tool that is installed on your machine.",
    )
    files: ScriptFiles | None = Field(
        default=None,
        description="The script and its other files, mounted read-only at /scripts. Default: the "
        "image contains them; `perfrun run` reads them beside the manifest.",
    )
    entry: FilePath = Field(
        description="Path of the script; a relative path begins at /scripts. Example: shop.js."
    )
    args: Annotated[list[Argument], Field(max_length=100)] = Field(
        default=[],
        description="More arguments of the tool, without a shell. May contain spec.variables. "
        "Arguments that perfrun sets itself are refused. Example: [--tag, team=shop].",
    )
    env: Annotated[list[EnvVar], Field(max_length=100), Unique("name")] = Field(
        default=[], description="Environment variables of the tool."
    )
    split: SplitName | None = Field(
        default=None,
        description="How several workers share the load. Segments: execution segments of k6. "
        "Distributed: the distributed mode of Locust. Properties: the script divides its load by "
        "the properties perfrun.workers and perfrun.index. None: each worker runs all of it. "
        "Default: Segments for k6, Distributed for Locust, Properties for JMeter.",
    )
    thresholds: Literal["Judge", "Ignore"] = Field(
        default="Judge",
        description="What happens with the thresholds of the script. Judge: they are objectives, "
        "over the samples of all workers. Ignore: they are not judged.",
    )
    targets: Annotated[list[HostPort], Field(min_length=1, max_length=16), Unique()] = Field(
        description="Every host:port that the script sends requests to. Policies must allow them, "
        "runs of the same target take turns, and pods of the run may connect to nothing else. "
        "Example: [shop:8000]."
    )

    rules = (
        Rule(
            cel="!has(self.split) || self.split == 'None'"
            " || (self.tool == 'k6' && self.split == 'Segments')"
            " || (self.tool == 'Locust' && self.split in ['Distributed', 'Properties'])"
            " || (self.tool == 'JMeter' && self.split == 'Properties')",
            holds=_has_known_split,
            message="this tool cannot share its load like this: use Segments for k6, Distributed "
            "or Properties for Locust, Properties for JMeter, or None",
            field=".split",
        ),
        Rule(
            cel=f"!has(self.env) || self.env.all(one, !one.name.matches(r'{RESERVED_ENV}'))",
            holds=lambda target: not any(re.match(RESERVED_ENV, one.name) for one in target.env),
            message="perfrun sets the tool's own variables (K6_*, LOCUST_*, JMETER_*, JVM_ARGS, "
            "JAVA_OPTS, JAVA_TOOL_OPTIONS and the like): remove them",
            field=".env",
        ),
        Rule(
            cel="!self.entry.split('/').exists(part, part == '..')",
            holds=lambda target: ".." not in target.entry.split("/"),
            message="must not contain ..",
            field=".entry",
        ),
    )

    @property
    def timeout(self) -> int:
        """ns that its last requests may take after the end of the load."""
        return GRACE

    @property
    def divided(self) -> SplitName:
        """How its load is shared."""
        return self.split or SPLITS[self.tool][0]
