"""What is put under load, and how it is reached."""

import json
import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from perfrun.api.base import ApiModel, Rule, Unique, exactly_one_of, list_map
from perfrun.api.names import URL_PATTERN as URL_PATTERN
from perfrun.api.names import HeaderName, HeaderValue
from perfrun.api.names import Url as Url
from perfrun.api.quantities import Duration
from perfrun.api.test.browser import BrowserTarget
from perfrun.api.test.commands.benchmark import BenchmarkTarget
from perfrun.api.test.commands.script import ScriptTarget
from perfrun.api.test.extension import ExtensionTarget
from perfrun.api.test.sql import SqlTarget
from perfrun.api.test.values import ClientCertificate, SecretValue, ValueSource


class BearerAuth(ApiModel):
    """Sends ``Authorization: Bearer TOKEN``."""

    token_from: SecretValue = Field(description="Secret key with the token.")


class BasicAuth(ApiModel):
    """Sends ``Authorization: Basic`` with a user name and a password."""

    username: HeaderValue | None = Field(default=None, description="The user name.")
    username_from: SecretValue | None = Field(
        default=None, description="Secret key with the user name."
    )
    password_from: SecretValue = Field(description="Secret key with the password.")

    rules = (exactly_one_of("username", "usernameFrom", what="auth.basic"),)


class OAuth2Auth(ApiModel):
    """Sends a bearer token from a client credentials grant (RFC 6749, section 4.4). Workers renew
    it before it expires."""

    token_url: Url = Field(description="URL of the token endpoint.")
    client_id: HeaderValue | None = Field(default=None, description="The client ID.")
    client_id_from: SecretValue | None = Field(
        default=None, description="Secret key with the client ID."
    )
    client_secret_from: SecretValue = Field(description="Secret key with the client secret.")
    scopes: Annotated[
        list[Annotated[str, Field(pattern=r"^[!#-\[\]-~]+$", max_length=256)]],
        Field(max_length=50),
        Unique(),
    ] = Field(default=[], description="Scopes to request. Example: [orders.read].")
    audience: Annotated[str, Field(min_length=1, max_length=512)] | None = Field(
        default=None,
        description="Value of the parameter `audience`, for servers that require it. Default: not "
        "sent.",
    )

    rules = (exactly_one_of("clientId", "clientIdFrom", what="auth.oauth2"),)


# No space, quote or control character, because it is printed in a command.
Audience = Annotated[
    str, Field(min_length=1, max_length=512, pattern=r"^[A-Za-z0-9._~:/?#@!$&()*+,;=%-]+$")
]
FOR_THE_API_SERVER = (
    "the Kubernetes API server itself accepts tokens for this audience, so the target could use "
    "the token there: use an audience of the target"
)
API_SERVER_AUDIENCE = r"^(https?://)?kubernetes(\.default(\.svc(\..*)?)?)?(:[0-9]+)?/?$"
"""The default names of an API server for itself."""


class ServiceAccountToken(ApiModel):
    """Sends a token of the service account perfrun-worker, which has no permissions. The kubelet
    renews the token."""

    audience: Audience = Field(
        description="Audience of the token: the name by which the target accepts it. A PerfPolicy "
        "must allow it."
    )

    rules = (
        Rule(
            cel="self.audience != 'perfrun.dev'",
            holds=lambda token: token.audience != "perfrun.dev",
            message=(
                "the audience perfrun.dev is reserved: workers use it to authenticate to the "
                "operator"
            ),
            field=".audience",
        ),
        Rule(
            cel=f"!self.audience.matches({json.dumps(API_SERVER_AUDIENCE)})",
            holds=lambda token: re.match(API_SERVER_AUDIENCE, token.audience) is None,
            message=FOR_THE_API_SERVER,
            field=".audience",
        ),
    )


class Auth(ApiModel):
    """Authentication of all requests. Exactly one method is required."""

    bearer: BearerAuth | None = None
    basic: BasicAuth | None = None
    oauth2: OAuth2Auth | None = None
    service_account_token: ServiceAccountToken | None = None

    rules = (exactly_one_of("bearer", "basic", "oauth2", "serviceAccountToken", what="auth"),)


class Header(ApiModel):
    """An HTTP header."""

    name: HeaderName = Field(description="Name of the header. Example: Accept.")
    value: HeaderValue | None = Field(
        default=None, description="Value of the header. May contain templates."
    )
    value_from: ValueSource | None = Field(
        default=None, description="Secret or ConfigMap key with the value."
    )

    rules = (exactly_one_of("value", "valueFrom", what="a header"),)


class Tls(ApiModel):
    """How TLS connections to the target are verified and authenticated."""

    ca_from: ValueSource | None = Field(
        default=None,
        description="CA certificates to trust, in PEM format. Default: those of the worker's "
        "image.",
    )
    client_certificate_from: ClientCertificate | None = Field(
        default=None, description="Client certificate to present to the target."
    )
    server_name: Annotated[str, Field(max_length=253)] | None = Field(
        default=None,
        description="Name that the certificate of the target must have, also sent as SNI. Default: "
        "the host of the URL.",
    )
    insecure_skip_verify: bool = Field(
        default=False, description="Accepts any certificate. Only for test environments."
    )
    session_reuse: bool = Field(
        default=False,
        description="Resumes the last TLS session on new connections. If false, every handshake is "
        "full.",
    )


