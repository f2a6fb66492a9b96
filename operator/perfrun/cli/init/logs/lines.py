"""One line of an access log: common and combined format, or a JSON object."""

import json
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, NamedTuple

_LINE = re.compile(
    rb"\[(?P<time>[^\]]{8,40})\] "
    rb'"(?P<method>[A-Z]{3,10}) (?P<target>(?:[^"\\ ]|\\.){1,8192})(?: HTTP/[0-9.]{1,4})?" '
    rb"(?P<status>[0-9]{3}|0|-)(?![0-9])"
)
_ESCAPE = re.compile(rb"\\(x[0-9A-Fa-f]{2}|.)", re.DOTALL)
_ESCAPES = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"b": b"\b", b"v": b"\v"}
"""Apache's escapes; nginx and Apache write other bytes as \\xNN."""
_JSON_ESCAPE = re.compile(rb"(?<!\\)((?:\\\\)*)\\x([0-9A-Fa-f]{2})")
_FRACTION = re.compile(r"(:[0-9]{2})\.[0-9]{1,9}")
_REQUEST = re.compile(r"([A-Z]{3,10}) (\S{1,8192})(?: HTTP/[0-9.]{1,4})?\Z")
_CLF_TIME = "%d/%b/%Y:%H:%M:%S %z"

_METHOD = (
    *("method", "request_method", "requestmethod", "http_method", "verb", "req_method", ":method"),
)
_TARGET = (
    # First the original path of nginx and Envoy, before it was rewritten; then those that may be
    # shortened.
    *("request_uri", "requesturi", "x_envoy_original_path", "original_path", "requestpath"),
    *("request_path", "requesturl", "uri", ":path", "path", "url", "http_path", "target"),
)
_QUERY = ("args", "query_string", "querystring", "query")
_STATUS = (
    *("status", "downstreamstatus", "response_code", "status_code", "statuscode"),
    *("http_status", "responsestatus"),
)
_TIME = (
    *("time", "ts", "timestamp", "@timestamp", "time_local", "time_iso8601", "start_time"),
    *("startutc", "msec", "date", "datetime"),
)
_NESTED = ("request", "req", "httprequest", "response", "res")
"""Nested objects with these fields, as Caddy, pino and Google Cloud write them."""
_EARLIEST = 10**8
"""Anything below is a duration, not a time: as a time it would be before 1974."""
_SCALES = ((10**10, 1), (10**13, 10**3), (10**16, 10**6), (10**19, 10**9))
"""Upper limits of times in seconds, milliseconds, microseconds and nanoseconds."""
_MAX_TARGET_LENGTH = 8192


class LoggedRequest(NamedTuple):
    """A request as a log describes it."""

    method: str
    target: str
    status: int
    """0: no answer was sent."""
    second: int
    """Seconds since 1970."""


def parse_line(line: bytes) -> LoggedRequest | None:
    """The request of a line; None if its format is not known."""
    if line.lstrip()[:1] == b"{":
        return _json(line)
    match = _LINE.search(line)
    if match is None:
        return None
    second = _second(match["time"])
    if second is None:
        return None
    status = match["status"]
    target = _text(_ESCAPE.sub(_unescaped, match["target"]))
    return LoggedRequest(
        match["method"].decode(), target, int(status) if status != b"-" else 0, second
    )


def _unescaped(match: re.Match[bytes]) -> bytes:
    text = match[1]
    return bytes([int(text[1:], 16)]) if len(text) == 3 else _ESCAPES.get(text, text)


def _text(target: bytes) -> str:
    """Bytes that are not UTF-8 are written as in a URL."""
    try:
        return target.decode()
    except UnicodeDecodeError:
        return "".join(chr(byte) if byte < 128 else f"%{byte:02X}" for byte in target)


@lru_cache(maxsize=4096)
def _second(text: bytes) -> int | None:
    """Formats of times: common log format, or ISO 8601."""
    shown = text.decode("ascii", "replace")
    for parse in (_clf, datetime.fromisoformat, _wall):
        moment = _tried(parse, shown)
        if moment is not None:
            return moment
    return None


def _clf(text: str) -> datetime:
    return datetime.strptime(_FRACTION.sub(r"\1", text), _CLF_TIME)


def _wall(text: str) -> datetime:
    """The format of Caddy."""
    return datetime.strptime(_FRACTION.sub(r"\1", text), "%Y/%m/%d %H:%M:%S")


def _tried(parse: Callable[[str], datetime], text: str) -> int | None:
    try:
        moment = parse(text)
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return max(int(moment.timestamp()), 0)
    except (ValueError, OverflowError):
        return None


def _json(line: bytes) -> LoggedRequest | None:
    value, escaped = _parsed(line)
    if not isinstance(value, dict):
        return None
    fields = {str(key).lower(): one for key, one in value.items()}
    asked = fields.get("request")
    for name in _NESTED:
        if isinstance(inner := fields.get(name), dict):
            fields |= {str(key).lower(): one for key, one in inner.items()}
    method, target = _first(fields, _METHOD), _target(fields)
    if isinstance(asked, str) and (match := _REQUEST.match(asked)):
        method, target = match[1], match[2]
    status = _whole(_first(fields, _STATUS))
    moment = next((one for name in _TIME if (one := _moment(fields.get(name)))), None)
    if not isinstance(method, str) or not 0 < len(target) <= _MAX_TARGET_LENGTH:
        return None
    if status is None or moment is None:
        return None
    if escaped:
        # Each \\xNN is one byte; a character may have several in UTF-8.
        target = _text(target.encode("latin-1", "replace"))
    return LoggedRequest(method.upper(), target, status, moment)


def _parsed(line: bytes) -> tuple[Any, bool]:
    """The JSON of a line, and whether it contains \\xNN: nginx writes that into JSON too if
    log_format has no escape=json."""
    for text in (line, _JSON_ESCAPE.sub(rb"\1\\u00\2", line)):
        try:
            return json.loads(text.decode("utf-8", "replace")), text is not line
        except (ValueError, RecursionError):
            continue
    return None, False


def _target(fields: Mapping[str, Any]) -> str:
    """Path and query, which may be separate fields."""
    target, query = _first(fields, _TARGET), _first(fields, _QUERY)
    if not isinstance(target, str):
        return ""
    if "?" in target or not isinstance(query, str) or query.strip("?-") == "":
        return target
    return f"{target}?{query.removeprefix('?')}"


def _first(fields: Mapping[str, Any], names: tuple[str, ...]) -> Any:
    return next((fields[name] for name in names if fields.get(name) is not None), None)


def _whole(value: Any) -> int | None:
    """0: no answer; Envoy writes that."""
    if isinstance(value, str) and re.fullmatch(r"[1-9][0-9]{2}|0|000|-", value):
        return int(value.replace("-", "0"))
    return value if isinstance(value, int) and (value == 0 or 100 <= value <= 999) else None


def _moment(value: Any) -> int | None:
    """A time, given as a number or as a text."""
    if isinstance(value, str) and re.fullmatch(r"[0-9]{9,19}(\.[0-9]{1,9})?", value):
        value = float(value)
    if isinstance(value, str):
        return _second(value.encode()[:64])
    if isinstance(value, bool) or not isinstance(value, int | float) or not value >= _EARLIEST:
        return None
    return next((int(value // scale) for below, scale in _SCALES if value < below), None)
