"""What stays of the check of a test: what its runs ask for, in place of the whole spec."""

from typing import Annotated

from pydantic import Field

from perfrun.api.base import StatusModel


class Amount(StatusModel):
    """How much of something a test asks for, and where it says so."""

    field: Annotated[str, Field(max_length=64)]
    amount: float


class Asks(StatusModel):
    """What a test asks for, as far as a policy may refuse it."""

    hosts: Annotated[
        dict[Annotated[str, Field(max_length=64)], Annotated[str, Field(max_length=2048)]],
        Field(max_length=32),
    ] = Field(default={}, description="The hosts of its URLs, by the field that names them.")
    workers: int = 1
    rate: Amount | None = Field(default=None, description="The highest one, per second.")
    users: Amount | None = Field(default=None, description="The most at once.")
    longest: int = Field(default=0, description="Nanoseconds that the load takes at most.")
    image: Annotated[str, Field(max_length=1024)] | None = Field(
        default=None, description="Of a benchmark."
    )
    audience: Annotated[str, Field(max_length=1024)] | None = Field(
        default=None, description="Of the service account token that its target is sent."
    )


class CheckStatus(StatusModel):
    """The outcome of the check of a generation: it is not done again until the test changes."""

    version: Annotated[str, Field(max_length=64)] = Field(
        description="The version of perfrun that has checked it."
    )
    what_runs: Annotated[str, Field(max_length=63)] = Field(
        default="", description="The hash of what its runs execute and are judged by."
    )
    asks: Asks | None = Field(
        default=None, description="What policies are asked about; absent: it was refused."
    )
    gates: bool = Field(
        default=False, description="Whether an objective or a regression may make it Fail."
    )
    warnings: Annotated[list[Annotated[str, Field(max_length=512)]], Field(max_length=10)] = []
