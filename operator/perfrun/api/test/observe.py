"""What is observed besides the target's answers."""

from typing import Annotated, Literal

from pydantic import Field

from perfrun.api.base import ApiModel, StatusModel, exactly_one_of
from perfrun.api.names import ObjectName, PartName
from perfrun.api.test.target import Url
from perfrun.api.test.values import SecretValue, ValueSource

Sort = Literal["workload", "sql", "prometheus"]


class Workload(ApiModel):
    """A workload in the namespace of the test."""

    kind: Literal["Deployment", "StatefulSet"] = Field(description="Kind of the workload.")
    name: ObjectName = Field(description="Name of the workload.")


class ObservedSql(ApiModel):
    """A database whose connections and lock waits are counted."""

    dsn_from: SecretValue = Field(
        description="Secret key with the DSN of the database. "
        "Example of a value: postgresql://user:password@db:5432/shop."
    )


class ObservedPrometheus(ApiModel):
    """A query that a Prometheus server answers with one number."""

    url: Url = Field(
        description="URL of the server, without /api/v1/query. Example: http://prometheus:9090."
    )
    query: Annotated[str, Field(min_length=1, max_length=4096)] = Field(
        description="PromQL query that returns a scalar or a single series. "
        "Example: `sum(rate(http_requests_total[1m]))`."
    )
    token_from: SecretValue | None = Field(
        default=None, description="Secret key with a bearer token for the server."
    )
    ca_from: ValueSource | None = Field(
        default=None,
        description="CA certificates to trust, in PEM format. Default: those of the worker's "
        "image.",
    )


class Observed(ApiModel):
    """Something to watch while the load runs."""

    name: PartName = Field(
        description="Name that objectives refer to with `of`. Must differ from the names of steps "
        "and scenarios."
    )
    workload: Workload | None = Field(
        default=None,
        description="Measures CPU, memory and restarts of the pods of a workload, every 10 s.",
    )
    sql: ObservedSql | None = Field(
        default=None,
        description="Counts connections and lock waits of a database, every 2 s.",
    )
    prometheus: ObservedPrometheus | None = Field(
        default=None, description="Records the result of a Prometheus query, every 2 s."
    )

    rules = (exactly_one_of("workload", "sql", "prometheus", what="what is observed"),)

    @property
    def sort(self) -> Sort:
        """The sort of what is observed."""
        if self.workload is not None:
            return "workload"
        return "sql" if self.sql is not None else "prometheus"


class ObservedStatus(StatusModel):
    """Measurements of one entry of spec.observe during the window."""

    name: Annotated[str, Field(max_length=253)] = Field(description="Name in spec.observe.")
    figures: Annotated[
        dict[Annotated[str, Field(max_length=40)], Annotated[str, Field(max_length=64)]],
        Field(max_length=16),
    ] = Field(default={}, description="Values by metric. Example: `{cpu.max: 420m}`.")
    message: Annotated[str, Field(max_length=512)] | None = Field(
        default=None, description="Why the last measurement that failed did so."
    )
