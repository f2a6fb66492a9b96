"""The expectations of a response, compiled once."""

import json
from collections.abc import Collection, Mapping
from typing import NamedTuple
from urllib.parse import quote, quote_plus

from perfrun.api.sentence import cut
from perfrun.api.test.scenario import Expect
from perfrun.engine.errors import ErrorClass
from perfrun.engine.response.extract import Answer, NotJsonError, finder
from perfrun.launcher.hiding import HIDDEN, MIN_PART
from perfrun.logic.plan.json_path import equal
from perfrun.reach.foreign import beginning

MAX_BODY = 16 * 1024 * 1024
"""Bytes of a body that are kept for checks if ``maxBytes`` sets no limit."""


MAX_VALUE = 60
"""Characters of a JSON value that are shown."""
NOTHING: Mapping[str, str] = {}


class CheckResult(NamedTuple):
    """The result of a response's checks."""

    error: ErrorClass | None
    """None: the request succeeded."""
    passed: int
    failed: int
    message: str = ""
    """What was expected, and what came: of a response its status, or the beginning of one value."""


class Expectation:
    """The compiled ``expect`` of a step; of one without it, any final 2xx or 3xx is fine."""

    __slots__ = ("_paths", "_status", "fine", "needs_body", "size_limit", "status_checks")

    def __init__(self, expect: Expect | None, where: str) -> None:
        self._status = frozenset(expect.status) if expect is not None else frozenset()
        self._paths = [
            (path, finder(path, where), value)
            for path, value in (expect.json_.items() if expect is not None else ())
        ]
        limit = expect.max_bytes if expect is not None else None
        self.size_limit = MAX_BODY if limit is None else limit
        """Bytes of body after which reading stops."""
        self.needs_body = bool(self._paths) or limit is not None
        # Without a list any final 2xx is fine, and a 3xx if no redirect is to be followed.
        decides = not self.needs_body
        self.fine = (self._status or frozenset(range(200, 300))) if decides else frozenset[int]()
        """Status codes that alone make a response a success."""
        self.status_checks = 1 if self._status else 0
        """Checks that a response with one of them has passed."""

    def wants(self, status: int) -> bool:
        """Whether the test lists this status."""
        return status in self._status

    def judge(
        self, status: int, answer: Answer, extracted: Mapping[str, str] = NOTHING
    ) -> CheckResult:
        """Judge a final response. Every status list and every JSON path is one check.

        ``extracted``: what the iteration has extracted so far; messages do not show it.
        """
        passed = failed = 0
        if self._status:
            if status not in self._status:
                return CheckResult(_unexpected(status), 0, 1, self._about_status(status))
            passed = 1
        elif not 200 <= status < 400:
            return CheckResult(_unexpected(status), 0, 0, self._about_status(status))
        if not self._paths:
            return CheckResult(None, passed, failed)
        try:
            document = answer.json()
        except NotJsonError:
            message = f"expected JSON, got a body of {len(answer.body)} bytes that is not JSON"
            return CheckResult(ErrorClass.CHECK, passed, len(self._paths), message)
        missed = [
            message
            for path, find, expected in self._paths
            if (message := _difference(path, find(document), expected, extracted))
        ]
        passed += len(self._paths) - len(missed)
        if not missed:
            return CheckResult(None, passed, 0)
        return CheckResult(ErrorClass.CHECK, passed, len(missed), missed[0])

    def _about_status(self, status: int) -> str:
        return other_status(self._status, "2xx or 3xx", status)


def other_status(wanted: Collection[int], otherwise: str, status: int) -> str:
    """The message of a status that is none of those ``wanted``; of none, ``otherwise``."""
    listed = " or ".join(map(str, sorted(wanted))) or otherwise
    return f"expected status {listed}, got {status}"


def too_large(limit: int, size: int | None = None) -> str:
    """The message of a body of more than ``limit`` bytes; ``size``: None where it was not read to
    its end."""
    got = "more" if size is None else str(size)
    return f"expected a body of at most {limit} bytes, got {got}: see expect.maxBytes"


def without(text: str, extracted: Mapping[str, str]) -> str:
    """The text without what an iteration has extracted, plain or URL-encoded: it may be a token."""
    for value in sorted(extracted.values(), key=len, reverse=True):
        if MIN_PART <= len(value) <= len(text):
            valid = value.encode("utf-8", "replace").decode()  # JSON may have half a character
            for spelled in (value, quote(valid), quote(valid, safe=""), quote_plus(valid)):
                text = text.replace(spelled, HIDDEN)
    return text


def _difference(
    path: str, found: list[object], expected: object, extracted: Mapping[str, str]
) -> str:
    """What is not as expected in the values that a path has found; empty: nothing."""
    if not found:
        return f"expected {path} to be {_shown(expected)}, but the body has no such value"
    for value in found:
        if not equal(value, expected):
            return f"expected {path} to be {_shown(expected)}, got {_received(value, extracted)}"
    return ""


def _received(value: object, extracted: Mapping[str, str]) -> str:
    """A value of a response, without secrets. They are hidden before it is cut, because nobody
    would recognise the beginning of one."""
    if isinstance(value, str):
        longest = max(map(len, extracted.values()), default=0)
        value = without(beginning(value, MAX_VALUE + longest), extracted)
    return _shown(value)


def _shown(value: object) -> str:
    """A JSON value, as far as it is short: a response may be of any size."""
    if isinstance(value, dict | list) and value:
        kind, part = ("a list", "item") if isinstance(value, list) else ("an object", "field")
        return f"{kind} of {len(value)} {part}{'s' if len(value) > 1 else ''}"
    text = json.dumps(value[:MAX_VALUE] if isinstance(value, str) else value, ensure_ascii=False)
    return cut(text, MAX_VALUE)


def _unexpected(status: int) -> ErrorClass:
    if status >= 500:
        return ErrorClass.STATUS5XX
    return ErrorClass.STATUS4XX if status >= 400 else ErrorClass.CHECK
