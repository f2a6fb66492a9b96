"""Objectives of OpenSLO documents."""

import pytest

from perfrun.cli.init.draft import SourceError, amended
from perfrun.cli.init.openslo import openslo_amendment
from perfrun.cli.init.source import SourceFile
from tests.unit.cli.init.given import document, get, openapi, read_back

SLO = """\
apiVersion: openslo/v1
kind: SLO
metadata: {name: shop}
spec:
  service: web
  indicator: {indicator}
  budgetingMethod: {method}
  objectives:
  - {objective}
"""
RATIO = """{spec: {ratioMetric: {
    good: {metricSource: {type: Prometheus, spec: {query: 'http_requests_total{code!~"5.."}'}}},
    total: {metricSource: {type: Prometheus, spec: {query: 'http_requests_total'}}}}}}"""
THRESHOLD = "{spec: {thresholdMetric: {metricSource: {spec: {query: '%s'}}}}}"


def slo(indicator=RATIO, objective="{target: 0.999}", method="Occurrences"):
    text = SLO.replace("{indicator}", indicator).replace("{method}", method)
    return text.replace("{objective}", objective)


def read(tmp_path, text):
    file = tmp_path / "slo.yaml"
    file.write_text(text)
    with SourceFile(str(file)) as source:
        return openslo_amendment(source.located_documents(), "slo.yaml")


@pytest.mark.parametrize(
    ("indicator", "objective", "expected"),
    [
        (RATIO, "{target: 0.999}", {"metric": "successRate", "min": "99.9%"}),
        (RATIO, "{targetPercent: 99.95}", {"metric": "successRate", "min": "99.95%"}),
        (RATIO, "{target: 0.9999999}", {"metric": "successRate", "min": "99.99999%"}),
        (
            RATIO.replace('{code!~"5.."}', '_seconds_bucket{le="0.3"}'),
            "{target: 0.95}",
            {"metric": "latency.p95", "max": "300ms"},
        ),
        (
            THRESHOLD % "http_request_duration_seconds",
            "{op: lte, value: 0.5, target: 0.99}",
            {"metric": "latency.p99", "max": "500ms"},
        ),
        (
            THRESHOLD % "histogram_quantile(0.95, rate(latency_ms_bucket[5m]))",
            "{op: lt, value: 250, target: 0.98}",
            {"metric": "latency.p95", "max": "250ms"},
        ),
        (
            THRESHOLD % "request_latency_us",
            "{op: lt, value: 1500, target: 0.5}",
            {"metric": "latency.p50", "max": "1500us"},
        ),
    ],
)
def test_objectives_that_a_run_can_judge(tmp_path, indicator, objective, expected):
    amendment = read(tmp_path, slo(indicator, objective))
    assert amendment.slos == (expected,)
    limit = expected.get("max") or expected["min"]
    assert amendment.notes[0].startswith('SLO "shop" (line ')
    assert f"{limit}, of the requests of this test and not of the query" in amendment.notes[0]
    draft = amended(openapi(document({"/a": get()})), amendment)
    (test,) = read_back(draft)
    assert [one.metric for one in test.spec.slos] == [expected["metric"]]
    assert test.spec.scenarios[0].steps[0].class_ is None


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (slo(THRESHOLD % "Any"), "its query is not about a latency: Any"),
        (slo(THRESHOLD % "cpu_usage"), "its query is not about a latency: cpu_usage"),
        (
            slo(RATIO.replace("http_requests_total", "x").replace("code", "y")),
            "its query is not about requests",
        ),
        (slo(objective="{target: 1}"), "its target is not between 0 and 1"),
        (slo(method="Timeslices"), "its error budget counts time slices"),
        (slo(THRESHOLD % "latency", "{op: lt, value: 1, target: 0.9}"), "does not say the unit"),
        (
            slo(THRESHOLD % "latency_ms", "{op: gt, value: 1, target: 0.9}"),
            "it is not an upper limit",
        ),
        (slo(THRESHOLD % "latency_ms", "{op: lt, value: 1, target: 0.98}"), "the percentile 0.98"),
        (slo("{}"), "it has no indicator here"),
    ],
)
def test_what_a_run_cannot_judge_is_named_with_its_line(tmp_path, text, why):
    with pytest.raises(
        SourceError, match=rf"no objective can be carried over.*{why}.*\(line \d+\)"
    ):
        read(tmp_path, text)


def test_reasons_are_told_apart(tmp_path):
    text = "apiVersion: openslo/v1\nkind: Service\nmetadata: {name: web}\n---\n" + slo(
        objective="{target: 2}"
    )
    with pytest.raises(SourceError) as caught:
        read(tmp_path, text)
    assert 'carried over: Not carried over: Service "web" (line 1); Not carried over: SLO "' in str(
        caught.value
    )


def test_several_objects_in_one_file(tmp_path):
    sli = RATIO.replace("{spec: ", "", 1)[:-1]
    text = "---\n".join(
        [
            f"apiVersion: openslo/v1\nkind: SLI\nmetadata: {{name: ok}}\nspec: {sli}\n",
            slo().replace(
                f"indicator: {RATIO}", "indicatorRef: ok\n  timeWindow: [{duration: 4w}]"
            ),
            "apiVersion: openslo/v1\nkind: Service\nmetadata: {name: web}\n",
            slo(objective="{target: 0.9}"),
        ]
    )
    amendment = read(tmp_path, text)
    assert amendment.slos == ({"metric": "successRate", "min": "99.9%"},)
    assert amendment.notes[1:] == (
        'Not carried over: SLO "shop": its time window, which a run does not have (line 8)',
        'Not carried over: Service "web" (line 19)',
        'Not carried over: SLO "shop": there is already another objective on successRate (line 33)',
    )


def test_documents_of_the_first_version(tmp_path):
    text = (
        "apiVersion: openslo/v1alpha\nkind: SLO\nmetadata: {name: a}\nspec:\n  objectives:\n"
        "  - target: 0.99\n    ratioMetrics: {good: {source: x, query: 'http_ok'}, total: {}}\n"
    )
    assert read(tmp_path, text).slos == ({"metric": "successRate", "min": "99%"},)


def test_hostile_documents_are_told(tmp_path):
    bomb = "a: &a [x, x]\n" + "".join(f"k{n}: &b{n} [*a, *a, *a]\n" for n in range(3))
    for text in (bomb, "kind: SLO\nspec: [1]", "[]", "x"):
        with pytest.raises(SourceError):
            read(tmp_path, text)