def _distinct(headers: list[Header]) -> list[Header]:
    seen: set[str] = set()
    for header in headers:
        name = header.name.lower()  # HTTP does not distinguish X-A from x-a
        if name in seen:
            raise ValueError(f"header {header.name} is given twice: remove one")
        seen.add(name)
    return headers


Headers = Annotated[
    list[Header],
    AfterValidator(_distinct),
    Field(
        max_length=50,
        json_schema_extra=list_map("name"),
    ),
]


class Retries(ApiModel):
    """Retries failed attempts immediately, within the timeout of the request.

    Every attempt is counted. The response time includes all of them.
    """

    limit: Annotated[int, Field(ge=0, le=10)] = Field(
        default=0, description="Maximum number of retries of a request."
    )
    errors: Annotated[
        list[Literal["DNS", "Connect", "TLS", "Reset", "Status5xx"]],
        Field(min_length=1, max_length=5),
        Unique(),
    ] = Field(default=["Connect"], description="Error classes to retry.")


class HttpTarget(ApiModel):
    """An HTTP service."""

    url: Url = Field(
        description="URL of the service. Steps append their paths. Example: http://shop:8000/api."
    )
    protocol: Literal["HTTP/1.1", "HTTP/2"] = Field(
        default="HTTP/1.1", description="Version of HTTP."
    )
    timeout: Duration = Field(
        default="30s",
        validate_default=True,
        description="Maximum time of a request, including redirects and retries. Example: 5s.",
    )
    connect_timeout: Duration = Field(
        default="10s",
        validate_default=True,
        description="Maximum time to open a connection. Example: 2s.",
    )
    connections: Literal["Shared", "PerUser", "PerRequest"] = Field(
        default="Shared",
        description="Which connection a request uses. Shared: one of a pool for all users of a "
        "worker. PerUser: the user's own. PerRequest: a new one.",
    )
    auth: Auth | None = None
    headers: Headers = Field(default=[], description="Headers of every request.")
    tls: Tls | None = None
    redirects: Annotated[int, Field(ge=0, le=20)] = Field(
        default=5,
        description="Maximum number of redirects to follow. With 0, the redirect itself is the "
        "response.",
    )
    retries: Retries | None = None
    compression: bool = Field(
        default=False,
        description="Accepts gzip and deflate. Bodies are decompressed only if a step reads them.",
    )
    cookies: bool = Field(
        default=False, description="Each user keeps the cookies that the target sets."
    )
    traceparent: bool = Field(
        default=False,
        description="Sends a W3C traceparent header. The result keeps the trace IDs of the ten "
        "slowest requests of each step.",
    )


TargetKind = Literal["http", "sql", "browser", "benchmark", "script", "extension"]


class Target(ApiModel):
    """What to put under load. Exactly one kind of target is required."""

    http: HttpTarget | None = None
    sql: SqlTarget | None = None
    browser: BrowserTarget | None = None
    benchmark: BenchmarkTarget | None = None
    script: ScriptTarget | None = None
    extension: ExtensionTarget | None = None

    rules = (
        exactly_one_of("http", "sql", "browser", "benchmark", "script", "extension", what="target"),
    )

    @property
    def kind(self) -> TargetKind:
        """The kind of the target."""
        if self.http is not None:
            return "http"
        if self.sql is not None:
            return "sql"
        if self.browser is not None:
            return "browser"
        if self.script is not None:
            return "script"
        return "benchmark" if self.benchmark is not None else "extension"

    @property
    def timeout(self) -> int:
        """ns that a step may take."""
        return self.the_one.timeout

    @property
    def the_one(
        self,
    ) -> HttpTarget | SqlTarget | BrowserTarget | BenchmarkTarget | ScriptTarget | ExtensionTarget:
        """The target, of whatever kind; the rules ensure that there is one."""
        commands = self.benchmark or self.script
        return self.browser or commands or self.extension or self.sql or self.the_http

    @property
    def connect_timeout(self) -> int | None:
        """ns that opening a connection may take; None if there are no connections."""
        one = self.the_one
        return None if isinstance(one, BenchmarkTarget | ScriptTarget) else one.connect_timeout

    @property
    def url(self) -> str | None:
        """Its URL, if it has one."""
        known = self.browser or self.http
        return known.url if known is not None else None

    @property
    def account_audience(self) -> str | None:
        """The audience of the service account's token that requests carry; None if they
        carry none.
        """
        auth = self.http.auth if self.http is not None else None
        token = auth.service_account_token if auth is not None else None
        return token.audience if token is not None else None

    @property
    def the_http(self) -> HttpTarget:
        """The HTTP target; only if it is one."""
        assert self.http is not None
        return self.http

    @property
    def the_browser(self) -> BrowserTarget:
        """The web site; only if it is one."""
        assert self.browser is not None
        return self.browser

    @property
    def the_sql(self) -> SqlTarget:
        """The database; only if it is one."""
        assert self.sql is not None
        return self.sql

    @property
    def the_extension(self) -> ExtensionTarget:
        """The server of an extension's protocol; only if it is one."""
        assert self.extension is not None
        return self.extension

    @property
    def the_benchmark(self) -> BenchmarkTarget:
        """The benchmark; only if it is one."""
        assert self.benchmark is not None
        return self.benchmark

    @property
    def the_script(self) -> ScriptTarget:
        """The script; only if it is one."""
        assert self.script is not None
        return self.script
