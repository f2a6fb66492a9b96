"""Objectives of OpenSLO documents (v1, v1alpha), for the test that comes from another source.

An OpenSLO objective refers to a query of a monitoring system; a run measures its own requests. So
queries are never run: their text says what they are about, and what it does not say is reported.
"""

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from perfrun.api import Json
from perfrun.api.quantities import format_exact_percent
from perfrun.api.test.metric import LATENCY, QUANTILES, SUCCESS_RATE
from perfrun.cli.init.draft import Amendment, NotCarried, SourceError
from perfrun.cli.init.source import line_of, number_of, rows, table, text_of
from perfrun.cli.init.texts import one_line

_LATENCY = re.compile(r"latency|duration|response_?time|request_?time|elapsed|ttfb", re.IGNORECASE)
_REQUESTS = re.compile(r"request|http|response|status|latency|duration|\bcode\b", re.IGNORECASE)
_BUCKET = re.compile(r"""\ble\s*=~?\s*\\?["']([0-9.]+)\\?["']""")
_PERCENTILE = re.compile(
    r"""(?:histogram_quantile|quantile\w*)\(\s*(0?\.[0-9]+)|quantile\s*=\s*\\?["'](0?\.[0-9]+)"""
    r"""|\bp(?:ercentile)?[_(]?([0-9]{2,4})\b""",
    re.IGNORECASE,
)
_UNITS = (
    (re.compile(r"_seconds?(_|\b)|_s(_bucket)?\b|\bseconds\b", re.IGNORECASE), 1.0),
    (re.compile(r"_ms(_|\b)|_millis(econds)?(_|\b)|milliseconds", re.IGNORECASE), 1e-3),
    (re.compile(r"_us(_|\b)|_micros(econds)?(_|\b)|microseconds", re.IGNORECASE), 1e-6),
    (re.compile(r"_ns(_|\b)|_nanos(econds)?(_|\b)|nanoseconds", re.IGNORECASE), 1e-9),
)
_AT_MOST = ("lte", "lt")
_OTHER_KINDS = "an object that is neither an SLO nor an SLI"


class _Slo(NamedTuple):
    """An SLO and one of its objectives."""

    shown: str
    indicator: Json
    objective: Json
    line: int
    timeslices: bool


class _UncarriedError(Exception):
    """Why a run cannot have an objective."""


def openslo_amendment(documents: list[Any], source: str) -> Amendment:
    """The objectives of a file. Raises SourceError if a run can judge none of them."""
    not_carried = NotCarried()
    slos: dict[str, Json] = {}
    told: list[str] = []
    for one in _objectives(_flat(documents), not_carried):
        try:
            slo, query = _objective(one)
        except _UncarriedError as reason:
            not_carried.add(f"{one.shown}: {reason}", one.line)
            continue
        if slo["metric"] in slos:
            what = f"{one.shown}: there is already another objective on {slo['metric']}"
            not_carried.add(what, one.line)
            continue
        slos[slo["metric"]] = slo
        limit = f"at most {slo['max']}" if "max" in slo else f"at least {slo['min']}"
        told.append(
            f"{one.shown} (line {one.line}): {slo['metric']} {limit}, of the requests of this test "
            f"and not of the query {one_line(query, 120)}."
        )
    if not slos:
        raise SourceError(f"{source}: no objective can be carried over: {not_carried.reasons()}")
    return Amendment(slos=tuple(slos.values()), notes=(*told, *not_carried.notes()))


def _flat(documents: list[Any]) -> Iterator[Json]:
    for one in documents:
        yield from map(table, one if isinstance(one, list) else [one])


def _objectives(documents: Iterator[Json], not_carried: NotCarried) -> Iterator[_Slo]:
    listed = list(documents)
    indicators = {
        text_of(table(one.get("metadata")).get("name")): table(one.get("spec"))
        for one in listed
        if one.get("kind") == "SLI"
    }
    for one in listed:
        kind, name = text_of(one.get("kind")), text_of(table(one.get("metadata")).get("name"))
        line = line_of(one)
        if kind != "SLO":
            if kind != "SLI":
                not_carried.add(
                    f'{one_line(kind, 40) or _OTHER_KINDS} "{one_line(name, 60)}"', line
                )
            continue
        spec, shown = table(one.get("spec")), f'SLO "{one_line(name, 60)}"'
        for key, what in (
            ("timeWindow", "its time window"),
            ("alertPolicies", "its alert policies"),
        ):
            if spec.get(key) or spec.get(f"{key}s"):
                not_carried.add(f"{shown}: {what}, which a run does not have", line)
        shared = _indicator(spec, indicators)
        for objective in map(table, rows(spec.get("objectives"))):
            own = _indicator(objective, indicators) or shared or objective
            slices = spec.get("budgetingMethod") == "Timeslices"
            yield _Slo(shown, own, objective, line_of(objective) or line, slices)


