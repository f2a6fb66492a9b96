"""What a plan checks in responses and extracts from them: assertions and extractors."""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from perfrun.api import Json
from perfrun.cli.init.draft import NotCarried
from perfrun.cli.init.jmeter.elements import JmeterElement, JmeterSampler
from perfrun.cli.init.jmeter.values import JmeterValues
from perfrun.cli.init.texts import one_line
from perfrun.logic.plan.json_path import finder

_MATCH, _CONTAINS, _NOT, _EQUALS, _SUBSTRING, _OR = 1, 2, 4, 8, 16, 32
_STATUSES = tuple(int(one) for one in HTTPStatus if one >= 200)
_MAX_STATUSES = 20
_MAX_EXTRACTIONS = 20
_MAX_REGEX_LENGTH = 512
_MAX_CLASSES = 16


@dataclass
class Judged:
    """What a step expects of a response, and extracts from it."""

    status: set[int] | None = None
    expect_json: dict[str, Any] = field(default_factory=dict)
    extract: dict[str, Json] = field(default_factory=dict)
    max_ms: int = 0


class ResponseReader:
    """Reads the assertions and extractors of samplers."""

    def __init__(self, values: JmeterValues, not_carried: NotCarried) -> None:
        self._values = values
        self._not_carried = not_carried

    def read(self, sampler: JmeterSampler) -> Judged:
        """Read the assertions and extractors that apply to a sampler."""
        judged = Judged()
        for one in sampler.scope.checks:
            if why := self._check(one, judged):
                self._name(one, why)
        for one in sampler.scope.extractors:
            for name, how in self._extractions(one):
                if len(judged.extract) == _MAX_EXTRACTIONS:
                    self._name(one, f"a step extracts at most {_MAX_EXTRACTIONS} values")
                else:
                    judged.extract[self._values.extract(name)] = how
        return judged

    def _name(self, one: JmeterElement, why: str) -> None:
        self._not_carried.add(f"{one.shown}: {why}", one.line)

    def _check(self, one: JmeterElement, judged: Judged) -> str:
        """Why an assertion is not carried over; empty: it is."""
        match one.kind:
            case "DurationAssertion":
                limit = self._values.number(one.text("DurationAssertion.duration")) or 0
                judged.max_ms = min(judged.max_ms or limit, limit)
                return "" if limit > 0 else "it has no limit"
            case "JSONPathAssertion":
                return self._json_check(one, judged)
        if one.text("Assertion.test_field") != "Assertion.response_code":
            what = one.text("Assertion.test_field").removeprefix("Assertion.")
            return f"a step does not check {one_line(what, 40) or 'this'} as text"
        codes = self._codes(one)
        both = codes if judged.status is None else judged.status & codes
        if not both or len(both) > _MAX_STATUSES:
            return "no statuses, or too many, would pass"
        judged.status = both
        return ""

    def _codes(self, one: JmeterElement) -> set[int]:
        """The status codes that pass an assertion on the response code."""
        texts = one.texts("Asserion.test_strings") or one.texts("Assertion.test_strings")
        kind = self._values.number(one.text("Assertion.test_type")) or 0
        each = [_codes_of(self._values.static(text), kind) for text in texts[:50]]
        if not each:
            return set()
        found = set.union(*each) if kind & _OR else set.intersection(*each)
        return set(_STATUSES) - found if kind & _NOT else found

    def _json_check(self, one: JmeterElement, judged: Judged) -> str:
        path = self._values.static(one.text("JSON_PATH"))
        if _wrong_path(path):
            return f"{one_line(path, 60)} is not a JSONPath (RFC 9535)"
        odd = [it for it in ("INVERT", "EXPECT_NULL") if one.is_set(it)]
        if odd or not one.is_set("JSONVALIDATION") or len(judged.expect_json) == 20:
            return "a step checks values only"
        expected = self._values.static(one.text("EXPECTED_VALUE"))
        if one.is_set("ISREGEX") and not re.fullmatch(r"[\w -]+", expected):
            return "a step compares with a value, not with a regular expression"
        if "${" in expected:
            return "a step compares with a fixed value"
        try:
            judged.expect_json[path] = json.loads(expected)
        except (ValueError, RecursionError):
            judged.expect_json[path] = expected
        return ""

    def _extractions(self, one: JmeterElement) -> Iterable[tuple[str, Json]]:
        match one.kind:
            case "RegexExtractor":
                return self._regex(one)
            case "BoundaryExtractor":
                return self._boundary(one)
        return self._json(one)

    def _json(self, one: JmeterElement) -> Iterable[tuple[str, Json]]:
        names = one.text("JSONPostProcessor.referenceNames").split(";")
        paths = one.text("JSONPostProcessor.jsonPathExprs").split(";")
        numbers = one.text("JSONPostProcessor.match_numbers").split(";")
        for index, name in enumerate(names):
            path = self._values.static(paths[index]).strip() if index < len(paths) else ""
            self._number(one, numbers[index] if index < len(numbers) else "")
            if not name.strip() or _wrong_path(path):
                self._name(one, f"{one_line(path, 60) or 'nothing'} is not a JSONPath (RFC 9535)")
            else:
                yield name.strip(), {"json": path}

    def _regex(self, one: JmeterElement) -> Iterable[tuple[str, Json]]:
        name, pattern = one.text("RegexExtractor.refname"), one.text("RegexExtractor.regex")
        place = one.text("RegexExtractor.useHeaders")
        self._number(one, one.text("RegexExtractor.match_number"))
        if place not in ("", "false", "unescaped", "as_document"):
            self._name(one, "a regular expression reads the body only")
        elif (template := one.text("RegexExtractor.template")) not in ("$1$", "", "$0$"):
            self._name(one, f"a step takes the first group, and not {one_line(template, 40)}")
        else:
            yield from self._of_pattern(one, name, pattern, whole=template == "$0$")

    def _boundary(self, one: JmeterElement) -> Iterable[tuple[str, Json]]:
        left, right = (
            one.text("BoundaryExtractor.lboundary"),
            one.text("BoundaryExtractor.rboundary"),
        )
        self._number(one, one.text("BoundaryExtractor.match_number"))
        if one.text("BoundaryExtractor.useHeaders") not in ("", "false", "unescaped"):
            self._name(one, "boundaries are looked for in the body only")
            return
        begin, end = (re.escape(self._values.static(side)) for side in (left, right))
        pattern = f"{begin}(?s:(.*?)){end or chr(92) + 'Z'}"
        yield from self._of_pattern(one, one.text("BoundaryExtractor.refname"), pattern)

    def _of_pattern(
        self, one: JmeterElement, name: str, pattern: str, *, whole: bool = False
    ) -> Iterable[tuple[str, Json]]:
        try:
            groups = re.compile(pattern).groups
        except (re.error, OverflowError, RecursionError) as error:
            self._name(one, f"not a Python regular expression: {one_line(str(error), 80)}")
            return
        too_long = len(pattern) > _MAX_REGEX_LENGTH or pattern.count("[") > _MAX_CLASSES
        if not name or not pattern or too_long or "${" in pattern or (whole and groups):
            self._name(one, "its regular expression is too long, or not fixed")
            return
        yield name, {"regex": pattern}

    def _number(self, one: JmeterElement, text: str) -> None:
        if text.strip() not in ("", "1"):
            self._name(one, f"match number {one_line(text, 20)}: a step takes the first")


def _codes_of(text: str, kind: int) -> set[int]:
    """The status codes that one text of an assertion allows."""
    if kind & (_EQUALS | _SUBSTRING):
        is_equal = bool(kind & _EQUALS)
        return {one for one in _STATUSES if (text == str(one) if is_equal else text in str(one))}
    try:
        pattern = re.compile(text[:60])
    except (re.error, OverflowError, RecursionError):
        return set()
    find = pattern.search if kind & _CONTAINS else pattern.fullmatch
    return {one for one in _STATUSES if find(str(one))}


def _wrong_path(path: str) -> bool:
    try:
        finder(path)
    except ValueError:
        return True
    return len(path) > 512
