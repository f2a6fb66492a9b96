"""The expectations of a response, compiled once."""

from typing import NamedTuple

from perfrun.api.test.scenario import Expect
from perfrun.engine.errors import ErrorClass
from perfrun.engine.response.extract import Answer, NotJsonError, finder
from perfrun.logic.plan.json_path import equal

MAX_BODY = 16 * 1024 * 1024
"""Bytes of a body that are kept for checks if ``maxBytes`` sets no limit."""


class CheckResult(NamedTuple):
    """The result of a response's checks."""

    error: ErrorClass | None
    """None: the request succeeded."""
    passed: int
    failed: int
    said: str = ""
    """What was not as expected, in words; contains nothing of the response except its status."""


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
        # Without a list any final 2xx is fine, and a 3xx where no redirect is to be followed.
        decides = not self.needs_body
        self.fine = (self._status or frozenset(range(200, 300))) if decides else frozenset[int]()
        """Status codes that alone make a response a success."""
        self.status_checks = 1 if self._status else 0
        """Checks that a response with one of them has passed."""

    def wants(self, status: int) -> bool:
        """Whether the test lists this status."""
        return status in self._status

    def judge(self, status: int, answer: Answer) -> CheckResult:
        """Judge a final response. Every status list and every JSON path is one check."""
        passed = failed = 0
        if self._status:
            if status not in self._status:
                return CheckResult(_unexpected(status), 0, 1, f"status {status}")
            passed = 1
        elif not 200 <= status < 400:
            return CheckResult(_unexpected(status), 0, 0, f"status {status}")
        if not self._paths:
            return CheckResult(None, passed, failed)
        try:
            document = answer.json()
        except NotJsonError:
            return CheckResult(ErrorClass.CHECK, passed, len(self._paths), "the body is not JSON")
        missed = [
            path for path, find, expected in self._paths if not _holds(find(document), expected)
        ]
        passed += len(self._paths) - len(missed)
        if not missed:
            return CheckResult(None, passed, 0)
        return CheckResult(
            ErrorClass.CHECK, passed, len(missed), f"{missed[0]} has a different value"
        )


def _holds(found: list[object], expected: object) -> bool:
    return bool(found) and all(equal(value, expected) for value in found)


def _unexpected(status: int) -> ErrorClass:
    if status >= 500:
        return ErrorClass.STATUS5XX
    return ErrorClass.STATUS4XX if status >= 400 else ErrorClass.CHECK
