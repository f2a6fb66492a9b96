"""``perfrun quick URL``: the manifest that its options describe.

It is a text that ``perfrun run`` reads like a file, so there is only one way to run a test, and
``--save`` writes exactly what was run.
"""

import json
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from perfrun.api import API_VERSION, Json
from perfrun.api.test.metric import ERROR_RATE, LATENCY, LATENCY_P95
from perfrun.cli.init.secrets import fill_note, secret_name, secret_ref, secret_value
from perfrun.cli.init.texts import UniqueNames, slug
from perfrun.cli.init.write import yaml_text
from perfrun.local.files.manifests import MAX_FILE, FileRemark, Manifest, parse_manifests
from perfrun.local.values import Held

REQUESTS = 200
CONCURRENCY = 50
DURATION = "10s"
"""Units of a rate."""

_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*://|https?:", re.IGNORECASE)
_ORIGIN = re.compile(r"([^:]+://[^/?]*)(.*)", re.DOTALL)
_BARE = re.compile(r"[0-9]+(\.[0-9]+)?")
_OBJECTIVE = re.compile(r"\s*([A-Za-z0-9.]+)\s*([<>])=?\s*(\S+)\s*")
_TEMPLATE = "$("
_PARAMETER = re.compile(r"[?&]([^=&]+)=")
_CONTENT_TYPE = "Content-Type"
_STEP = "spec.scenarios[0].steps[0]"
_OPTIONS = (
    ("spec.target.http.url", "URL"),
    ("spec.target.http.headers", "-H"),
    ("spec.target.http.timeout", "-t"),
    (f"{_STEP}.http.path", "URL"),
    (f"{_STEP}.http.method", "-m"),
    (f"{_STEP}.http.body", "--body"),
    (f"{_STEP}.expect", "--expect"),
    ("spec.load.workers", "-w"),
    ("spec.load.burst.requests", "-n"),
    ("spec.load.burst.concurrency", "-c"),
    ("spec.load.burst", "-n and -c"),
    ("spec.load.closed.users", "-c"),
    ("spec.load.closed.duration", "-d"),
    ("spec.load.closed", "-c and -d"),
    ("spec.load.open.rate", "-r"),
    ("spec.load.open.duration", "-d"),
    ("spec.load.open.maxInFlight", "-c"),
    ("spec.load.open", "-r and -d"),
)
"""The option that a field comes from; the first match counts."""


@dataclass(frozen=True, slots=True)
class QuickOptions:
    """The command line; None or empty if an option was not given."""

    url: str
    requests: int | None = None
    concurrency: int | None = None
    duration: str | None = None
    rate: str | None = None
    workers: int | None = None
    method: str | None = None
    headers: Sequence[str] = ()
    """``Name: value``."""
    body: str | None = None
    http2: bool = False
    insecure: bool = False
    timeout: str | None = None
    expect: str | None = None
    """Statuses, with commas."""
    p95: str | None = None
    p99: str | None = None
    error_rate: str | None = None
    slos: Sequence[str] = ()
    """``metric<limit`` or ``metric>limit``."""


class QuickTest(NamedTuple):
    """The PerfTest that the options describe."""

    document: Json
    secrets: Mapping[str, str]
    """Values that the document only refers to, by key of the Secret ``secret``."""
    objectives: Sequence[str]
    """The option of each objective."""

    @property
    def secret(self) -> str:
        """Name of the Secret with the values that are not written."""
        return _secret_of(self.document["metadata"]["name"])

    @property
    def text(self) -> str:
        """The manifest."""
        return yaml_text(self.document)

    def saved_notes(self, file: Path) -> Iterator[str]:
        """What to know about the manifest, which is in ``file``."""
        if self.secrets:
            filled = fill_note(self.secret, list(self.secrets))
            yield f"{file}: written, without the values of secret headers. {filled}"
        else:
            yield f"{file}: written. To repeat this run: perfrun run {file}"
        url = self.document["spec"]["target"]["http"]["url"]
        shown = [name for name in _PARAMETER.findall(url) if secret_name(name)]
        if shown:
            names = ", ".join(shown)
            yield f"{file}: its URL contains the value of {names}: keep the file to yourself"

    def manifests(self) -> Iterator[Manifest]:
        """What ``perfrun run`` would read, with options in place of fields' names."""
        for manifest in parse_manifests("quick", self.text.encode()):
            yield replace(
                manifest,
                source="quick",
                problems=tuple(map(self._named, manifest.problems)),
                warnings=tuple(map(self._named, manifest.warnings)),
                in_cluster=tuple(map(self._named, manifest.in_cluster)),
            )
        if self.secrets:
            values = {key: value.encode() for key, value in self.secrets.items()}
            yield Manifest("quick", held=Held("Secret", "default", self.secret, values))

    def _named(self, remark: FileRemark) -> FileRemark:
        of_objectives = ((f"spec.slos[{i}]", name) for i, name in enumerate(self.objectives))
        for prefix, option in (*_OPTIONS, *of_objectives):
            if remark.field.startswith(prefix):
                return FileRemark("quick", None, "", option, remark.message)
        return FileRemark("quick", None, "", remark.field, remark.message)


