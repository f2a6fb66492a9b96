"""Finished runs as JUnit XML, which CI systems show as tests.

A suite is a run. Its first case, ``run``, is the load itself; each objective is another case. A
missed objective is a failure only if the test says so (onBreach: Fail), unless the caller asks for
another rule.
"""

import xml.etree.ElementTree as ET
from collections.abc import Collection, Iterator, Sequence
from datetime import UTC

from perfrun.api.quantities import NS_PER_S, parse_duration
from perfrun.api.run.perfrun import PerfRun, PerfRunStatus, SloStatus, Verdict, figure_of
from perfrun.api.test.metric import MEMORY_PEAK, METRICS, MetricSource, subject
from perfrun.api.times import parse_time
from perfrun.logic.verdict.compare import worst
from perfrun.report.advice import next_steps
from perfrun.report.figures import LATENCIES

_SKIPPED = (Verdict.NOT_APPLICABLE, Verdict.INCONCLUSIVE)
_SUMMARY = [
    name for name, row in METRICS.items() if row.source is MetricSource.LOAD and not row.statistic
]
_KINDS = ("failure", "error", "skipped")


def junit(runs: Sequence[PerfRun], *, failing: Collection[Verdict] = (Verdict.FAIL,)) -> str:
    """The document. Verdicts in ``failing`` are failures."""
    suites = [_suite(run, failing=failing) for run in runs]
    root = ET.Element("testsuites", {"name": "perfrun", **_sums(suites)})
    root.extend(suites)
    ET.indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ET.tostring(root, encoding="unicode")}\n'


def _suite(run: PerfRun, *, failing: Collection[Verdict]) -> ET.Element:
    status = run.status
    name = f"{run.metadata.namespace}.{run.spec.test_ref.name}"
    seconds = _seconds(status)
    suite = ET.Element("testsuite", {"name": _clean(name)})
    suite.append(_properties(run))
    suite.append(_the_run(run, name, seconds, failing=failing))
    for slo in status.slos:
        case = ET.SubElement(
            suite, "testcase", {"classname": _clean(name), "name": _objective(slo), "time": "0"}
        )
        _judge(case, slo.verdict, slo.message, failing=failing)
    ET.SubElement(suite, "system-out").text = _clean("\n".join(_output(run)))
    for attribute, count in _counted(suite).items():
        suite.set(attribute, str(count))
    suite.set("time", f"{seconds:.3f}")
    if status.start_time is not None:
        started = parse_time(status.start_time).astimezone(UTC)
        suite.set("timestamp", started.strftime("%Y-%m-%dT%H:%M:%S"))
    return suite


def _the_run(
    run: PerfRun, name: str, seconds: float, *, failing: Collection[Verdict]
) -> ET.Element:
    """The case of the load itself: whether it could be judged, and what the objectives do not
    explain of the verdict."""
    status = run.status
    case = ET.Element(
        "testcase", {"classname": _clean(name), "name": "run", "time": f"{seconds:.3f}"}
    )
    message = status.message or ""
    if status.verdict is None:
        _add(case, "error", "NotDone", f"the run has no verdict yet: {status.phase or 'not begun'}")
    elif status.verdict is not worst([slo.verdict for slo in status.slos]):
        # An Error, a load that was ended early, or none of the objectives applied.
        _judge(case, status.verdict, message, failing=failing)
    return case


def _judge(
    case: ET.Element, verdict: Verdict, message: str, *, failing: Collection[Verdict]
) -> None:
    if verdict is Verdict.ERROR:
        _add(case, "error", verdict.value, message)
    elif verdict in failing:
        _add(case, "failure", verdict.value, message)
    elif verdict in _SKIPPED:
        ET.SubElement(case, "skipped", {"message": _clean(f"{verdict.value}: {message}")})
    else:
        ET.SubElement(case, "system-out").text = _clean(f"{verdict.value}: {message}")


def _add(case: ET.Element, kind: str, type_: str, message: str) -> None:
    found = ET.SubElement(case, kind, {"message": _clean(message), "type": type_})
    found.text = _clean(message)


