"""Databases: how one is reached, and what a step sends to it."""

from typing import Annotated, Literal

from pydantic import Field

from perfrun.api.base import ApiModel, Rule, exactly_one_of
from perfrun.api.quantities import Duration
from perfrun.api.test.values import SecretValue

Statement = Annotated[str, Field(min_length=1, max_length=65_536)]
Parameters = Annotated[list[Annotated[str, Field(max_length=65_536)]], Field(max_length=100)]

_STATEMENT = (
    "SQL with placeholders for parameters: $1, $2 (PostgreSQL) or %s (MySQL). No templates."
)
_PARAMETERS = "Values of the placeholders. May contain templates."


class SqlTarget(ApiModel):
    """A PostgreSQL, MySQL or MariaDB server."""

    dsn_from: SecretValue = Field(
        description="Secret key with the DSN: postgresql://USER:PASSWORD@HOST:PORT/DATABASE, or "
        "mysql://. `?sslmode=require` encrypts, `?sslmode=verify-full` also verifies the "
        "certificate."
    )
    timeout: Duration = Field(
        default="30s",
        validate_default=True,
        description="Maximum time of a step, including the wait for a connection. Example: 5s.",
    )
    connect_timeout: Duration = Field(
        default="10s",
        validate_default=True,
        description="Maximum time to open a connection and log in. Example: 2s.",
    )
    connections: Literal["Shared", "PerUser", "PerRequest"] = Field(
        default="Shared",
        description="Which connection a step uses. Shared: one of a pool for all users of a "
        "worker. PerUser: the user's own. PerRequest: a new one.",
    )
    max_connections: Annotated[int, Field(ge=1, le=10_000)] = Field(
        default=20,
        description="Maximum number of open connections, over all workers. Steps wait for a free "
        "one; the response time includes the wait.",
    )


class SqlStatement(ApiModel):
    """A statement of a transaction."""

    statement: Statement = Field(description=_STATEMENT)
    parameters: Parameters = Field(default=[], description=_PARAMETERS)


class SqlRequest(ApiModel):
    """For a sql target: the statement or transaction to execute."""

    statement: Statement | None = Field(default=None, description=_STATEMENT)
    parameters: Parameters = Field(default=[], description=_PARAMETERS)
    batch: Annotated[int, Field(ge=1, le=10_000)] = Field(
        default=1,
        description="Number of rows of parameters to send at once; templates give each row its own "
        "values.",
    )
    transaction: Annotated[list[SqlStatement], Field(min_length=1, max_length=20)] | None = Field(
        default=None, description="Statements of a transaction. If one fails, all are rolled back."
    )
    prepared: bool = Field(
        default=True,
        description="Prepares the statement once per connection. If false, the server parses it "
        "every time.",
    )

    rules = (
        exactly_one_of("statement", "transaction", what="a sql step"),
        Rule(
            cel="!has(self.transaction) || (self.batch == 1 && !has(self.parameters))",
            holds=lambda sql: sql.transaction is None or (sql.batch == 1 and not sql.parameters),
            message=(
                "parameters and batch require statement: in a transaction, each statement has its "
                "own parameters"
            ),
        ),
    )


BATCH_TELLS_NO_ROWS = Rule(
    cel="!has(self.sql) || self.sql.batch == 1 || "
    "!(has(self.expect) && has(self.expect.rows) || "
    "has(self.extract) && size(self.extract) > 0)",
    holds=lambda step: (
        step.sql is None
        or step.sql.batch == 1
        or not (step.extract or (step.expect and step.expect.rows is not None))
    ),
    message=("a batch returns neither rows nor their number: remove expect.rows and extract"),
)
"""A rule of a step, because its expectations are beside its request."""
