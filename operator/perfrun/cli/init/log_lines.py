"""One line of an access log: common and combined format, or a JSON object."""

import json
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, NamedTuple

_LINE = re.compile(
    rb"\[(?P<time>[^\]]{8,40})\] "
    rb'"(?P<method>[A-Z]{3,10}) (?P<target>[^" ]{1,8192})(?: HTTP/[0-9.]{1,4})?" '
    rb"(?P<status>[0-9]{3})"
)
_REQUEST = re.compile(r"([A-Z]{3,10}) (\S{1,8192})(?: HTTP/[0-9.]{1,4})?\Z")
_CLF_TIME = "%d/%b/%Y:%H:%M:%S %z"

_METHOD = ("method", "request_method", "requestmethod", "http_method", "verb")
_TARGET = (
    "uri",
    "request_uri",
    "requestpath",
    "path",
    "url",
    "request_path",
    "http_path",
    "target",
)
_STATUS = ("status", "downstreamstatus", "response_code", "status_code", "statuscode")
_TIME = (
    "time",
    "ts",
    "timestamp",
    "@timestamp",
    "time_local",
    "time_iso8601",
    "start_time",
    "startutc",
    "msec",
    "date",
)
_MILLISECONDS = 10**10
"""What is more is no time in seconds: that would be after the year 2286."""
_LONGEST = 8192


class Line(NamedTuple):
    """A request as a log tells of it."""

    method: str
    target: str
    status: int
    second: int
    """Since 1970."""


def parse_line(line: bytes) -> Line | None:
    """What a line says; None where it is none of a log that is known."""
    if line.lstrip()[:1] == b"{":
        return _json(line)
    match = _LINE.search(line)
    if match is None:
        return None
    second = _second(match["time"])
    if second is None:
        return None
    return Line(
        match["method"].decode(),
        match["target"].decode("utf-8", "replace"),
        int(match["status"]),
        second,
    )


@lru_cache(maxsize=4096)
def _second(text: bytes) -> int | None:
    """Of a time in common log format, or in ISO 8601."""
    shown = text.decode("ascii", "replace")
    for parse in (_clf, datetime.fromisoformat):
        moment = _tried(parse, shown)
        if moment is not None:
            return moment
    return None


def _clf(text: str) -> datetime:
    return datetime.strptime(text, _CLF_TIME)


def _tried(parse: Callable[[str], datetime], text: str) -> int | None:
    try:
        moment = parse(text)
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return max(int(moment.timestamp()), 0)
    except (ValueError, OverflowError):
        return None


def _json(line: bytes) -> Line | None:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(value, dict):
        return None
    fields = {str(key).lower(): one for key, one in value.items()}
    nested = fields.get("request")
    if isinstance(nested, dict):  # as Caddy writes it
        fields |= {str(key).lower(): one for key, one in nested.items()}
    method, target = _first(fields, _METHOD), _first(fields, _TARGET)
    if isinstance(nested, str) and (match := _REQUEST.match(nested)):
        method, target = match[1], match[2]
    status, moment = _whole(_first(fields, _STATUS)), _moment(_first(fields, _TIME))
    if (
        not isinstance(method, str)
        or not isinstance(target, str)
        or not 0 < len(target) <= _LONGEST
    ):
        return None
    if status is None or moment is None:
        return None
    return Line(method.upper(), target, status, moment)


def _first(fields: Mapping[str, Any], names: tuple[str, ...]) -> Any:
    return next((fields[name] for name in names if fields.get(name) is not None), None)


def _whole(value: Any) -> int | None:
    if isinstance(value, int) and 100 <= value <= 599:
        return value
    return int(value) if isinstance(value, str) and re.fullmatch(r"[1-5][0-9]{2}", value) else None


def _moment(value: Any) -> int | None:
    """A time as a number of seconds or milliseconds, or as a text."""
    if isinstance(value, str) and re.fullmatch(r"[0-9]{9,13}(\.[0-9]{1,9})?", value):
        value = float(value)
    if isinstance(value, str):
        return _second(value.encode()[:64])
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e13:
        return None
    return int(value if value < _MILLISECONDS else value / 1000)
