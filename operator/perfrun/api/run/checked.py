"""What is kept of the check of a test: what its runs ask for, in place of the whole spec."""

from typing import Annotated

from pydantic import Field

from perfrun.api.base import StatusModel


class Amount(StatusModel):
    """An amount that the test asks for, and the field that sets it."""

    field: Annotated[str, Field(max_length=64)] = Field(
        description="The field that sets the amount. Example: spec.load.open.rate."
    )
    amount: float = Field(description="The amount.")


class Asks(StatusModel):
    """What the test asks for and a PerfPolicy may refuse. Not set if the test is invalid."""

    hosts: Annotated[
        dict[Annotated[str, Field(max_length=64)], Annotated[str, Field(max_length=2048)]],
        Field(max_length=32),
    ] = Field(default={}, description="The hosts to connect to, by the field that names them.")
    workers: int = Field(default=1, description="Number of workers.")
    rate: Amount | None = Field(
        default=None, description="The highest rate, in iterations per second."
    )
    users: Amount | None = Field(
        default=None, description="The highest number of concurrent users."
    )
    longest: int = Field(default=0, description="The longest time of the load, in nanoseconds.")
    images: Annotated[
        dict[Annotated[str, Field(max_length=64)], Annotated[str, Field(max_length=1024)]],
        Field(max_length=4),
    ] = Field(default={}, description="The user's images to run, by the field that names them.")
    script_map: Annotated[str, Field(max_length=253)] | None = Field(
        default=None, description="The ConfigMap with the files of a script."
    )
    script: Annotated[str, Field(max_length=16)] | None = Field(
        default=None,
        description="The tool of a script, whose load is not known before it runs.",
    )
    audience: Annotated[str, Field(max_length=1024)] | None = Field(
        default=None,
        description="The audience of the service account token that requests carry.",
    )


class CheckStatus(StatusModel):
    """Result of checking observedGeneration, kept so that it is not checked again."""

    version: Annotated[str, Field(max_length=64)] = Field(
        description="The version of perfrun that checked the test."
    )
    what_runs: Annotated[str, Field(max_length=63)] = Field(
        default="", description="Hash of the fields that runs execute and are judged by."
    )
    asks: Asks | None = None
    gates: bool = Field(
        default=False,
        description="Whether a missed objective or a regression can make the test fail.",
    )
    warnings: Annotated[list[Annotated[str, Field(max_length=512)]], Field(max_length=10)] = Field(
        default=[], description="Problems that do not keep the test from running."
    )
