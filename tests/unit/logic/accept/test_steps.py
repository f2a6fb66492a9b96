"""Names in templates, extractions and feeds: what is said before a run, and where."""

from typing import Any

import pytest

from perfrun.api.test.perftest import PerfTestSpec
from perfrun.logic.accept.spec import check

FEED = {"name": "users", "csvFrom": {"configMapKeyRef": {"name": "data", "key": "users.csv"}}}


def made(text: str) -> dict[str, Any]:
    return {"name": "made", "generate": {"rows": 10, "columns": {"id": text}}}


MADE = made("$(uuid())")


def step(name: str, path: str = "/", **extract: dict[str, str]) -> dict[str, Any]:
    return {"name": name, "http": {"path": path}, "extract": extract}


def said(**spec: Any) -> list[str]:
    """The problems of a spec, as they are told."""
    scenarios = spec.pop("steps", None)
    parsed = PerfTestSpec.parse(
        {
            "target": {"http": {"url": "http://shop"}},
            "load": {"burst": {"requests": 1, "concurrency": 1}},
            **({"scenarios": [{"name": "s", "steps": scenarios}]} if scenarios else {}),
            **spec,
        }
    )
    return [str(problem) for problem in check(parsed).problems]


ID = {"json": "$.id"}


def test_names_that_were_given_before_are_known() -> None:
    assert not said(
        setup=[step("login", token={"header": "X-Token"})],
        feeds=[FEED],
        variables={"region": "eu"},
        steps=[step("a", "/$(token)", id=ID), step("b", "/$(id)/$(users.id)/$(region)")],
        teardown=[step("bye", "/$(token)")],
    )


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        pytest.param(
            {"steps": [step("a", "/$(id)"), step("b", id=ID)]},
            "spec.scenarios[0].steps[0].http.path: $(id) is not a variable: it is extracted by "
            "another scenario or by a later step",
            id="extracted later",
        ),
        pytest.param(
            {"steps": [step("a", "/$(user.id)")], "feeds": [FEED]},
            'spec.scenarios[0].steps[0].http.path: $(user.id) does not name a feed; did you mean "users"?',
            id="no such feed",
        ),
        pytest.param(
            {"steps": [step("a", "/$(secret.token)")]},
            "spec.scenarios[0].steps[0].http.path: $(secret.token) does not name a feed; to use a "
            "Secret, set valueFrom.secretKeyRef of a header",
            id="a Secret in a template",
        ),
        pytest.param(
            {"steps": [step("a", id={"json": "$["})]},
            "spec.scenarios[0].steps[0].extract.id.json: is not a JSONPath",
            id="no path",
        ),
        pytest.param(
            {"steps": [step("a", id={"regex": "("})]},
            "spec.scenarios[0].steps[0].extract.id.regex: is not a regular expression",
            id="no regex",
        ),
        pytest.param(
            {"steps": [step("a", id=ID)], "variables": {"id": "1"}},
            'spec.scenarios[0].steps[0].extract.id: "id" is already the name of a variable',
            id="a variable too",
        ),
        pytest.param(
            {"feeds": [FEED], "variables": {"users": "1"}},
            'spec.feeds[0].name: "users" is already the name of a variable',
            id="a feed and a variable",
        ),
        pytest.param(
            {"steps": [step("a", "/$(made.idd)")], "feeds": [MADE]},
            "spec.scenarios[0].steps[0].http.path: $(made.idd) is not a column of its feed; did you "
            'mean "id"?',
            id="no such column of a generated feed",
        ),
        pytest.param(
            {"feeds": [made("$(now())")]},
            "spec.feeds[0].generate.columns.id: $(now()) gives a new value each time",
            id="a clock in a generated feed",
        ),
        pytest.param(
            {"feeds": [made("$(regoin)")], "variables": {"region": "eu"}},
            'spec.feeds[0].generate.columns.id: $(regoin) is not a variable; did you mean "region"?',
            id="a generated feed of what is not there",
        ),
        pytest.param(
            {"feeds": [FEED, made("$(users.id)")]},
            "spec.feeds[1].generate.columns.id: $(users.id) is not a variable; a column can use",
            id="a generated feed of another feed",
        ),
        pytest.param(
            {"feeds": [made("$(uuid()")]},
            "spec.feeds[0].generate.columns.id: template $(uuid() is not closed",
            id="a generated feed that cannot be read",
        ),
        pytest.param(
            {"feeds": [MADE, MADE]},
            'spec.feeds[1].name: "made" is already the name of a feed',
            id="two feeds of a name",
        ),
        pytest.param(
            {"setup": [step("a", "/$(x)")]},
            "spec.setup[0].http.path: $(x) is not a variable",
            id="in setup",
        ),
    ],
)
def test_what_is_wrong_is_said_with_its_field(spec: dict[str, Any], words: str) -> None:
    (problem,) = said(**spec)
    assert problem.startswith(words)
