"""The tables of docs/ name exactly what the code has."""

import inspect
import re
from pathlib import Path
from typing import get_args

from perfrun.api.template import FUNCTIONS, parse
from perfrun.api.test.metric import BENCHMARK, MEASURES, METRICS, STATISTICS, TIMINGS
from perfrun.api.test.scenario import ClassName
from perfrun.engine.errors import ErrorClass
from perfrun.local.files.manifests import parse_manifests
from perfrun.logic.schedule.upcoming import NoRun
from perfrun.logic.verdict import findings, scripts
from perfrun.logic.verdict.objectives import CLASS_OBJECTIVES
from perfrun.report.advice import _BY_ERROR, _BY_FINDING

SOURCES = inspect.getsource(findings) + inspect.getsource(scripts)
DOCS = Path(__file__).parents[3] / "docs"


def table(page: str, heading: str) -> list[list[str]]:
    """The cells of the first table below a heading, without its head."""
    section = (DOCS / page).read_text().split(f"\n## {heading}\n")[1]
    rows = [line for line in section.split("\n## ")[0].splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows[2:]]


def names(page: str, heading: str) -> list[str]:
    return [re.match(r"`([\w.*]+)", row[0])[1] for row in table(page, heading)]


def kinds_of_findings() -> set[str]:
    return set(re.findall(r'finding_of\(\s*"(\w+)"', SOURCES))


def test_every_template_function_is_there_with_an_example_that_parses():
    assert sorted(names("reference/templates.md", "Functions")) == sorted(FUNCTIONS)
    for call, _, example in table("reference/templates.md", "Functions"):
        (first, *_) = parse(re.findall(r"`(\$\([^`]*\))`", example)[0])
        assert first.function == re.match(r"`(\w+)", call)[1]


def test_every_metric_is_there():
    families = {f"{timing}.*" for timing in (*TIMINGS, *MEASURES)}
    named = {*TIMINGS, *MEASURES}
    others = {metric for metric in METRICS if metric.partition(".")[0] not in named}
    assert set(names("reference/measuring.md", "Metrics")) == (families | others) - BENCHMARK.keys()
    assert set(names("how-to/benchmark-suites.md", "Metrics")) == BENCHMARK.keys()
    page = (DOCS / "reference/measuring.md").read_text()
    assert all(f"`{statistic}`" in page for statistic in STATISTICS)


def test_every_error_class_is_there_and_has_its_advice():
    assert names("reference/measuring.md", "Error classes") == [kind.value for kind in ErrorClass]
    assert list(_BY_ERROR) == [kind.value for kind in ErrorClass]


def test_every_finding_is_there_with_its_effect_and_has_its_advice():
    rows = {
        row[0].strip("`"): row[2]
        for row in table("reference/measuring.md", "Findings about the generator")
    }
    assert set(rows) == kinds_of_findings() == set(_BY_FINDING)
    for kind in rows.keys() - {"Coverage"}:  # its effect depends on onWorkerLoss
        effect = re.search(rf'"{kind}",\s*"(\w+)"', SOURCES)[1]
        assert rows[kind].replace("-", "").lower() == effect.lower(), kind


def test_every_reason_for_no_run_is_there():
    rows = (DOCS / "reference/cli.md").read_text().split("| `reason` | |\n")[1].split("\n\n")[0]
    assert re.findall(r"^\| `(\w+)` \|", rows, re.MULTILINE) == list(get_args(NoRun))


def test_every_class_is_there_with_its_objectives():
    written = {}
    for name, latency, throughput in table("reference/measuring.md", "Classes of steps"):
        written[name.strip("`")] = {"latency.p95": latency, "throughput": throughput}
    assert set(get_args(ClassName)) == set(CLASS_OBJECTIVES) == {*written, "Page"}
    for name in written:
        lines = CLASS_OBJECTIVES[name]
        given = {line.metric: line.max or line.min for line in lines}
        assert {metric: limit for metric, limit in written[name].items() if limit} == given


def test_every_measure_of_pages_is_there_with_what_its_class_allows():
    rows = table("how-to/pages.md", "What is measured")
    assert [row[0].strip("`") for row in rows] == list(MEASURES)
    written = {f"{row[0].strip('`')}.p75": row[2] for row in rows if row[2]}
    assert written == {line.metric: line.max for line in CLASS_OBJECTIVES["Page"]}


def manifests() -> list[tuple[str, str]]:
    """The documents of every page that have a PerfTest, with the page."""
    pages = [*sorted(DOCS.rglob("*.md")), DOCS.parent / "README.md"]
    return [
        (page.name, block)
        for page in pages
        for block in re.findall(r"```yaml\n(.*?)```", page.read_text(), re.DOTALL)
        if "kind: PerfTest" in block and "metadata:" in block
    ]


def test_every_manifest_of_a_page_is_valid():
    found = manifests()
    assert len(found) >= 14
    for page, text in found:
        problems = [one.text for it in parse_manifests(page, text.encode()) for one in it.problems]
        assert problems == [], page
