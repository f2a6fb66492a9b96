"""Steps compiled to bytes: everything constant is encoded once, at the start."""

import re
from collections.abc import Callable
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from perfrun.api.names import port_of
from perfrun.api.test.scenario import HttpRequest, Step
from perfrun.api.test.target import Header, HttpTarget
from perfrun.engine.compiled import CompiledScenario
from perfrun.engine.data.feeds import read_feeds
from perfrun.engine.data.generate import mix
from perfrun.engine.data.template import Compiler, Extracted, Template
from perfrun.engine.errors import DataError
from perfrun.engine.http.pool import Origin
from perfrun.engine.http.protocols import Encode, version_of
from perfrun.engine.response.content import ACCEPTED
from perfrun.engine.response.expect import Expectation, without
from perfrun.engine.response.extract import Extractor
from perfrun.engine.response.read_plan import ReadMode, ReadPlan
from perfrun.measure.plan import RunPlan
from perfrun.reach.values import Values, value_of

MAX_SHOWN = 1024
"""Bytes of a request line that are looked at where it is shown."""
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_NOT_IN_A_PATH = re.compile(rb"[\x00-\x20\x7f-\xff#]")
_COMPUTED = ("content-length", "transfer-encoding")

Encoded = Callable[[int, Extracted], bytes]
"""The value of a template for an iteration, as bytes."""
TraceId = Callable[[int], str]
"""The trace id (32 hexadecimal digits) of a step's request, by the number of the iteration."""


class HeaderField(NamedTuple):
    """A header as bytes."""

    name: str
    value: Template
    secret: bool = False
    """Whether it must never be sent to another origin."""


class CompiledStep:
    """A step that is ready to send."""

    __slots__ = (
        "_build",
        "checks",
        "expectation",
        "extract",
        "fine",
        "name",
        "raw",
        "read_plan",
        "secret_body",
        "secret_names",
        "think_time",
        "trace",
    )

    def __init__(
        self,
        step: Step,
        where: str,
        fields: list[HeaderField],
        build: "Builder",
        trace: TraceId | None = None,
        *,
        secret_body: bool = False,
    ) -> None:
        self.name = step.name
        self.think_time = step.think_time or 0
        """ns after the step."""
        self.expectation = Expectation(step.expect, f"{where}.expect.json")
        self.extract = Extractor(step.extract, f"{where}.extract")
        """Values that later steps need from the response."""
        self.fine = frozenset[int]() if self.extract else self.expectation.fine
        """Status codes that alone make a response a success."""
        self.checks = self.expectation.status_checks
        """Checks that such a response has passed."""
        needs_body = self.expectation.needs_body or self.extract.needs_body
        mode = ReadMode.BODY if needs_body else ReadMode.STATUS
        if step.the_http.method == "HEAD":
            mode = ReadMode.HEAD_ONLY
        self.read_plan = ReadPlan(mode, self.expectation.size_limit)
        """How to read its responses."""
        self.secret_names = frozenset(
            field.name.lower().encode() for field in fields if field.secret
        )
        self.secret_body = secret_body
        """Whether values of Secrets are in the body: it is never sent to another origin."""
        self.trace = trace
        """The trace ids of its requests, if they have one."""
        if trace is not None:
            self.fine = frozenset()  # every response is examined, because the slowest are kept
        self._build = build.request
        self.raw: Any = build.request(0, {}) if build.is_static else None
        """The request, if it is the same for every iteration."""

    def render(self, number: int, values: dict[str, str]) -> Any:
        """The request of the iteration ``number``; ``values`` are those that it has extracted so
        far.

        Raises OutOfDataError if a feed has no row left.
        """
        return self.raw or self._build(number, values)


