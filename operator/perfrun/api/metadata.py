"""The part of an object's metadata that perfrun reads."""

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from perfrun.api.base import list_map

MAX_CONDITIONS = 16
MAX_OWNERS = 1000
"""Ten thousand cost a tenth of a second each time that the object is read."""


class OwnerReference(BaseModel):
    """An owner of an object."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="ignore")

    api_version: str
    kind: str
    name: str
    uid: str
    controller: bool = False
    block_owner_deletion: bool | None = None


class Metadata(BaseModel):
    """Identity and bookkeeping of an object."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="ignore")

    name: str = Field(min_length=1)
    namespace: str = "default"
    uid: str = ""
    generation: int = 1
    resource_version: str = ""
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    creation_timestamp: datetime | None = None


class RunMetadata(Metadata):
    """That of a run, of which a PerfTest is an owner."""

    owner_references: list[OwnerReference] = Field(default=[], max_length=MAX_OWNERS)


class Condition(BaseModel):
    """One aspect of the current state of the object."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="ignore")

    type: str = Field(max_length=64, description="Type of the condition. Example: Ready.")
    status: str = Field(
        max_length=16, description="Status of the condition: True, False or Unknown."
    )
    reason: str = Field(
        max_length=128, description="Reason for the last transition, as one CamelCase word."
    )
    message: str = Field(
        default="", max_length=4096, description="Details about the transition, for people."
    )
    observed_generation: int | None = Field(
        default=None, description="The metadata.generation that the condition is based on."
    )
    last_transition_time: datetime | None = Field(
        default=None, description="When the status of the condition last changed."
    )


Conditions = Annotated[
    list[Condition], Field(max_length=MAX_CONDITIONS, json_schema_extra=list_map("type"))
]
"""At most one condition of each type; other controllers may have their own."""
