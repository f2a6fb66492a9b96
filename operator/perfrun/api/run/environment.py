"""The environment of a run, and the state of the target at that time."""

from typing import Annotated

from pydantic import Field

from perfrun.api.base import StatusModel
from perfrun.api.times import Time

Text = Annotated[str, Field(max_length=256)]
Texts = Annotated[dict[Text, Annotated[str, Field(max_length=512)]], Field(max_length=64)]


class WorkloadStatus(StatusModel):
    """An observed workload at the time when the run was judged."""

    name: Text = Field(description="Name in spec.observe.")
    replicas: Annotated[int, Field(ge=0)] = Field(default=0, description="Number of replicas.")
    limits: Texts = Field(
        default={}, description="Resource limits by container. Example: `{app/cpu: 500m}`."
    )
    images: Texts = Field(
        default={}, description="Image of each container, with its digest if it is known."
    )
    since: Time | None = Field(default=None, description="When its newest pod started.")


class Environment(StatusModel):
    """Where the run took place. Only runs with the same environment are compared; images may
    differ."""

    machines: Annotated[list[Text], Field(max_length=16)] = Field(
        default=[], description="Processors and architectures of the workers' nodes."
    )
    resources: Texts = Field(
        default={}, description='Resources of a worker. Example: `{requests/cpu: "1"}`.'
    )
    workloads: Annotated[list[WorkloadStatus], Field(max_length=16)] = Field(
        default=[], description="The workloads in spec.observe."
    )
