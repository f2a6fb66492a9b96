"""PerfPolicy: what the cluster's owner lets tests do, by namespace."""

from ipaddress import ip_network
from typing import Annotated, Literal

from pydantic import AfterValidator, ConfigDict, Field

from perfrun.api.base import ApiModel, Unique
from perfrun.api.metadata import Metadata
from perfrun.api.names import CIDR_PATTERN, CLOCK_PATTERN, HOST_PATTERN
from perfrun.api.quantities import Duration, Rate
from perfrun.api.test.load import MAX_USERS, MAX_WORKERS
from perfrun.api.test.target import Audience

NAMESPACE = "$(namespace)"
"""Placeholder in a host pattern for the namespace of the test."""

Day = Literal["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]
DAYS: tuple[Day, ...] = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


def _cidr(text: str) -> str:
    ip_network(text)  # raises ValueError, also for 10.1.2.3/8, which is not a network
    return text


Cidr = Annotated[
    str, Field(min_length=3, max_length=43, pattern=CIDR_PATTERN), AfterValidator(_cidr)
]
HostPattern = Annotated[str, Field(min_length=1, max_length=253, pattern=HOST_PATTERN)]
ImagePattern = Annotated[str, Field(min_length=1, max_length=255, pattern=r"^[A-Za-z0-9*._:/@-]+$")]
ImagePatterns = Annotated[list[ImagePattern], Field(max_length=256), Unique()]
NamespacePattern = Annotated[str, Field(min_length=1, max_length=63, pattern=r"^[-a-z0-9*]+$")]
Clock = Annotated[str, Field(max_length=5, pattern=CLOCK_PATTERN)]


class Allow(ApiModel):
    """What workers may connect to. A field that is not set restricts nothing."""

    hosts: Annotated[list[HostPattern], Field(max_length=256), Unique()] | None = Field(
        default=None,
        description="Host names that workers may connect to: shop.example.com, *.example.com, or "
        "*.$(namespace).svc for Services in the namespace of the test. A host that is an IP "
        "address must be listed here or be in cidrs. Default: any.",
    )
    cidrs: Annotated[list[Cidr], Field(max_length=256), Unique()] | None = Field(
        default=None,
        description="Networks that contain every address that workers may connect to. Default: "
        "any. Example: [10.0.0.0/8].",
    )


class Deny(ApiModel):
    """What workers must not connect to, even if `allow` allows it."""

    cidrs: Annotated[list[Cidr], Field(max_length=256), Unique()] = Field(
        default_factory=list,
        description="Networks that workers must not connect to. Example: [169.254.0.0/16].",
    )


class Limits(ApiModel):
    """Limits for a single run and for the number of runs. A field that is not set is no limit,
    unless it names a default."""

    workers: Annotated[int, Field(ge=1, le=MAX_WORKERS)] | None = Field(
        default=None, description="Maximum number of workers of a run."
    )
    rate: Rate | None = Field(
        default=None,
        description="Maximum rate of an open load or a capacity search. Example: 2000/s.",
    )
    users: Annotated[int, Field(ge=1, le=MAX_USERS)] | None = Field(
        default=None,
        description="Maximum number of users of a closed load, and maximum concurrency of a burst.",
    )
    duration: Duration | None = Field(
        default=None,
        description="Maximum time that the load of a run can take. Example: 1h.",
    )
    runs_per_target: Annotated[int, Field(ge=1, le=100)] | None = Field(
        default=None,
        description="Maximum number of runs that load one target at the same time. Further runs "
        "are queued. Default: 1.",
    )
    runs: Annotated[int, Field(ge=1, le=10_000)] | None = Field(
        default=None,
        description="Maximum number of runs at the same time in all namespaces of this policy. "
        "Further runs are queued.",
    )
    runs_per_namespace: Annotated[int, Field(ge=1, le=10_000)] | None = Field(
        default=None,
        description="Maximum number of runs of one namespace at the same time. Default: no limit, "
        "but while runs of other namespaces wait, a namespace with a third of `runs` (at least "
        "one) comes after those with fewer.",
    )
    open_runs_per_namespace: Annotated[int, Field(ge=1, le=100_000)] | None = Field(
        default=None,
        description="Maximum number of PerfRuns of one namespace that are not done, including "
        "queued ones. Further runs end as Error with the reason TooManyRuns. Default: 1000.",
    )
    unscheduled_for: Duration | None = Field(
        default=None,
        description="How long the pods of a run may stay unscheduled while runs of other "
        "namespaces wait. After that, the run returns to the queue; it has at most five turns. "
        "Default: 5m.",
    )


class Hours(ApiModel):
    """A time of day at which runs may start. It ends on the next day if ``to`` is not after
    ``from``."""

    days: Annotated[list[Day], Field(min_length=1, max_length=7), Unique()] = Field(
        default=list(DAYS), description="Days of the week on which it begins."
    )
    from_: Clock = Field(
        default="00:00", alias="from", description="When it begins. Example: 20:00."
    )
    to: Clock = Field(default="24:00", description="When it ends. Example: 06:00.")
    time_zone: Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_+/-]+$")] = (
        Field(
            default="Etc/UTC",
            description="Time zone of `from` and `to`: a name of the IANA time zone database. "
            "Example: Europe/Berlin.",
        )
    )


class PerfPolicySpec(ApiModel):
    """What tests may do. If several policies select a namespace, all of them apply."""

    namespaces: Annotated[list[NamespacePattern], Field(max_length=256), Unique()] = Field(
        default_factory=lambda: ["*"],
        description="Namespaces that the policy applies to; * stands for any characters. "
        'Example: [shop, "team-*"].',
    )
    allow: Allow = Field(default_factory=Allow)
    deny: Deny = Field(default_factory=Deny)
    limits: Limits = Field(default_factory=Limits)
    allowed_images: ImagePatterns = Field(
        default_factory=list,
        description="Images that benchmark and script targets may use, as they are written in "
        "tests; * stands for any characters. Default: none. Example: [registry.example/team/*].",
    )
    allowed_audiences: Annotated[list[Audience], Field(max_length=64), Unique()] = Field(
        default_factory=list,
        description="Audiences that auth.serviceAccountToken may use. Audiences of the Kubernetes "
        "API server are always refused. Default: none.",
    )
    allowed_hours: Annotated[list[Hours], Field(max_length=32)] = Field(
        default_factory=list,
        description="When runs may start. At other times they are queued. Default: always.",
    )
    suspend: bool = Field(
        default=False,
        description="Stops all runs in progress and keeps new ones from starting, including "
        "requested ones.",
    )


class PerfPolicy(ApiModel):
    """Restricts what performance tests of some namespaces may do."""

    model_config = ConfigDict(extra="ignore")

    metadata: Metadata
    spec: PerfPolicySpec
