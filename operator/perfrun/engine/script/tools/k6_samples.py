"""The samples of k6, as its JSON output writes them: a line for each sample of each metric.

JSON and not CSV: it costs k6 the same, a row is always one line, and it says the types of metrics.
"""

import json
from array import array
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from datetime import datetime
from math import isfinite

import numpy as np

from perfrun.api.quantities import NS_PER_MS
from perfrun.engine.errors import ErrorClass
from perfrun.engine.script.lines import UNREADABLE, LineBuffer
from perfrun.engine.script.tool import SETUP, TEARDOWN, SampleRows
from perfrun.logic.plan.thresholds import MetricSelector, parse_selector
from perfrun.measure.script import MAX_VALUE, MetricType

MAX_SERIES = 4096
"""Different tags of one metric that are kept parsed."""
_MAX_MS = 9e9
"""The longest duration that is recorded, in ms."""
_MAX_DIGITS = 9
_NAME = len(b'{"metric":"')
_KINDS: dict[str, MetricType] = {
    "trend": "Trend",
    "rate": "Rate",
    "counter": "Counter",
    "gauge": "Gauge",
}
_DURATION = "http_req_duration"
_DERIVED: dict[str, MetricType] = {"http_reqs": "Counter", "http_req_failed": "Rate"}
"""What is known from the durations: each request has one."""
_SKIPPED = (
    *_DERIVED,
    *(f"http_req_{part}" for part in ("blocked", "connecting", "tls_handshaking")),
    *(f"http_req_{part}" for part in ("sending", "waiting", "receiving")),
)
"""Rows of every request that are not read, unless a threshold is about them."""
_SETUP_GROUPS = {"::setup": SETUP, "::teardown": TEARDOWN}
_CLASSES = (
    (1050, 1050, ErrorClass.TIMEOUT),
    (1100, 1109, ErrorClass.DNS),
    (1110, 1119, ErrorClass.POLICY),
    (1201, 1201, ErrorClass.RESET),
    (1210, 1219, ErrorClass.CONNECT),
    (1200, 1299, ErrorClass.RESET),
    (1300, 1399, ErrorClass.TLS),
    (1400, 1499, ErrorClass.STATUS4XX),
    (1500, 1599, ErrorClass.STATUS5XX),
    (1600, 1699, ErrorClass.PROTOCOL),
)
"""k6's error codes, from the first to the last of each class; the first match counts."""


class _Series:
    """The rows of one metric with the same tags; those of one chunk are taken together."""

    __slots__ = ("head", "keys", "kind", "take", "values")

    def __init__(
        self,
        kind: MetricType,
        keys: tuple[str, ...],
        take: Callable[[list[float], int], None] | None,
    ) -> None:
        self.kind, self.keys, self.take = kind, keys, take
        self.values: list[bytes] = []
        self.head = b""
        """The beginning of the last row, with its time."""


