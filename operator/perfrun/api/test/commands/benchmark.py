"""Existing benchmarks of users: an image, a command, and the format of its results."""

from typing import Annotated, Literal

from pydantic import Field

from perfrun.api.base import ApiModel, Unique
from perfrun.api.quantities import Duration
from perfrun.api.test.commands.command import Argument, EnvVar, Image

RESULTS_NAME = "results"
"""``$(results)`` in a command or an environment: the file for the results."""
RESULTS_ENV = "PERFRUN_RESULTS"
"""The same for scripts, as an environment variable."""
COMMAND_STEP = "command"
"""The name of the one step of a benchmark: its command, run once."""

ResultsFormat = Literal["PytestBenchmark", "K6"]


class BenchmarkTarget(ApiModel):
    """A benchmark suite in a container image. Each run executes its command once."""

    image: Image = Field(
        description="Image of the suite. A PerfPolicy must allow it. The container has no "
        "privileges. `perfrun run` uses what is installed on your machine instead."
    )
    command: Annotated[list[Argument], Field(min_length=1, max_length=100)] = Field(
        description="Program and arguments, without a shell. $(results) is the file that the "
        "command must write. Example: [pytest, --benchmark-json, $(results)]."
    )
    env: Annotated[list[EnvVar], Field(max_length=100), Unique("name")] = Field(
        default=[], description="Environment variables of the command."
    )
    results: ResultsFormat = Field(
        description="Format of the file that the command writes to $(results), which is also in "
        "$PERFRUN_RESULTS."
    )
    timeout: Duration = Field(
        default="10m",
        validate_default=True,
        description="Maximum time of the command, at most 1h. After that it is ended, and the run "
        "has no results.",
    )
