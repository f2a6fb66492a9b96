"""What benchmarks and scripts share: an image of the user's, and the environment of its command."""

from typing import Annotated

from pydantic import Field

from perfrun.api.base import ApiModel, Rule, exactly_one_of
from perfrun.api.test.values import ValueSource

IMAGE_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._:/@-]*$"
Image = Annotated[str, Field(min_length=1, max_length=220, pattern=IMAGE_PATTERN)]
EnvName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", max_length=128)]
Argument = Annotated[str, Field(max_length=4096)]


class EnvVar(ApiModel):
    """An environment variable of the command."""

    name: EnvName = Field(
        description="Name of the variable. Names that begin with PERFRUN_ are reserved."
    )
    value: Argument | None = Field(
        default=None,
        description="Value. May contain spec.variables, and $(results) for a benchmark.",
    )
    value_from: ValueSource | None = Field(
        default=None, description="Secret or ConfigMap key with the value."
    )

    rules = (
        exactly_one_of("value", "valueFrom", what="an environment variable"),
        Rule(
            cel="!self.name.startsWith('PERFRUN_')",
            holds=lambda variable: not variable.name.startswith("PERFRUN_"),
            message="names that begin with PERFRUN_ are reserved: use another name",
            field=".name",
        ),
    )
