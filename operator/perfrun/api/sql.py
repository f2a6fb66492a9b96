"""Databases: how one is reached, and what a step asks of it."""

from typing import Annotated, Literal

from pydantic import Field

from perfrun.api.base import ApiModel, Rule, exactly_one_of
from perfrun.api.quantities import Duration
from perfrun.api.values import SecretValue

Statement = Annotated[str, Field(min_length=1, max_length=65_536)]
Parameters = Annotated[list[Annotated[str, Field(max_length=65_536)]], Field(max_length=100)]


class SqlTarget(ApiModel):
    """A PostgreSQL, MySQL or MariaDB server."""

    dsn_from: SecretValue = Field(
        description="postgresql://USER:PASSWORD@HOST:PORT/DATABASE, or mysql://; "
        "?sslmode=require encrypts, ?sslmode=verify-full checks the certificate too."
    )
    timeout: Duration = Field(
        default="30s",
        validate_default=True,
        description="Of a step, the wait for its connection included.",
    )
    connect_timeout: Duration = Field(default="10s", validate_default=True)
    connections: Literal["Shared", "PerUser", "PerRequest"] = Field(
        default="Shared", description="Shared: a pool for all users of a worker."
    )
    max_connections: Annotated[int, Field(ge=1, le=10_000)] = Field(
        default=20,
        description="Open at once, of all workers together; a step that finds none free waits, "
        "and its response time counts on.",
    )


class SqlStatement(ApiModel):
    """One statement; parameters may hold templates, the statement itself never does."""

    statement: Statement
    parameters: Parameters = []


class SqlRequest(ApiModel):
    """What a step has the database do."""

    statement: Statement | None = Field(
        default=None,
        description="With $1, $2 (PostgreSQL) or %s (MySQL) where parameters are to stand.",
    )
    parameters: Parameters = Field(
        default=[], description="Texts, turned into what the server says that they are."
    )
    batch: Annotated[int, Field(ge=1, le=10_000)] = Field(
        default=1, description="So many rows of parameters are sent in one go."
    )
    transaction: Annotated[list[SqlStatement], Field(min_length=1, max_length=20)] | None = Field(
        default=None, description="Statements in one transaction, rolled back where one fails."
    )
    prepared: bool = Field(
        default=True, description="Prepared once a connection; false: parsed each time."
    )

    rules = (
        exactly_one_of("statement", "transaction", what="a step of sql"),
        Rule(
            cel="!has(self.transaction) || (self.batch == 1 && !has(self.parameters))",
            holds=lambda sql: sql.transaction is None or (sql.batch == 1 and not sql.parameters),
            message="parameters and batch belong to a statement of its own: a transaction has "
            "them with each of its statements",
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
    message="a batch is not told how many rows it changed, and none come back: "
    "leave out expect.rows and extract",
)
"""Of a step: its expectations are beside its request."""
