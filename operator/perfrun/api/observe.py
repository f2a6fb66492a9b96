"""What is looked at besides the target's answers."""

from typing import Annotated, Literal

from pydantic import Field

from perfrun.api.base import ApiModel, StatusModel, exactly_one_of
from perfrun.api.names import ObjectName, PartName
from perfrun.api.target import Url
from perfrun.api.values import SecretValue, ValueSource

Sort = Literal["workload", "sql", "prometheus"]


class Workload(ApiModel):
    """A workload of the test's own namespace."""

    kind: Literal["Deployment", "StatefulSet"]
    name: ObjectName


class ObservedSql(ApiModel):
    """A database whose connections are counted."""

    dsn_from: SecretValue = Field(description="As of a target: postgresql:// or mysql://.")


class ObservedPrometheus(ApiModel):
    """A query that a Prometheus server answers with one number."""

    url: Url = Field(description="Of the server; /api/v1/query is appended.")
    query: Annotated[str, Field(min_length=1, max_length=4096)] = Field(
        description="PromQL that gives a scalar or a single series."
    )
    token_from: SecretValue | None = Field(default=None, description="A bearer token.")
    ca_from: ValueSource | None = Field(
        default=None, description="Whom to trust, in PEM; default: the CAs of the image."
    )


class Observed(ApiModel):
    """One thing, by the name that objectives will use for it."""

    name: PartName
    workload: Workload | None = Field(
        default=None, description="CPU, memory and restarts of its pods, seen by the operator."
    )
    sql: ObservedSql | None = Field(default=None, description="Asked by worker 0.")
    prometheus: ObservedPrometheus | None = Field(default=None, description="Asked by worker 0.")

    rules = (exactly_one_of("workload", "sql", "prometheus", what="what is observed"),)

    @property
    def sort(self) -> Sort:
        """Which of them it is."""
        if self.workload is not None:
            return "workload"
        return "sql" if self.sql is not None else "prometheus"


class ObservedStatus(StatusModel):
    """What was seen of one observed thing in the window."""

    name: Annotated[str, Field(max_length=253)]
    figures: Annotated[
        dict[Annotated[str, Field(max_length=40)], Annotated[str, Field(max_length=64)]],
        Field(max_length=16),
    ] = Field(default={}, description="By metric, as in cpu.max or memory.growth.")
    message: Annotated[str, Field(max_length=512)] | None = Field(
        default=None, description="What went wrong when it was last looked at in vain."
    )
