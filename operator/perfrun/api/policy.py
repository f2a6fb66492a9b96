"""PerfPolicy: what the cluster's owner lets tests do, by namespace."""

from ipaddress import ip_network
from typing import Annotated, Literal

from pydantic import AfterValidator, ConfigDict, Field

from perfrun.api.base import ApiModel
from perfrun.api.load import MAX_USERS, MAX_WORKERS
from perfrun.api.metadata import Metadata
from perfrun.api.quantities import Duration, Rate
from perfrun.api.target import Audience

NAMESPACE = "$(namespace)"
"""Stands in a host pattern for the namespace of the test."""
HOST_PATTERN = r"^(\*|(\*\.)?([A-Za-z0-9_-]|\$\(namespace\)|\.)+|[0-9A-Fa-f:]+)$"
CIDR_PATTERN = r"^[0-9A-Fa-f:.]+/[0-9]{1,3}$"
CLOCK_PATTERN = r"^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$"

Day = Literal["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]
DAYS: tuple[Day, ...] = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


def _cidr(text: str) -> str:
    ip_network(text)  # raises ValueError, also for 10.1.2.3/8, which is no network
    return text


Cidr = Annotated[
    str, Field(min_length=3, max_length=43, pattern=CIDR_PATTERN), AfterValidator(_cidr)
]
HostPattern = Annotated[str, Field(min_length=1, max_length=253, pattern=HOST_PATTERN)]
ImagePattern = Annotated[str, Field(min_length=1, max_length=255, pattern=r"^[A-Za-z0-9*._:/@-]+$")]
NamespacePattern = Annotated[str, Field(min_length=1, max_length=63, pattern=r"^[-a-z0-9*]+$")]
Clock = Annotated[str, Field(max_length=5, pattern=CLOCK_PATTERN)]


class Allow(ApiModel):
    """What may be connected to. What is left out is not restricted."""

    hosts: Annotated[list[HostPattern], Field(max_length=256)] | None = Field(
        default=None,
        description="Names: shop.example.com, *.example.com, or *.$(namespace).svc for Services "
        "of the test's own namespace. An address as host needs to be listed here, or in cidrs.",
    )
    cidrs: Annotated[list[Cidr], Field(max_length=256)] | None = Field(
        default=None, description="Every address that is connected to has to be in one of these."
    )


class Deny(ApiModel):
    """What may not be connected to, whatever is allowed."""

    cidrs: Annotated[list[Cidr], Field(max_length=256)] = Field(
        default_factory=list, description="No address that is connected to may be in one of these."
    )


class Limits(ApiModel):
    """The most that one run may ask for, and how many may go on at once."""

    workers: Annotated[int, Field(ge=1, le=MAX_WORKERS)] | None = None
    rate: Rate | None = Field(default=None, description="Of an open load, at its highest.")
    users: Annotated[int, Field(ge=1, le=MAX_USERS)] | None = Field(
        default=None, description="Of a closed load at its highest, or the concurrency of a burst."
    )
    duration: Duration | None = Field(
        default=None, description="Of the load, by the most that it may take."
    )
    runs_per_target: Annotated[int, Field(ge=1, le=100)] | None = Field(
        default=None, description="Runs at once for one target; 1 where no policy says more."
    )
    runs: Annotated[int, Field(ge=1, le=10_000)] | None = Field(
        default=None, description="Runs at once in all namespaces of this policy; others queue."
    )
    runs_per_namespace: Annotated[int, Field(ge=1, le=10_000)] | None = Field(
        default=None,
        description="Runs at once of one namespace, never more. Left out: a third of runs, at "
        "least one, and that only while runs of other namespaces wait; slots that nobody else "
        "waits for are lent.",
    )
    open_runs_per_namespace: Annotated[int, Field(ge=1, le=100_000)] | None = Field(
        default=None,
        description="PerfRuns of one namespace that are not done, queued ones included; 1000 where "
        "no policy says otherwise. One more ends as Error with the reason TooManyRuns.",
    )
    unscheduled_for: Duration | None = Field(
        default=None,
        description="How long a run keeps its turn while not all of its pods are scheduled and "
        "runs of other namespaces wait; then it queues again, a few times at most. 5m where no "
        "policy says otherwise.",
    )


class Hours(ApiModel):
    """When runs may start; past midnight where ``to`` is not after ``from``."""

    days: Annotated[list[Day], Field(min_length=1, max_length=7)] = Field(
        default=list(DAYS), description="Days on which it begins."
    )
    from_: Clock = Field(default="00:00", alias="from")
    to: Clock = "24:00"
    time_zone: Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_+/-]+$")] = (
        "Etc/UTC"
    )


class PerfPolicySpec(ApiModel):
    """What is let through. Where several policies select a namespace, each has to."""

    namespaces: Annotated[list[NamespacePattern], Field(max_length=256)] = Field(
        default_factory=lambda: ["*"], description="Names, with * for any characters."
    )
    allow: Allow = Field(default_factory=Allow)
    deny: Deny = Field(default_factory=Deny)
    limits: Limits = Field(default_factory=Limits)
    allowed_benchmark_images: Annotated[list[ImagePattern], Field(max_length=256)] = Field(
        default_factory=list,
        description="Images of benchmark targets, with * for any characters, compared as they are "
        "written: registry.example/team/*. Empty: none.",
    )
    allowed_audiences: Annotated[list[Audience], Field(max_length=64)] = Field(
        default_factory=list,
        description="Audiences of auth.serviceAccountToken, compared as they are written. Those of "
        "the API server itself are refused also where they stand here. Empty: none.",
    )
    allowed_hours: Annotated[list[Hours], Field(max_length=32)] = Field(
        default_factory=list, description="Outside of these runs wait. Empty: always."
    )
    suspend: bool = Field(
        default=False, description="Stops what runs, and lets nothing start, on request neither."
    )


class PerfPolicy(ApiModel):
    """What the cluster's owner lets tests of some namespaces do."""

    model_config = ConfigDict(extra="ignore")

    metadata: Metadata
    spec: PerfPolicySpec