def _objective(slo: SloStatus) -> str:
    """``latency.p95 of list, max 500ms``: unique, because metric, of and onBreach are unique
    together."""
    if slo.threshold is not None:
        return _clean(f"{slo.subject}, {slo.threshold}")
    limits = "".join(
        f", {bound} {limit}" for bound, limit in (("min", slo.min), ("max", slo.max)) if limit
    )
    breach = ", onBreach Fail" if slo.on_breach == "Fail" else ""
    return _clean(f"{slo.subject}{limits}{breach}")


def _properties(run: PerfRun) -> ET.Element:
    properties = ET.Element("properties")
    for name, value in _facts(run):
        ET.SubElement(properties, "property", {"name": _clean(name), "value": _clean(value)})
    return properties


def _facts(run: PerfRun) -> Iterator[tuple[str, str]]:
    """Figures that a CI system may show or plot, by their names in the status."""
    status = run.status
    yield "run", run.metadata.name
    yield "verdict", status.verdict.value if status.verdict else ""
    if status.overridden:
        yield "overrides", status.overridden
    summary = status.summary
    if summary is not None:
        figures = {
            "window": summary.window,
            **{name: figure_of(summary, name) for name in _SUMMARY},
            "requests": str(summary.requests.sent),
        }
        figures |= {name: figure_of(summary, name) for name in LATENCIES}
        yield from ((name, text) for name, text in figures.items() if text is not None)
    if (script := status.script) is not None:
        yield "script", ", ".join((script.tool, *script.versions))
        yield "clock", f"Tool: {script.clock}"
    if (benchmark := status.benchmark) is not None:
        if benchmark.memory_peak is not None:
            yield MEMORY_PEAK, benchmark.memory_peak
        for one in benchmark.results:
            for statistic, text in one.figures.items():
                yield subject(statistic, one.name), text
    for slo in status.slos:
        if slo.verdict is Verdict.WARN:
            yield f"warning: {_objective(slo)}", slo.message
    for finding in status.generator.findings if status.generator else []:
        yield f"finding: {finding.type}", finding.message


def _output(run: PerfRun) -> list[str]:
    status = run.status
    verdict = status.verdict.value if status.verdict else "no verdict"
    overrides = [f"overrides {status.overridden}"] if status.overridden else []
    steps = [f"next: {step}" for step in next_steps(run)]
    return [f"{verdict}: {status.message or ''}", *overrides, *steps]


def _seconds(status: PerfRunStatus) -> float:
    """How long the load took; if that is not known, the length of the window."""
    ended = status.load_end_time or status.completion_time
    if status.start_time is not None and ended is not None:
        took = (parse_time(ended) - parse_time(status.start_time)).total_seconds()
        return max(took, 0.0)
    try:
        return parse_duration(status.summary.window) / NS_PER_S if status.summary else 0.0
    except ValueError:
        return 0.0


def _counted(suite: ET.Element) -> dict[str, int]:
    cases = suite.findall("testcase")
    found = {kind: len(suite.findall(f"testcase/{kind}")) for kind in _KINDS}
    return {
        "tests": len(cases),
        "failures": found["failure"],
        "errors": found["error"],
        "skipped": found["skipped"],
    }


def _sums(suites: Sequence[ET.Element]) -> dict[str, str]:
    names = ("tests", "failures", "errors")
    sums = {name: str(sum(int(suite.get(name, "0")) for suite in suites)) for name in names}
    return {**sums, "time": f"{sum(float(suite.get('time', '0')) for suite in suites):.3f}"}


def _clean(text: str) -> str:
    """Without characters that XML does not allow: control characters, surrogates, and
    noncharacters."""
    return "".join(char if _is_xml(ord(char)) else " " for char in text)


def _is_xml(code: int) -> bool:
    return (
        code in (0x9, 0xA, 0xD)
        or 0x20 <= code < 0x7F
        or 0xA0 <= code <= 0xD7FF
        or 0xE000 <= code <= 0xFFFD
        or 0x10000 <= code <= 0x10FFFF
    )