class K6Decoder:
    """Reads the JSON lines that k6 writes.

    Most rows are skipped by the name of their metric. Of the others, those with the same tags share
    the end of their line, byte for byte, so only the value of each is parsed.
    """

    def __init__(self, rows: SampleRows) -> None:
        self._rows = rows
        self._lines = LineBuffer()
        self._selectors: dict[str, list[tuple[str, MetricSelector]]] = {}
        """By metric: the keys of thresholds with selectors, and their tags."""
        self._kinds: dict[str, MetricType] = dict(_DERIVED)
        self._plain = set(_DERIVED)
        """Metrics that are derived."""
        self._series: dict[bytes, dict[bytes, _Series] | None] = {
            name.encode(): None for name in _SKIPPED
        }
        """By metric, and by the end of the line; None: skipped."""

    def select(self, metrics: Iterable[str]) -> None:
        """Read what these thresholds are about; before the load."""
        for key in metrics:
            name = key.partition("{")[0]
            if name in _SKIPPED:
                self._series.pop(name.encode(), None)
                self._plain.discard(name)
            with suppress(ValueError):  # one that k6 refuses
                selector = parse_selector(key)
                if selector.tags:
                    self._selectors.setdefault(name, []).append((key, selector))

    def feed(self, data: bytes) -> None:
        """Read what is complete."""
        lines, too_long = self._lines.feed(data)
        if too_long:
            self._rows.unreadable(too_long)
        self._read(lines)

    def end(self) -> None:
        """What is left has no end of a line: it is no row."""
        if self._lines.end():
            self._rows.unreadable(1)

    def _read(self, lines: list[bytes]) -> None:
        by_metric = self._series
        touched: list[_Series] = []
        for line in lines:
            name = line[_NAME : line.find(b'"', _NAME)]
            known = by_metric.get(name, _UNKNOWN)
            if known is None:
                continue
            head, found, rest = line.partition(b'","value":')
            value, more, tail = rest.partition(b",")
            if known is _UNKNOWN or not more:
                known = self._learned(line, name, found=bool(found and more))
            if known is None:
                continue
            if (series := known.get(tail)) is None:
                if (new := self._new_series(name, tail)) is None:
                    self._rows.unreadable(1)
                    continue
                if len(known) >= MAX_SERIES:
                    known.clear()
                series = known[tail] = new
            if not series.values:
                touched.append(series)
            series.values.append(value)
            series.head = head
        for series in touched:
            self._flush(series)

    def _learned(self, line: bytes, name: bytes, *, found: bool) -> dict[bytes, _Series] | None:
        """The series of a metric whose first row this is; None: it is another row."""
        if found and line.startswith(b'{"metric":"'):
            text = name.decode(errors="replace")
            if text in self._kinds:
                return self._series.setdefault(name, {})
        elif line.startswith(b'{"type":"Metric"'):
            with suppress(*UNREADABLE):
                metric = json.loads(line)["data"]
                self._kinds[str(metric["name"])] = _KINDS[metric["type"]]
                return None
        if line:
            self._rows.unreadable(1)
        return None

    def _flush(self, series: _Series) -> None:
        at = _time(series.head)
        values = _numbers(series.values)
        if len(values) < len(series.values):
            self._rows.unreadable(len(series.values) - len(values))
        series.values = []
        if not values:
            return
        if series.take is not None:
            series.take(values, at)
        for key in series.keys:
            self._rows.metrics(key, series.kind, values, at)

    def _new_series(self, name: bytes, tail: bytes) -> _Series | None:
        """The series of a row by the end of its line; None: it cannot be read."""
        try:
            metric = name.decode()
            row = json.loads(b"{" + tail.removesuffix(b"}"))
            tags = {str(key): str(value) for key, value in row["tags"].items()}
        except UNREADABLE:
            return None
        keys = [metric]
        for key, selector in self._selectors.get(metric, []):
            if selector.selects(tags):
                keys.append(key)
        if metric == "group_duration":
            keys.append(f"group_duration{{group:{tags.get('group', '')}}}")
        return _Series(self._kinds[metric], tuple(dict.fromkeys(keys)), self._taker(metric, tags))

    def _taker(
        self, metric: str, tags: Mapping[str, str]
    ) -> Callable[[list[float], int], None] | None:
        """What else a row of a metric says."""
        rows, scenario = self._rows, tags.get("scenario", "")
        scenario = _SETUP_GROUPS.get(tags.get("group", ""), scenario or "default")
        match metric:
            case "http_req_duration" | "grpc_req_duration":
                return self._of_requests(metric, scenario, tags)
            case "checks":
                name, step = tags.get("check", ""), tags.get("name", "")

                return lambda values, _: rows.check(
                    scenario, step, name, len(values) - values.count(0.0), values.count(0.0)
                )
            case "iterations":
                return lambda values, _: rows.iteration(scenario, _total(values))
            case "dropped_iterations":
                return lambda values, _: rows.iteration(scenario, 0, _total(values))
            case "vus":
                return lambda values, _: rows.users(round(max(values)))
        return None

    def _of_requests(
        self, metric: str, scenario: str, tags: Mapping[str, str]
    ) -> Callable[[list[float], int], None]:
        rows, step = self._rows, tags.get("name") or tags.get("method") or metric
        status = _number(tags, "status")
        is_http = metric == _DURATION
        error = _class(tags, status) if is_http else _grpc_class(status)
        message = tags.get("error", "") if error else ""
        unexpected = 1.0 if tags.get("expected_response") == "false" else 0.0
        derived = self._plain if is_http else set()

        def take(values: list[float], at: int) -> None:
            ns = np.rint(np.clip(values, 0.0, _MAX_MS) * NS_PER_MS).astype(np.int64)
            durations = array("q", ns.tobytes())
            rows.requests(
                scenario, step, at, durations, error, status if is_http else 0, message=message
            )
            if "http_reqs" in derived:
                rows.metrics("http_reqs", "Counter", [1.0] * len(values), at)
            if "http_req_failed" in derived and "expected_response" in tags:
                rows.metrics("http_req_failed", "Rate", [unexpected] * len(values), at)

        return take


_UNKNOWN: dict[bytes, _Series] = {}
"""In the place of the series of a metric that was not seen yet."""


def _number(tags: Mapping[str, str], name: str) -> int:
    """A tag that is a number of a few digits, as all of k6 are; 0 for anything else."""
    text = tags.get(name, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) <= _MAX_DIGITS else 0


def _total(values: list[float]) -> int:
    """The sum of counts; a script may add any number to them."""
    return round(max(-MAX_VALUE, min(sum(values), MAX_VALUE)))


def _class(tags: Mapping[str, str], status: int) -> str:
    """The class of a failure of HTTP; empty: a success, as the script's callback sees it."""
    if tags.get("expected_response") == "true":
        return ""
    code = _number(tags, "error_code")
    for first, last, name in _CLASSES:
        if first <= code <= last:
            return name
    if not code and "expected_response" not in tags:
        return ""
    return f"Status{status // 100}xx" if status and not code else "Other"


def _grpc_class(status: int) -> str:
    return f"Grpc{status}" if status else ""


def _numbers(values: Iterable[bytes]) -> list[float]:
    """Those that are finite numbers."""
    with suppress(ValueError):
        numbers = [float(value) for value in values]
        if isfinite(sum(numbers)):
            return numbers
    found = []
    for value in values:
        with suppress(ValueError):
            found.append(float(value))
    return [number for number in found if isfinite(number)]


def _time(head: bytes) -> int:
    """The time of a row (ns since 1970) from its beginning; 0 if it has none."""
    try:
        text = head[head.rfind(b'"') + 1 :].decode()
        return round(datetime.fromisoformat(text).timestamp() * 1e6) * 1000
    except (ValueError, OverflowError):
        return 0
