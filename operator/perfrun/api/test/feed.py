"""Feeds: tables of test data; each iteration uses one row."""

from typing import Annotated, Literal

from pydantic import Field

from perfrun.api.base import ApiModel, exactly_one_of
from perfrun.api.names import VariableName
from perfrun.api.test.values import ValueSource


class Generated(ApiModel):
    """Generates rows from templates. A row has the same values in every worker and every step."""

    rows: Annotated[int, Field(ge=1, le=1_000_000_000)] = Field(
        description="Number of rows. Generated rows take no memory."
    )
    columns: Annotated[
        dict[VariableName, Annotated[str, Field(max_length=4096)]],
        Field(
            min_length=1,
            max_length=64,
            description="Column names and their templates. A template may use variables and all "
            'functions except now() and nowMs(). Example: `{id: "$(uuid())"}`.',
        ),
    ]


class Feed(ApiModel):
    """A table of test data. Each iteration uses one row; templates read it as $(feed.column)."""

    name: VariableName = Field(description="Name of the feed in templates, as in $(name.column).")
    csv_from: ValueSource | None = Field(
        default=None,
        description="Reads rows from a CSV file with a header line. At most 100000 rows.",
    )
    jsonl_from: ValueSource | None = Field(
        default=None,
        description="Reads rows from a JSON Lines file: one object per line, all with the same "
        "keys. At most 100000 rows. $(feed.key.key) reads a nested value.",
    )
    generate: Generated | None = None
    order: Literal["Random", "Sequential", "Unique"] = Field(
        default="Sequential",
        description="How iterations choose rows. Sequential: in order, starting over at the end. "
        "Random: at random. Unique: in order, no row twice in a run; iterations that find no row "
        "left fail with the error class Data.",
    )

    rules = (exactly_one_of("csvFrom", "jsonlFrom", "generate", what="a feed"),)