def quick_test(options: QuickOptions) -> QuickTest:
    """The PerfTest that the options describe. Raises ValueError if they contradict each other."""
    url, path = _address(options.url)
    name = slug(_origin(url)[0].partition("://")[2], 40) or "quick"
    headers, secrets = _headers(options, _secret_of(name))
    target: Json = {"url": url}
    if options.http2:
        target["protocol"] = "HTTP/2"
    if options.timeout is not None:
        target["timeout"] = _with_unit(options.timeout, "s")
    if headers:
        target["headers"] = headers
    if options.insecure:
        target["tls"] = {"insecureSkipVerify": True}
    spec: Json = {"target": {"http": target}}
    if (step := _step(options, path)) is not None:
        spec["scenarios"] = [{"name": "default", "steps": [step]}]
    spec["load"] = _load(options)
    objectives = list(_objectives(options))
    if objectives:
        spec["slos"] = [objective for _, objective in objectives]
    metadata = {"name": name}
    document = {"apiVersion": API_VERSION, "kind": "PerfTest", "metadata": metadata, "spec": spec}
    return QuickTest(document, secrets, [option for option, _ in objectives])


def read_body(text: str) -> str:
    """The body that ``--body`` stands for: the text itself, or the content of ``@FILE`` or ``-``.
    Raises ValueError.
    """
    if text in ("-", "@-"):
        name, data = "standard input", sys.stdin.buffer.read(MAX_FILE + 1)
    elif text == "@":
        raise ValueError("--body @: the name of the file is missing, as in --body @order.json")
    elif text.startswith("@"):
        name = text[1:]
        try:
            with Path(name).open("rb") as stream:
                data = stream.read(MAX_FILE + 1)
        except OSError as error:
            raise ValueError(f"--body: {name} cannot be read: {error.strerror}") from error
    else:
        return text
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise ValueError(f"--body: {name} is not UTF-8 text") from None


def _address(text: str) -> tuple[str, str | None]:
    """URL of the target, and the path of the step if it contains a template."""
    url = text.partition("#")[0]  # no client sends it
    scheme = _SCHEME.match(url)
    url = f"http://{url}" if scheme is None else scheme[0].lower() + url[scheme.end() :]
    if _TEMPLATE not in url:
        return url, None
    origin, path = _origin(url)
    return origin, path if path.startswith("/") else f"/{path}"


def _origin(url: str) -> tuple[str, str]:
    found = _ORIGIN.match(url)
    return (found[1], found[2]) if found is not None else (url, "")


def _secret_of(test: str) -> str:
    return f"{test}-secrets"


def _headers(options: QuickOptions, secret: str) -> tuple[list[Json], dict[str, str]]:
    """The headers as the document contains them, and values that it must not contain, by key."""
    headers: list[Json] = []
    secrets: dict[str, str] = {}
    keys = UniqueNames()
    for text in options.headers:
        name, colon, value = (part.strip() for part in text.partition(":"))
        if not colon or not name:
            raise ValueError(f"-H {text!r}: write a name, a colon and a value: 'Accept: text/html'")
        if secret_name(name) or secret_value(value):
            key = keys.take(slug(name), "value")
            secrets[key] = value
            headers.append({"name": name, "valueFrom": secret_ref(secret, key)})
        else:
            headers.append({"name": name, "value": value})
    known = any(header["name"].lower() == _CONTENT_TYPE.lower() for header in headers)
    if options.body is not None and not known and _is_json(options.body):
        headers.append({"name": _CONTENT_TYPE, "value": "application/json"})
    return headers, secrets


