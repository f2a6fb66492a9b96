"""What one user does: scenarios of steps, the expectations of each, and classes of objectives."""

from typing import Annotated, Literal

from pydantic import Field, field_validator

from perfrun.api.base import ApiModel, Unique, at_most_one_of, exactly_one_of, list_map
from perfrun.api.names import PATH_PATTERN, HeaderName, PartName, VariableName
from perfrun.api.quantities import ByteSize, Duration, JsonValue
from perfrun.api.test.browser import BrowserRequest
from perfrun.api.test.extension import ExtensionRequest
from perfrun.api.test.sql import BATCH_TELLS_NO_ROWS, SqlRequest
from perfrun.api.test.target import Headers

Method = Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
ClassName = Literal[
    "Health",
    "Read",
    "Write",
    "Complex",
    "SimpleQuery",
    "ComplexQuery",
    "WriteOperation",
    "BatchOperation",
    "Page",
]

Path = Annotated[str, Field(pattern=PATH_PATTERN, min_length=1, max_length=2048)]
# A character class of a case-insensitive expression may cost milliseconds to compile.
FEW_CLASSES = r"^([^\[]*\[){0,16}[^\[]*$"
JsonPathText = Annotated[str, Field(max_length=512)]

DEFAULT_SCENARIO = "default"
DEFAULT_STEP = "get"


class HttpRequest(ApiModel):
    """An HTTP request. Path, header values, body and the strings in json may contain templates."""

    method: Method = Field(default="GET", description="HTTP method.")
    path: Path | None = Field(
        default=None,
        description="Path and query, appended to the URL of the target. Default: the URL as it is. "
        "Example: /orders?page=2.",
    )
    headers: Headers = Field(default=[], description="Headers of this request.")
    json_: JsonValue = Field(
        default=None,
        alias="json",
        description="Body as JSON; sets the content type too. Example: `{name: Ada}`.",
    )
    body: Annotated[str, Field(max_length=262_144)] | None = Field(
        default=None, description="Body as text. Not together with json."
    )

    # CEL does not see untyped fields: the operator reports this one in the Ready condition.
    rules = (at_most_one_of("json", "body", what="a request")._replace(cel="true"),)


class Expect(ApiModel):
    """What makes a response a success. Default: any final status below 400."""

    status: Annotated[
        list[Annotated[int, Field(ge=100, le=599)]], Field(max_length=20), Unique()
    ] = Field(
        default=[], description="HTTP status codes that count as success. Example: [200, 404]."
    )
    json_: Annotated[dict[JsonPathText, JsonValue], Field(max_length=20)] = Field(
        default={},
        alias="json",
        description="Expected values in the body, by JSONPath (RFC 9535). "
        "Example: `{$.status: paid}`.",
    )
    max_bytes: ByteSize | None = Field(
        default=None, description="Maximum size of the body, in bytes. Example: 64Ki."
    )
    rows: Annotated[int, Field(ge=0)] | None = Field(
        default=None, description="For sql: number of rows returned or changed."
    )


class Extraction(ApiModel):
    """Where to find the value in the response."""

    json_: JsonPathText | None = Field(
        default=None,
        alias="json",
        description="JSONPath (RFC 9535); takes the first match. Example: $.id.",
    )
    header: HeaderName | None = Field(
        default=None, description="Name of a header. Example: Location."
    )
    regex: Annotated[str, Field(min_length=1, max_length=512, pattern=FEW_CLASSES)] | None = Field(
        default=None,
        description="Regular expression for the body; takes the first group, or else the whole "
        "match. At most 16 character classes.",
    )
    column: Annotated[str, Field(min_length=1, max_length=128)] | None = Field(
        default=None, description="For sql: name of a column; takes its value in the first row."
    )

    rules = (exactly_one_of("json", "header", "regex", "column", what="an extraction"),)


class Step(ApiModel):
    """A request to the target, measured under its own name."""

    name: PartName = Field(description="Name of the step in objectives, reports and metrics.")
    class_: ClassName | None = Field(
        default=None,
        alias="class",
        description="Adds ready-made objectives to the step. Example: Read adds latency.p95 of at "
        "most 500ms and a throughput of at least 100/s.",
    )
    http: HttpRequest | None = Field(
        default=None,
        description="For an http target. Default: a GET request of its URL.",
    )
    sql: SqlRequest | None = None
    browser: BrowserRequest | None = None
    extension: ExtensionRequest | None = Field(
        default=None,
        description="For an extension target: arguments for its protocol. Values may contain "
        "templates.",
    )
    expect: Expect | None = None
    extract: Annotated[dict[VariableName, Extraction], Field(max_length=20)] = Field(
        default={},
        description="Values to take from the response, by name. Later steps of the iteration use "
        "them as $(name).",
    )
    think_time: Duration | None = Field(
        default=None, description="How long a user waits after this step. Example: 500ms."
    )

    rules = (
        at_most_one_of("http", "sql", "browser", "extension", what="a step"),
        BATCH_TELLS_NO_ROWS,
    )

    @field_validator("http")
    @classmethod
    def _default_is_absent(cls, http: HttpRequest | None) -> HttpRequest | None:
        # The API server writes the method into an empty object: the same test, with the same hash.
        return None if http == HttpRequest() else http

    @property
    def the_http(self) -> HttpRequest:
        """The request of a step of an http target."""
        return self.http or HttpRequest()

    @property
    def the_sql(self) -> SqlRequest:
        """The request of a step of a database; only if the target is one."""
        assert self.sql is not None
        return self.sql

    @property
    def the_extension(self) -> ExtensionRequest:
        """The request of a step of an extension; only if the target is one."""
        assert self.extension is not None
        return self.extension

    @property
    def the_browser(self) -> BrowserRequest:
        """The actions of a step in a page; only if the target is a web site."""
        assert self.browser is not None
        return self.browser


class Scenario(ApiModel):
    """A sequence of steps. An iteration runs one scenario, chosen by weight."""

    name: PartName = Field(description="Name of the scenario in objectives, reports and metrics.")
    weight: Annotated[int, Field(ge=1, le=10_000)] = Field(
        default=1,
        description="Share of the iterations, relative to the weights of the other scenarios.",
    )
    steps: Annotated[
        list[Step],
        Field(
            min_length=1,
            max_length=50,
            json_schema_extra=list_map("name"),
        ),
    ] = Field(description="Steps, executed in order. A failed step ends the iteration.")


def default_scenarios(step: str = DEFAULT_STEP) -> list[Scenario]:
    """The scenario of a test without scenarios: one GET of the target's url, or another step."""
    return [Scenario(name=DEFAULT_SCENARIO, steps=[Step(name=step)])]