def _indicator(node: Json, indicators: dict[str, Json]) -> Json:
    given = table(node.get("indicator"))
    found = table(given.get("spec")) or given
    return found or indicators.get(text_of(node.get("indicatorRef")), {})


def _objective(one: _Slo) -> tuple[Json, str]:
    """The objective, and the text of its query. Raises _UncarriedError."""
    target = number_of(one.objective.get("target"))
    target = target or number_of(one.objective.get("targetPercent")) / 100
    ratio = table(one.indicator.get("ratioMetric") or one.indicator.get("ratioMetrics"))
    if ratio:
        query = _query(ratio.get("good") or ratio.get("bad") or ratio.get("raw"))
        return _of_ratio(one, query, target, bool(ratio.get("good"))), query
    threshold = one.indicator.get("thresholdMetric")
    query = _query(threshold)
    if threshold is None:
        raise _UncarriedError("it has no indicator here")
    return _of_threshold(one, query, target), query


def _of_ratio(one: _Slo, query: str, target: float, good: bool) -> Json:
    if not 0 < target < 1:
        raise _UncarriedError("its target is not between 0 and 1")
    if one.timeslices:
        raise _UncarriedError("its error budget counts time slices, but a run counts requests")
    bucket = _BUCKET.search(query)
    if bucket and good:
        limit = number_of(_number(bucket[1])) * (_unit(query) or 1.0)
        return {"metric": f"{LATENCY}.{_percentile(target)}", "max": _duration(limit)}
    if bucket or not _REQUESTS.search(query):
        raise _UncarriedError(f"its query is not about requests: {one_line(query, 80) or 'none'}")
    return {"metric": SUCCESS_RATE, "min": format_exact_percent(target)}


def _of_threshold(one: _Slo, query: str, target: float) -> Json:
    value, op = number_of(_number(one.objective.get("value"))), text_of(one.objective.get("op"))
    if not _LATENCY.search(query):
        raise _UncarriedError(f"its query is not about a latency: {one_line(query, 80) or 'none'}")
    if op not in _AT_MOST or value <= 0:
        raise _UncarriedError("it is not an upper limit")
    unit = _unit(query)
    if unit is None:
        raise _UncarriedError("its query does not say the unit of its value")
    found = _PERCENTILE.search(query)
    if found is None and one.timeslices:
        raise _UncarriedError("its error budget counts time slices, but a run counts requests")
    if found is None:
        return {"metric": f"{LATENCY}.{_percentile(target)}", "max": _duration(value * unit)}
    digits = found[3]
    quantile = float(f"0.{digits}") if digits else float(found[1] or found[2])
    return {"metric": f"{LATENCY}.{_percentile(quantile)}", "max": _duration(value * unit)}


def _percentile(quantile: float) -> str:
    known = {value: name for name, value in QUANTILES.items()}
    if (name := known.get(round(quantile, 6))) is None:
        listed = ", ".join(f"{one:g}" for one in known)
        raise _UncarriedError(f"the percentile {quantile:g}: there are {listed}")
    return name


def _unit(query: str) -> float | None:
    """Seconds per unit of the metric of a query."""
    return next((unit for pattern, unit in _UNITS if pattern.search(query)), None)


def _duration(seconds: float) -> str:
    us = round(seconds * 1e6)
    if us <= 0:
        raise _UncarriedError("its limit is not a duration")
    return f"{us // 1000}ms" if us % 1000 == 0 else f"{us}us"


def _number(value: object) -> object:
    """A number, possibly written as a string."""
    try:
        return float(value) if isinstance(value, str) else value
    except ValueError:
        return 0.0


def _query(node: object) -> str:
    """All strings of a metric: the field with the query depends on the data source."""
    found: list[str] = []
    left: list[Any] = [node]
    while left and len(found) < 20:
        one = left.pop()
        if isinstance(one, dict):
            left += reversed(one.values())
        elif isinstance(one, list):
            left += reversed(one)
        elif isinstance(one, str):
            found.append(one)
    return " ".join(" ".join(found).split())[:2000]