def _is_json(body: str) -> bool:
    """Whether it is a JSON object or list: a number alone may be plain text as well."""
    try:
        return isinstance(json.loads(body), dict | list)
    except (ValueError, RecursionError):
        return False


def _step(options: QuickOptions, path: str | None) -> Json | None:
    """A step that is more than one GET of the URL; None if it is not."""
    method = (options.method or ("GET" if options.body is None else "POST")).upper()
    http: Json = {} if method == "GET" else {"method": method}
    if path is not None:
        http["path"] = path
    if options.body is not None:
        http["body"] = options.body
    step: Json = {"name": slug(method) or "request"}
    if http:
        step["http"] = http
    if options.expect is not None:
        step["expect"] = {"status": _statuses(options.expect)}
    return step if len(step) > 1 else None


def _statuses(text: str) -> list[int]:
    found = [one.strip() for one in text.split(",")]
    if not all(one.isascii() and one.isdecimal() for one in found):
        raise ValueError(f"--expect {text!r}: write statuses with commas, as in 200,204")
    return [int(one) for one in found]


def _load(options: QuickOptions) -> Json:
    requests, duration, rate = options.requests, options.duration, options.rate
    if requests is not None and rate is not None:
        raise ValueError(
            "-n and -r cannot be combined: a rate lasts for a time (-r 100 -d 30s); a number of "
            "requests is sent as fast as -c allows (-n 1000 -c 50)"
        )
    if requests is not None and duration is not None:
        raise ValueError(
            "-n and -d cannot be combined: write -n 1000 to end after 1000 requests, or -d 30s "
            "to end after 30 seconds; -c works with both"
        )
    load: Json = {} if options.workers is None else {"workers": options.workers}
    if rate is not None:
        open_ = {
            "rate": _with_unit(rate, "/s"),
            "duration": DURATION if duration is None else _with_unit(duration, "s"),
        }
        bound = {} if options.concurrency is None else {"maxInFlight": options.concurrency}
        return {**load, "open": {**open_, **bound}}
    if duration is not None:
        users = _at_once(options, None)
        return {**load, "closed": {"users": users, "duration": _with_unit(duration, "s")}}
    if requests is None:
        requests = max(REQUESTS, options.concurrency or 0, options.workers or 0)
    return {**load, "burst": {"requests": requests, "concurrency": _at_once(options, requests)}}


def _at_once(options: QuickOptions, requests: int | None) -> int:
    """How many requests are in flight at a time, of ``requests`` (None: unlimited)."""
    workers, most = options.workers or 1, requests or sys.maxsize
    if workers > most:
        raise ValueError(f"-n {most} is less than -w {workers}: each worker sends at least one")
    if options.concurrency is None:
        return min(max(CONCURRENCY, workers), most)
    if options.concurrency > most:
        raise ValueError(f"-c {options.concurrency} is more than -n {most}: raise -n, or lower -c")
    if options.concurrency < workers:
        raise ValueError(
            f"-c {options.concurrency} is less than -w {workers}: each worker has at least one"
        )
    return options.concurrency


def _with_unit(text: str, unit: str) -> str:
    return f"{text}{unit}" if _BARE.fullmatch(text) else text


def _objectives(options: QuickOptions) -> Iterator[tuple[str, Json]]:
    """Each objective with the option that it comes from."""
    limits = (
        ("--p95", LATENCY_P95, options.p95),
        ("--p99", f"{LATENCY}.p99", options.p99),
        ("--error-rate", ERROR_RATE, options.error_rate),
    )
    for option, metric, limit in limits:
        if limit is not None:
            yield option, {"metric": metric, "max": limit}
    for text in options.slos:
        found = _OBJECTIVE.fullmatch(text)
        if found is None:
            raise ValueError(
                f"--slo {text!r}: write a metric, < or > and a limit: 'latency.p99<1s', "
                "'throughput>100/s'"
            )
        metric, sign, limit = found.groups()
        # Counts are numbers in a manifest.
        value = int(limit) if limit.isascii() and limit.isdecimal() else limit
        yield f"--slo {metric}", {"metric": metric, "max" if sign == "<" else "min": value}
