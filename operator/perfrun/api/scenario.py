"""What one user does: scenarios of steps, what is expected of each, and classes of objectives."""

from typing import Annotated, Literal

from pydantic import Field, field_validator

from perfrun.api.base import ApiModel, at_most_one_of, exactly_one_of
from perfrun.api.browser import BrowserRequest
from perfrun.api.extension import ExtensionRequest
from perfrun.api.names import HeaderName, PartName, VariableName
from perfrun.api.quantities import ByteSize, Duration, JsonValue
from perfrun.api.sql import BATCH_TELLS_NO_ROWS, SqlRequest
from perfrun.api.target import Headers

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

Path = Annotated[str, Field(pattern=r"^/[^\x00-\x1f\x7f#]*$", min_length=1, max_length=2048)]
# A class of a case-blind expression may cost milliseconds to compile.
FEW_CLASSES = r"^([^\[]*\[){0,16}[^\[]*$"
JsonPathText = Annotated[str, Field(max_length=512)]

DEFAULT_SCENARIO = "default"
DEFAULT_STEP = "get"


class HttpRequest(ApiModel):
    """One request; path, header values, body and the texts in json may hold templates."""

    method: Method = "GET"
    path: Path | None = Field(
        default=None,
        description="Appended to the target's url; absent: the url as it stands.",
    )
    headers: Headers = []
    json_: JsonValue = Field(default=None, alias="json")
    body: Annotated[str, Field(max_length=262_144)] | None = None

    # CEL does not see untyped fields: this one is said by the operator, on the Ready condition.
    rules = (at_most_one_of("json", "body", what="a request")._replace(cel="true"),)


class Expect(ApiModel):
    """What makes a response a success. Without it, any final 2xx or 3xx is one."""

    status: Annotated[list[Annotated[int, Field(ge=100, le=599)]], Field(max_length=20)] = []
    json_: Annotated[dict[JsonPathText, JsonValue], Field(max_length=20)] = Field(
        default={}, alias="json", description="JSONPath (RFC 9535) to the value expected there."
    )
    max_bytes: ByteSize | None = None
    rows: Annotated[int, Field(ge=0)] | None = Field(
        default=None, description="Of sql: rows that come back, or that were changed."
    )


class Extraction(ApiModel):
    """Where in a response a value is found that later steps use by its name."""

    json_: JsonPathText | None = Field(
        default=None, alias="json", description="JSONPath (RFC 9535); the first value found."
    )
    header: HeaderName | None = None
    regex: Annotated[str, Field(min_length=1, max_length=512, pattern=FEW_CLASSES)] | None = Field(
        default=None,
        description="Searched in the body; its first group, or the whole match. At most 16 "
        "classes.",
    )
    column: Annotated[str, Field(min_length=1, max_length=128)] | None = Field(
        default=None, description="Of sql: a column of the first row."
    )

    rules = (exactly_one_of("json", "header", "regex", "column", what="an extraction"),)


class Step(ApiModel):
    """One request of a scenario, measured under its own name."""

    name: PartName
    class_: ClassName | None = Field(default=None, alias="class")
    http: HttpRequest | None = Field(
        default=None, description="Default, of an http target: one GET of its url."
    )
    sql: SqlRequest | None = None
    browser: BrowserRequest | None = None
    extension: ExtensionRequest | None = Field(
        default=None,
        description="What the protocol of an extension is told; may hold templates.",
    )
    expect: Expect | None = None
    extract: Annotated[dict[VariableName, Extraction], Field(max_length=20)] = Field(
        default={}, description="Names that later steps of the iteration use as $(name)."
    )
    think_time: Duration | None = Field(
        default=None, description="How long a user waits after this step."
    )

    rules = (
        at_most_one_of("http", "sql", "browser", "extension", what="a step"),
        BATCH_TELLS_NO_ROWS,
    )

    @field_validator("http")
    @classmethod
    def _default_is_absent(cls, http: HttpRequest | None) -> HttpRequest | None:
        # The API server writes the method into an empty one: the same test, under the same hash.
        return None if http == HttpRequest() else http

    @property
    def the_http(self) -> HttpRequest:
        """The request of a step of an http target."""
        return self.http or HttpRequest()

    @property
    def the_sql(self) -> SqlRequest:
        """The request of a step of a database, where only such can be."""
        assert self.sql is not None
        return self.sql

    @property
    def the_extension(self) -> ExtensionRequest:
        """The request of a step of an extension, where only such can be."""
        assert self.extension is not None
        return self.extension

    @property
    def the_browser(self) -> BrowserRequest:
        """What a step does in a page, where only such can be."""
        assert self.browser is not None
        return self.browser


class Scenario(ApiModel):
    """Steps in order, chosen as often as its weight among the others says."""

    name: PartName
    weight: Annotated[int, Field(ge=1, le=10_000)] = 1
    steps: Annotated[
        list[Step],
        Field(
            min_length=1,
            max_length=50,
            json_schema_extra={
                "x-kubernetes-list-type": "map",
                "x-kubernetes-list-map-keys": ["name"],
            },
        ),
    ]


def default_scenarios(step: str = DEFAULT_STEP) -> list[Scenario]:
    """The scenario of a test that names none: one GET of the target's url, or another step."""
    return [Scenario(name=DEFAULT_SCENARIO, steps=[Step(name=step)])]
