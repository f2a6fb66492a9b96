"""Benchmarks that users have already: an image, a command, and in which form it writes results."""

from typing import Annotated, Literal

from pydantic import Field

from perfrun.api.base import ApiModel, Rule, exactly_one_of
from perfrun.api.quantities import Duration
from perfrun.api.values import ValueSource

RESULTS_NAME = "results"
"""``$(results)`` in a command or an environment: the file that the results are to be in."""
RESULTS_ENV = "PERFRUN_RESULTS"
"""The same for scripts, as a variable of the environment."""
COMMAND_STEP = "command"
"""The name of the one step of a benchmark: its command, run once."""

ResultsFormat = Literal["PytestBenchmark", "K6"]
IMAGE_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._:/@-]*$"
Image = Annotated[str, Field(min_length=1, max_length=220, pattern=IMAGE_PATTERN)]
EnvName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", max_length=128)]
Argument = Annotated[str, Field(max_length=4096)]


class EnvVar(ApiModel):
    """A variable of the command's environment; the value may hold $(results) and variables."""

    name: EnvName
    value: Argument | None = None
    value_from: ValueSource | None = None

    rules = (
        exactly_one_of("value", "valueFrom", what="a variable of the environment"),
        Rule(
            cel="!self.name.startsWith('PERFRUN_')",
            holds=lambda variable: not variable.name.startswith("PERFRUN_"),
            message="names that begin with PERFRUN_ are perfrun's own",
            field=".name",
        ),
    )


class BenchmarkTarget(ApiModel):
    """A benchmark suite in an image of its own, whose command is run once in each run."""

    image: Image = Field(
        description="Run as it is, as any user, without rights; perfrun run uses what is "
        "installed here instead."
    )
    command: Annotated[list[Argument], Field(min_length=1, max_length=100)] = Field(
        description="Program and arguments, as $(results) the file for the results."
    )
    env: Annotated[
        list[EnvVar],
        Field(
            max_length=100,
            json_schema_extra={
                "x-kubernetes-list-type": "map",
                "x-kubernetes-list-map-keys": ["name"],
            },
        ),
    ] = []
    results: ResultsFormat = Field(
        description="In which form the command writes $(results), or $PERFRUN_RESULTS."
    )
    timeout: Duration = Field(
        default="10m",
        validate_default=True,
        description="Of the command; then it is ended, and the run has no figures.",
    )