class Builder:
    """Builds a request: request line, headers, length, body."""

    __slots__ = ("_body", "_encode", "_fields", "_framed", "_method", "_path")

    def __init__(
        self,
        method: str,
        path: Template,
        fields: list[HeaderField],
        body: Template | None,
        encode: Encode,
    ) -> None:
        self._encode = encode
        self._method = method.encode()
        self._path = _folded(path, _encoded_path)
        head = Template([""])
        for field in fields:
            head = head + Template([f"{field.name}: "]) + field.value + Template(["\r\n"])
        self._fields = _folded(head, str.encode)
        self._body = None if body is None else _folded(body, str.encode)
        # A request that may have a body declares its length even if it has none (RFC 9110, 8.6).
        self._framed = body is not None or method in ("POST", "PUT", "PATCH")

    @property
    def is_static(self) -> bool:
        """Whether every iteration sends the same."""
        return not (callable(self._path) or callable(self._fields) or callable(self._body))

    def request(self, number: int, values: Extracted) -> Any:
        """One request in the form of its protocol. Raises OutOfDataError if a feed has
        no row left.
        """
        path = self._path(number, values) if callable(self._path) else self._path
        fields = self._fields(number, values) if callable(self._fields) else self._fields
        body = self._body(number, values) if callable(self._body) else self._body or b""
        length = b"Content-Length: %d\r\n" % len(body) if self._framed else b""
        parts = (self._method, path, fields, length, body)
        return self._encode(b"%s %s HTTP/1.1\r\n%s%s\r\n%s" % parts)


def shown(request: bytes, values: Extracted) -> str:
    """Method and path of a request, for people, without what its iteration has extracted."""
    line = request.partition(b" HTTP/1.1\r\n")[0].decode("utf-8", "replace")
    return without(line, values)[:MAX_SHOWN]


