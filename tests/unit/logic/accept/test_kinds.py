"""What steps may say depends on the kind of target."""

from typing import Any

import pytest

from perfrun.api.test.perftest import PerfTestSpec
from perfrun.logic.accept.spec import check

SQL = {"sql": {"dsnFrom": {"secretKeyRef": {"name": "db", "key": "dsn"}}}}
HTTP = {"http": {"url": "http://shop"}}
CHAT = {"extension": {"kind": "websocket", "address": "chat:8765", "options": {"path": "/"}}}
LOAD = {"burst": {"requests": 10, "concurrency": 2}}


def problems(target: dict[str, Any], *steps: dict[str, Any]) -> list[str]:
    body: dict[str, Any] = {"target": target, "load": LOAD}
    if steps:
        body["scenarios"] = [{"name": "s", "steps": list(steps)}]
    return [f"{one.field}: {one.message}" for one in check(PerfTestSpec.parse(body)).problems]


QUERY = {"name": "q", "sql": {"statement": "select 1"}}
HELLO = {"name": "hello", "extension": {"send": "hello $(uuid())"}}


def test_a_step_of_each_kind_is_fine() -> None:
    expected = {**QUERY, "expect": {"rows": 1}, "extract": {"id": {"column": "id"}}}
    assert problems(SQL, expected) == []
    assert problems(HTTP, {"name": "get", "expect": {"status": [200]}}) == []
    assert problems(HTTP) == []
    more = {"expect": {"json": {"$.a": 1}, "maxBytes": 9}, "extract": {"a": {"regex": "x"}}}
    assert problems(CHAT, {**HELLO, **more}, {"name": "bare", "extension": {}}) == []


@pytest.mark.parametrize(
    ("target", "steps", "says"),
    [
        (SQL, (), "spec.scenarios: a sql target requires scenarios with steps"),
        (SQL, ({"name": "x"},), "spec.scenarios[0].steps[0].sql: this field is required"),
        (
            SQL,
            ({"name": "x", "http": {"path": "/"}},),
            "steps[0].http: cannot be used with sql targets: use sql",
        ),
        (HTTP, (QUERY,), "steps[0].sql: cannot be used with http targets: use http"),
        (HTTP, (HELLO,), "steps[0].extension: cannot be used with http targets: use http"),
        (CHAT, (QUERY,), "steps[0].sql: cannot be used with extension targets: use extension"),
        (CHAT, ({"name": "x"},), "steps[0].extension: this field is required"),
        (
            CHAT,
            ({**HELLO, "expect": {"rows": 1}},),
            "expect.rows: cannot be used with extension targets",
        ),
        (CHAT, ({**HELLO, "extract": {"a": {"header": "x"}}},), "extract.a.header: cannot be used"),
        (
            CHAT,
            ({"name": "x", "extension": {"send": "$(nobody)"}},),
            "steps[0].extension.send: $(nobody) is not a variable",
        ),
        (
            SQL,
            ({**QUERY, "expect": {"status": [200]}},),
            "expect.status: cannot be used with sql targets",
        ),
        (SQL, ({**QUERY, "expect": {"maxBytes": "1Ki"}},), "expect.maxBytes: cannot be used"),
        (
            SQL,
            ({**QUERY, "extract": {"id": {"header": "x"}}},),
            "extract.id.header: cannot be used",
        ),
        (
            HTTP,
            ({"name": "x", "expect": {"rows": 1}},),
            "expect.rows: cannot be used with http targets",
        ),
        (
            HTTP,
            ({"name": "x", "extract": {"a": {"column": "b"}}},),
            "extract.a.column: cannot be used",
        ),
        (
            SQL,
            ({"name": "q", "sql": {"statement": "select $(int(1, 2))"}},),
            "steps[0].sql.statement: contains a template: pass values in parameters",
        ),
        (
            SQL,
            ({"name": "q", "sql": {"statement": "select $1", "parameters": ["$(nobody)"]}},),
            "sql.parameters[0]: $(nobody) is not a variable",
        ),
        (
            SQL,
            (
                {
                    "name": "q",
                    "sql": {"transaction": [{"statement": "x", "parameters": ["$(nobody)"]}]},
                },
            ),
            "sql.transaction[0].parameters[0]: $(nobody) is not a variable",
        ),
    ],
)
def test_words_of_another_kind_are_refused(
    target: dict[str, Any], steps: tuple[dict[str, Any], ...], says: str
) -> None:
    found = problems(target, *steps)
    assert any(says in one for one in found), found
