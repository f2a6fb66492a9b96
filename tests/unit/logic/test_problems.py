"""What is said of fields that do not exist, and how fields are named."""

from typing import Any

import pytest
from pydantic import ValidationError

from perfrun.api.test.perftest import PerfTestSpec
from perfrun.logic.problems import field_parts, field_path, parse_problems


@pytest.mark.parametrize(
    ("where", "field", "said"),
    [
        (("load",), "users", "users belongs in spec.load.closed"),
        (("load",), "duration", "duration belongs in spec.load.closed or spec.load.open"),
        (("load", "closed"), "workers", "workers belongs in spec.load"),
        (("load", "closed"), "rate", "rate belongs in spec.load.open"),
        (("load", "closed"), "user", 'did you mean "users"?'),
        ((), "url", "url belongs in spec.target.http or spec.target.browser"),
        ((), "onBreach", "onBreach belongs in spec.slos"),
        (("target", "http"), "slos", "slos belongs in spec"),
        (("target", "http"), "bearer", "bearer belongs in spec.target.http.auth"),
        (
            ("scenarios", 0, "steps", 0),
            "path",
            "path belongs in spec.scenarios[0].steps[0].http",
        ),
        (("scenarios", 0, "steps", 0, "http"), "expect", "expect belongs in spec.scenarios[0].steps[0]"),
        (("scenarios", 0), "http", "http belongs in spec.scenarios[0].steps"),
    ],
)  # fmt: skip
def test_an_unknown_field_is_told_where_it_belongs(
    where: tuple[str | int, ...], field: str, said: str
) -> None:
    spec: Any = {
        "target": {"http": {"url": "http://a"}},
        "load": {"closed": {"users": 1, "duration": "5s"}},
        "scenarios": [{"name": "s", "steps": [{"name": "a", "http": {"path": "/"}}]}],
    }
    inner = spec
    for part in where:
        inner = inner[part]
    inner[field] = "x"
    with pytest.raises(ValidationError) as caught:
        PerfTestSpec.parse(spec)
    (problem,) = parse_problems(caught.value)
    assert str(problem) == f"{field_path(['spec', *where, field])}: unknown field; {said}"


@pytest.mark.parametrize(
    "parts",
    [
        ["spec", "slos", 0, "max"],
        ["data", "tls.crt"],
        ["metadata", "labels", 'a.b/c"] d', "x"],
        ["a b", 3, 4, "c"],
        [],
    ],
)
def test_a_path_is_read_back_as_its_parts(parts: list[str | int]) -> None:
    assert field_parts(field_path(parts)) == parts
