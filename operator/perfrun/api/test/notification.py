"""Who is told of what: receivers are set up by the cluster's owner, and used here by name."""

from typing import Annotated, Literal

from pydantic import Field

from perfrun.api.base import ApiModel
from perfrun.api.names import DNS_LABEL

Occasion = Literal["Warn", "Fail", "Error", "Regressed", "Recovered"]
OCCASIONS: tuple[Occasion, ...] = ("Warn", "Fail", "Error", "Regressed", "Recovered")

ReceiverName = Annotated[str, Field(pattern=DNS_LABEL, min_length=1, max_length=63)]


class Notification(ApiModel):
    """A receiver, and which events it is notified of."""

    receiver: ReceiverName = Field(
        description="Name of a receiver from the value `receivers` of the Helm chart."
    )
    events: Annotated[list[Occasion], Field(min_length=1, max_length=len(OCCASIONS))] = Field(
        default=list(OCCASIONS),
        description="Events to notify the receiver of: verdicts of runs, and trends of the test.",
    )
