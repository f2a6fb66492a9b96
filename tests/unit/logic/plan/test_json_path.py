"""One dialect of JSONPath, RFC 9535, by the table of those who wrote it."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from perfrun.logic.plan.json_path import equal, finder, read

SUITE = Path(__file__).parents[3] / "data" / "jsonpath-compliance-test-suite" / "cts.json.gz"
CASES: list[dict[str, Any]] = json.loads(gzip.decompress(SUITE.read_bytes()))


def _outcome(case: dict[str, Any]) -> str:
    """Empty where a case of the suite comes out as it should."""
    try:
        find = finder(case["selector"])
    except ValueError:
        return "" if case.get("invalid_selector") else "refused"
    if case.get("invalid_selector"):
        return "accepted"
    found = find(case["document"])
    right = case["results"] if "results" in case else [case["result"]]
    return "" if any(equal(found, one) for one in right) else f"found {found}"


def test_the_compliance_suite_passes_as_a_whole() -> None:
    assert len(CASES) == 703
    wrong = {case["name"]: said for case in CASES if (said := _outcome(case))}
    assert wrong == {}


@pytest.mark.parametrize(
    "path", ["", "a", " $.a", "$.a ", "$[00]", "$.a[?@.b==1", "$[1" + "0" * 20]
)
def test_what_is_no_path_says_so(path: str) -> None:
    with pytest.raises(ValueError, match="is not a JSONPath"):
        finder(path)


def test_an_index_never_finds_a_key() -> None:
    assert finder("$..[0]")({"0": 1, "a": [{"0": 2}]}) == [{"0": 2}]


@pytest.mark.parametrize("text", ["[1]", '{"a": 1}', "{", "1"])
def test_a_text_is_not_read_a_second_time(text: str) -> None:
    assert finder("$..*")(text) == []
    assert finder("$")(text) == [text]


def test_documents_may_be_nested_deeply() -> None:
    document: Any = {"id": 1}
    for _ in range(150):
        document = [{"in": document}]
    assert finder("$..id")(document) == [1]


@pytest.mark.parametrize(
    ("found", "expected", "same"),
    [
        (1, 1.0, True),
        (1, True, False),
        (False, 0, False),
        (0, None, False),
        ("1", 1, False),
        ([True], [1], False),
        ([1], [1.0], True),
        ([[True]], [[True]], True),
        ([1, 2], [1], False),
        ({"a": [False]}, {"a": [0]}, False),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}, True),
        ({"a": 1}, {"a": 1, "b": 2}, False),
        ({}, [], False),
        (None, None, True),
        (2**53 + 1, float(2**53), False),
    ],
)
def test_types_count_and_numbers_are_compared_as_numbers(
    found: object, expected: object, same: bool
) -> None:
    assert equal(found, expected) is same
    assert equal(expected, found) is same


@pytest.mark.parametrize(
    "body", [b"", b"{", b"NaN", b"[Infinity]", b"[1,]", b"\xff", b'{"a": 1} x']
)
def test_what_is_no_json_is_refused(body: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        read(body)


@pytest.mark.parametrize("coding", ["utf-8", "utf-8-sig", "utf-16", "utf-32-le"])
def test_json_is_read_in_every_coding_that_it_may_have(coding: str) -> None:
    assert read('{"a": "ü"}'.encode(coding)) == {"a": "ü"}
