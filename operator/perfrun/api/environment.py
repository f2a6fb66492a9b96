"""Where a run took place, and what of the target was running then."""

from typing import Annotated

from pydantic import Field

from perfrun.api.base import StatusModel
from perfrun.api.times import Time

Text = Annotated[str, Field(max_length=256)]
Texts = Annotated[dict[Text, Annotated[str, Field(max_length=512)]], Field(max_length=64)]


class WorkloadStatus(StatusModel):
    """An observed workload as it was when a run was judged."""

    name: Text = Field(description="The name in spec.observe.")
    replicas: Annotated[int, Field(ge=0)] = 0
    limits: Texts = Field(default={}, description="Resource limits, as container/cpu.")
    images: Texts = Field(
        default={}, description="By container, the image that runs: with its digest, where known."
    )
    since: Time | None = Field(
        default=None, description="When the youngest of its pods was started."
    )


class Environment(StatusModel):
    """Runs are compared where this is the same; images are not part of it, but told."""

    machines: Annotated[list[Text], Field(max_length=16)] = Field(
        default=[], description="The workers' processors and architectures, each kind once."
    )
    resources: Texts = Field(default={}, description="Of a worker, as requests/cpu.")
    workloads: Annotated[list[WorkloadStatus], Field(max_length=16)] = []