def origin_of(url: str) -> Origin:
    """Scheme, host and port of an absolute http or https URL. Raises ValueError for others."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"{url} is not an http or https URL")
    if not (port := port_of(parts)):
        raise ValueError(f"{url} has port 0, on which nothing can listen")
    return Origin(parts.scheme, parts.hostname, port)


def encoded_target(url: str) -> bytes:
    """The path and query of an absolute URL, as in a request line."""
    parts = urlsplit(url)
    return _encoded_path((parts.path or "/") + (f"?{parts.query}" if parts.query else ""))


def compile_scenarios(
    plan: RunPlan, values: Values, authorization: Template | None = None
) -> list[CompiledScenario]:
    """Every step of a plan, compiled. Raises DataError if something cannot be resolved.

    ``authorization`` is the value of that header, if there is one.
    """
    feeds = read_feeds(plan, values)
    compiler = Compiler(plan.seed, plan.variables, feeds)
    target = plan.target.the_http
    common = _common_fields(plan.user_agent, target, values, compiler, authorization)
    return compiler.scenarios(
        plan, lambda step, where: _compile_step(step, where, target, common, compiler, values)
    )


def _compile_step(
    step: Step,
    where: str,
    target: HttpTarget,
    common: list[HeaderField],
    compiler: Compiler,
    values: Values,
) -> CompiledStep:
    own = _header_fields(step.the_http.headers, f"{where}.http.headers", values, compiler)
    body = _body(step.the_http, f"{where}.http", compiler)
    if step.the_http.json_ is not None:
        own = _over([HeaderField("Content-Type", Template(["application/json"]))], own)
    fields = _over(common, own)
    encode = version_of(target).encoder(urlsplit(target.url).scheme)
    path = _path(target, step.the_http, f"{where}.http.path", compiler)
    trace = trace_ids(compiler.seed, compiler.next_place()) if target.traceparent else None
    if trace is not None:
        fields = _over([HeaderField("traceparent", traceparent(trace))], fields)
    build = Builder(step.the_http.method, path, fields, body, encode)
    secret_body = body is not None and body.secret
    return CompiledStep(step, where, fields, build, trace, secret_body=secret_body)


def _path(target: HttpTarget, request: HttpRequest, where: str, compiler: Compiler) -> Template:
    parts = urlsplit(target.url)
    if request.path is None:
        return Template([(parts.path or "/") + (f"?{parts.query}" if parts.query else "")])
    # The url's own query belongs to the url as it is, not to paths below it.
    return Template([parts.path.rstrip("/")]) + compiler.text(request.path, where)


def _body(request: HttpRequest, where: str, compiler: Compiler) -> Template | None:
    if request.json_ is not None:
        return compiler.json(request.json_, f"{where}.json")
    if request.body is not None:
        return compiler.text(request.body, f"{where}.body")
    return None


def _common_fields(
    user_agent: str,
    target: HttpTarget,
    values: Values,
    compiler: Compiler,
    authorization: Template | None,
) -> list[HeaderField]:
    netloc = urlsplit(target.url).netloc
    fields = [
        HeaderField("Host", Template([netloc])),
        HeaderField("User-Agent", Template([user_agent])),
        HeaderField("Accept", Template(["*/*"])),
    ]
    if target.connections == "PerRequest":
        fields.append(HeaderField("Connection", Template(["close"])))
    if target.compression:
        fields.append(HeaderField("Accept-Encoding", Template([ACCEPTED])))
    if authorization is not None:
        fields.append(HeaderField("Authorization", authorization, secret=True))
    own = _header_fields(target.headers, "spec.target.http.headers", values, compiler)
    return _over(fields, own)


def _header_fields(
    headers: list[Header], where: str, values: Values, compiler: Compiler
) -> list[HeaderField]:
    fields = []
    for header in headers:
        at = f"{where}[{header.name}]"
        if header.name.lower() in _COMPUTED:
            raise DataError(f"{at}: perfrun sets {header.name} itself: remove it")
        if header.value_from is not None:
            text, secret = value_of(header.value_from, values, f"{at}.valueFrom")
            fields.append(HeaderField(header.name, Template([one_line(text, at)]), secret))
        else:
            value = compiler.line(header.value or "", at)
            value.check(lambda text, at=at: one_line(text, at))  # type: ignore[misc]
            login = header.name.lower() in ("authorization", "cookie", "proxy-authorization")
            fields.append(HeaderField(header.name, value, login or value.secret))
    return fields


def _over(fields: list[HeaderField], own: list[HeaderField]) -> list[HeaderField]:
    """Both, without those of ``fields`` that are also in ``own``."""
    names = {field.name.lower() for field in own}
    return [field for field in fields if field.name.lower() not in names] + own


def one_line(text: str, where: str) -> str:
    """A valid header value. Raises DataError for any other."""
    if _CONTROL.search(text):
        raise DataError(
            f"{where}: the value has a line break or another control character, which is not "
            "allowed in a header"
        )
    return text


def _encoded_path(text: str) -> bytes:
    return _NOT_IN_A_PATH.sub(lambda match: b"%%%02X" % match[0][0], text.encode())


def _folded(template: Template, encode: Callable[[str], bytes]) -> bytes | Encoded:
    """The bytes of a constant template, or else a function that returns them."""
    if template.static is not None:
        return encode(template.static)
    return lambda number, values: encode(template(number, values))


def trace_ids(seed: int, place: int) -> TraceId:
    """The trace ids of one step's requests; they depend only on the seed and the place in the plan.

    W3C Trace Context, version 00 (https://www.w3.org/TR/trace-context/): every request names its
    trace, so that a slow one can be looked up.
    """
    salt = mix(seed ^ mix(~place))

    def trace_id(number: int) -> str:
        draw = mix(salt + number)
        # All zeros would be invalid: the last bit prevents that.
        return f"{draw:016x}{mix(draw) | 1:016x}"

    return trace_id


def traceparent(ids: TraceId) -> Template:
    """The value of the header: sampled, with the request as the parent of later spans."""
    return Template(["00-", lambda number, _: ids(number), "-", _parent(ids), "-01"])


def _parent(ids: TraceId) -> Callable[[int, object], str]:
    return lambda number, _: f"{mix(int(ids(number)[:16], 16)) | 1:016x}"
