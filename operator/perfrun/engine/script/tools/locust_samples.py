"""The samples of Locust: lines of JSON that perfrun's listener writes."""

import json
from collections.abc import Iterable
from typing import Any

from perfrun.api.quantities import NS_PER_MS, NS_PER_S
from perfrun.api.test.commands.script import SCRIPT_SCENARIO
from perfrun.engine.errors import ErrorClass
from perfrun.engine.script.lines import UNREADABLE, Alike, LineBuffer
from perfrun.engine.script.tool import SampleRows

MAX_TIME = 2**63
"""ns since 1970."""
_Key = tuple[str, str, int]
"""Step, error class and status."""
_BY_NAME = (
    (("gaierror", "NameResolutionError", "herror"), ErrorClass.DNS),
    (("SSLError", "SSLCertVerificationError", "CertificateError"), ErrorClass.TLS),
    (("ConnectTimeout", "ConnectTimeoutError", "ConnectionTimeoutError"), ErrorClass.CONNECT),
    (("ConnectionRefusedError", "NewConnectionError"), ErrorClass.CONNECT),
    (("Timeout", "TimeoutError", "timeout", "ReadTimeoutError"), ErrorClass.TIMEOUT),
    (("ConnectionResetError", "BrokenPipeError", "RemoteDisconnected"), ErrorClass.RESET),
    (("HTTPConnectionClosed", "ConnectionAbortedError", "IncompleteRead"), ErrorClass.RESET),
    (("ProtocolError", "ChunkedEncodingError", "ConnectionError"), ErrorClass.RESET),
    (("HTTPParseError", "HTTPException", "InvalidHeader"), ErrorClass.PROTOCOL),
    (("CatchResponseError", "ResponseError", "AssertionError"), ErrorClass.CHECK),
)
"""Error classes by names of exceptions, of requests, urllib3, geventhttpclient and Python; the
first row that has a name counts."""


class LocustDecoder:
    """Reads the rows that the listener writes."""

    def __init__(self, rows: SampleRows) -> None:
        self._rows = rows
        self._lines = LineBuffer()
        self._classes: dict[tuple[str, int], str] = {}

    def feed(self, data: bytes) -> None:
        """Read what is complete."""
        lines, unreadable = self._lines.feed(data)
        unreadable += self._read(lines)
        if unreadable:
            self._rows.unreadable(unreadable)

    def end(self) -> None:
        """A row without its end is none."""
        if self._lines.end():
            self._rows.unreadable(1)

    def _read(self, lines: Iterable[bytes]) -> int:
        """Record rows; returns how many could not be read."""
        alike: dict[_Key, Alike] = {}
        unreadable = 0
        for line in lines:
            try:
                row = json.loads(line)
                if row[0] == "request":
                    self._request(row, alike)
                else:
                    self._other(row)
            except UNREADABLE:
                unreadable += 1
        for (step, error, status), one in alike.items():
            self._rows.requests(
                *(SCRIPT_SCENARIO, step, one.at, one.durations, error, status),
                received=one.received,
                message=one.message,
            )
        return unreadable

    def _request(self, row: list[Any], alike: dict[_Key, Alike]) -> None:
        _, ended, took, method, name, status, received, names, message = row
        at, duration = round(ended * NS_PER_S), round(took * NS_PER_MS)
        if type(status) is not int or type(received) is not int or not 0 <= at < MAX_TIME:
            raise TypeError
        error = self._class(names, status) if names else ""
        key = _step(method, name), error, status
        if (found := alike.get(key)) is None:
            found = alike[key] = Alike(message[:1000])
        found.durations.append(duration)
        found.at = max(found.at, at)
        found.received += max(0, received)

    def _class(self, names: str, status: int) -> str:
        known = (names, status)
        if (found := self._classes.get(known)) is None:
            if len(self._classes) > 1000:
                self._classes.clear()
            found = self._classes[known] = class_of(names.split(" "), status)
        return found

    def _other(self, row: list[Any]) -> None:
        match row:
            case ["users", float(), int() as users]:
                self._rows.users(users)
            case ["error", float() as at, str()]:
                self._rows.metrics("user_errors", "Counter", (1.0,), round(at * NS_PER_S))
            case _:
                raise ValueError


def _step(method: str, name: str) -> str:
    """Locust tells requests apart by method and name: where the name is only the address, it needs
    the method, as in Locust's own tables."""
    return f"{method} {name}" if name.startswith(("/", "http://", "https://")) else str(name)


def class_of(names: list[str], status: int) -> str:
    """The error class of a failed request, by its status and the classes of its exception."""
    if status >= 400:
        return f"Status{status // 100}xx"
    for known, error in _BY_NAME:
        if not set(known).isdisjoint(names):
            return error
    return names[0] or "Other"
