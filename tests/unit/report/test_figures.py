"""Figures for programs: one unit for each metric, null with a reason, and the documented schema."""

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from perfrun.api.test.metric import METRICS, Notation
from perfrun.logic.comparison.model import Reported
from perfrun.report.document import run_document
from perfrun.report.figures import UNITS, run_figures
from perfrun.report.reading import read_document
from perfrun.report.schema import SCHEMAS, main, schema
from tests.unit.logic.build import MS, S, report, step
from tests.unit.report.html.build import reported, series
from tests.unit.report.sample import a_run, an_error

REFERENCE = Path(__file__).parents[3] / "docs" / "reference"
PAGE = {"pageLoad": {"samples": 42, "p50": "403ms", "max": "503ms"}}


def problems(name: str, document: Any) -> list[str]:
    made = schema(name)
    Draft202012Validator.check_schema(made)
    return [error.message for error in Draft202012Validator(made).iter_errors(document)]


def measured(*latencies: int, **parts: Any) -> Reported:
    made = report(step(latencies, **parts))
    made.series = series(seconds=2)
    return reported(made, slos=[{"metric": "latency.p99", "max": "500ms"}])


def test_numbers_are_in_the_unit_that_stands_beside_them():
    figures = run_figures(a_run())
    assert figures.window_seconds == 330
    found = {name: (one.value, one.unit) for name, one in figures.metrics.items()}
    assert found["latency.p95"] == (0.612, "seconds")
    assert found["throughput"] == (999.4, "per second")
    assert found["errorRate"] == (0.0006, "ratio")
    assert figures.objectives[0].max == 0.5
    assert figures.objectives[0].measured.value == 0.612


def test_a_bound_is_a_number_that_says_so():
    most = run_figures(a_run()).metrics["latency.max"]
    assert (most.value, most.lower_bound, most.reason) == (5.0, True, None)


def test_what_is_not_there_is_null_with_its_reason():
    figures = run_figures(a_run())
    few = figures.metrics["latency.p999"]
    assert (few.value, few.reason) == (None, "needs 10000 samples, but there were 330")
    asked = figures.objectives[2].measured
    assert (asked.value, asked.reason) == (None, "needs 1000 samples, but there were 330")
    silent = run_figures(measured(failed=3).run).metrics["latency.avg"]
    assert silent.reason == "has no samples: no request succeeded, timed out or was still open"
    body = a_run().status.steps[0].model_dump(mode="json") | {"measures": PAGE}
    [first] = run_figures(a_run(steps=[body])).steps
    assert first.metrics["pageLoad.p50"].value == 0.403
    assert first.metrics["pageLoad.p95"].reason == "has no samples: no page provided any"


def test_a_run_without_measurements_has_no_figures():
    figures = run_figures(an_error("it refused"))
    assert (figures.requests, figures.metrics, figures.steps) == (None, {}, [])


@pytest.mark.parametrize(
    "run",
    [
        a_run(),
        a_run(verdict=None, phase="Running"),
        an_error("it refused"),
        measured(MS).run,
        measured(failed=3).run,
        measured(*[MS] * 300, timeouts=[5 * S] * 20, censored=[S]).run,
    ],
    ids=["full", "running", "error", "one sample", "errors only", "bounds"],
)
def test_what_json_writes_follows_its_schema_and_is_read_back(run: Any):
    document = json.loads(json.dumps(run_document(run)))
    assert problems("run.schema.json", document) == []
    listed = {"apiVersion": "v1", "kind": "List", "metadata": {}, "items": [document, document]}
    assert problems("run.schema.json", listed) == []
    assert read_document(json.dumps(document).encode())[0].run.status == run.status


@pytest.mark.parametrize(
    "one",
    [reported(None), measured(MS), measured(*[MS] * 300, timeouts=[5 * S] * 20)],
    ids=["none reported", "one sample", "bounds"],
)
def test_what_result_writes_follows_its_schema(one: Reported):
    assert one.result is not None
    document = json.loads(one.result.to_bytes())
    assert problems("result.schema.json", document) == []
    assert problems("result.schema.json", [document]) == []
    assert document["figures"] == run_document(one.run)["figures"]


def test_the_schema_refuses_words_in_the_place_of_numbers():
    document = json.loads(json.dumps(run_document(a_run())))
    document["figures"]["metrics"]["latency.p999"]["value"] = "unsupported"
    assert problems("run.schema.json", document)


def test_the_documented_schemas_are_those_of_the_models(tmp_path: Path):
    for name in SCHEMAS:
        assert json.loads((REFERENCE / name).read_text()) == schema(name), "run `make crds`"
    assert main(["--check", str(REFERENCE)]) == 0
    assert main(["--check", str(tmp_path)]) == 1
    assert main([str(tmp_path)]) == 0
    assert main(["--check", str(tmp_path)]) == 0


def test_each_notation_has_a_unit():
    assert set(UNITS) == set(Notation)
    assert {row.kind for row in METRICS.values()} <= set(UNITS)
