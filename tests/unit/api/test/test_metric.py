"""The table of metrics: which way each is better, and that no other module quotes a name."""

import ast
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

import pytest

import perfrun
from perfrun.api.test.metric import (
    MEASURES,
    METRICS,
    OBSERVABLES,
    STATISTICS,
    TIMINGS,
    Direction,
    Notation,
    direction,
)

ROOT = Path(perfrun.__file__).parent
NAMES = {*METRICS, *TIMINGS, *MEASURES, *OBSERVABLES} - set(STATISTICS)
"""Statistics are columns of reports too, and max and min are the limits of an objective."""
LATENCIES = "fields of a record or of an interval: how long what ended took"
STATUS = "fields of a status"
RESOURCES = "resources of a container"
ALLOWED = [  # module, names, what they are there
    ("*", "value", "the content of a header, a variable, a JSON patch, or the like"),
    ("*", "rate", "the field of a load, or the key of a chart"),
    ("*/overrides.py", "requests capacity", "fields of a load"),
    ("cli/init/jmeter/drafting.py", "connections connect", "a field of a target, a word of JMeter"),
    ("cli/*.py", "requests", "how many requests a run makes"),
    ("cli/terminal/progress.py", "dropped", "a word of the line that shows progress"),
    ("controller/metrics/live.py", "dropped", "a label: the state of an iteration"),
    ("controller/objects/command_pod.py", "requests cpu", RESOURCES),
    ("controller/objects/jobs.py", "requests cpu memory", RESOURCES),
    ("controller/run/sampler.py", "cpu memory", RESOURCES),
    ("coordinator/live.py", "latency", LATENCIES),
    ("engine/benchmark/readers/*.py", "*", "what the tool's own results call them"),
    ("engine/http/connection_policy.py", "connections", "an attribute"),
    ("engine/record/health.py", "cpu", "a controller of cgroups"),
    ("engine/record/recorder.py", "latency service ttfb dropped", LATENCIES),
    ("engine/script/tools/jmeter.py", "latency", "a column of JMeter"),
    ("engine/script/tools/k6.py", "service", "a tag of k6"),
    ("logic/plan/stop.py", "latency", LATENCIES),
    ("logic/plan/thresholds.py", "count med", "methods of a threshold of k6"),
    ("logic/verdict/holds.py", "throughput", STATUS),
    ("logic/verdict/scripts.py", "count med passes", "statistics of k6"),
    ("logic/verdict/summary.py", "requests latency", STATUS),
    ("measure/histogram.py", "count", "an attribute"),
    ("measure/record.py", "latency service connect ttfb dropped connections", LATENCIES),
    ("measure/report.py", "latency", LATENCIES),
    ("report/figures.py", "count", "a unit"),
    ("report/html/distribution.py", "service", "the style of a curve"),
    ("report/html/over_time.py", "latency median", "the key of a chart, the label of a line"),
    ("report/html/phases.py", "connect", "the name of a part"),
    ("report/lines.py", "count med", "statistics of k6"),
    ("report/junit.py", "requests", "how many requests were sent"),
]


def quoted() -> Iterator[tuple[str, int, str]]:
    """Each text of a module that is the name of a metric: the module, the line, the text."""
    for path in sorted(ROOT.rglob("*.py")):
        module = str(path.relative_to(ROOT))
        if module == "api/test/metric.py":
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                name = node.value.strip(".")  # a part of a name is none, but "latency." is
                if name in NAMES:
                    yield module, node.lineno, name


def allowance(module: str, name: str) -> int | None:
    """The row of ALLOWED that lets a module quote a name."""
    for index, (modules, names, _) in enumerate(ALLOWED):
        if fnmatch(module, modules) and (names == "*" or name in names.split()):
            return index
    return None


def test_the_name_of_a_metric_is_quoted_in_the_table_alone() -> None:
    refused = [
        f"{module}:{line}: {name!r} is a metric: ask its row in api/test/metric.py"
        for module, line, name in quoted()
        if allowance(module, name) is None
    ]
    assert not refused, "\n".join(refused)


def test_every_allowance_is_needed() -> None:
    used = {allowance(module, name) for module, _, name in quoted()}
    assert used == set(range(len(ALLOWED)))


@pytest.mark.parametrize(
    ("metric", "better"),
    [
        ("latency.p95", Direction.LOWER),
        ("errorRate", Direction.LOWER),
        ("dropped", Direction.LOWER),
        ("memory.growth", Direction.LOWER),
        ("capacity", Direction.HIGHER),
        ("successRate", Direction.HIGHER),
        ("checkRate", Direction.HIGHER),
        ("bytes.received", Direction.NEITHER),
        ("value.min", Direction.NEITHER),
    ],
)
def test_direction(metric: str, better: Direction) -> None:
    assert metric in METRICS
    assert direction(metric) is better


def test_no_duration_is_better_where_it_is_longer_and_no_rate_where_it_is_lower() -> None:
    by_kind = {
        kind: {direction(m) for m, its in METRICS.items() if its.kind is kind} for kind in Notation
    }
    assert by_kind[Notation.DURATION] == {Direction.LOWER}
    assert by_kind[Notation.RATE] == {Direction.HIGHER}
