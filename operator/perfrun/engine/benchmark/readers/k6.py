"""k6: what ``k6 run --summary-export=FILE`` writes, or handleSummary() with JSON.stringify(data).

Its times are in milliseconds. The first format does not say which metrics are times, so custom
metrics can only be read from the second. With ``--new-machine-readable-summary`` both write a third
form, with a list of metrics.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from perfrun.api.quantities import NS_PER_MS
from perfrun.engine.benchmark.readers.form import benchmark, mapping
from perfrun.engine.command import ResultsError
from perfrun.measure.benchmark import MAX_VALUE, Benchmark

_MS = float(NS_PER_MS)
_TREND = dict.fromkeys(("avg", "min", "med", "max", "p90", "p95", "p99", "p999"), _MS)
_PERCENTILES = {"p(90)": "p90", "p(95)": "p95", "p(99)": "p99", "p(99.9)": "p999"}
_COUNTER = {"count": 1.0, "rate": 1.0}
_RATE = {"value": 1.0, "passes": 1.0, "fails": 1.0}
_GAUGE = {"value": 1.0}
_OWN_TIMES = (
    "http_req_",
    "iteration_duration",
    "group_duration",
    "ws_connecting",
    "ws_session_duration",
    "ws_ping",
    "grpc_req_duration",
    "browser_http_req_duration",
)


def read(document: Any) -> Iterator[Benchmark]:
    """Each metric of k6, by its name. Raises ResultsError for another document."""
    whole = mapping(document, "the document")
    metrics = whole.get("metrics")
    if isinstance(metrics, dict):
        pairs: Iterable[tuple[str, Any]] = metrics.items()
    elif isinstance(whole.get("results"), dict):
        pairs = _listed(whole["results"], mapping(whole.get("config", {}), "config"))
    else:
        raise ResultsError("it has no metrics")
    for name, found in pairs:
        metric = mapping(found, f"metric {name[:80]}")
        made = _described(name, metric) if "values" in metric else _bare(name, metric)
        if made is not None:
            yield made


def _listed(results: Mapping[str, Any], config: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """The metrics of the machine-readable summary, and those that it contains about the checks.

    It leaves out the rate of a Counter, which in the other forms is its count divided by the
    duration of the test.
    """
    seconds = config.get("duration")
    checks = results.get("checks")
    places = (results.get("metrics"), checks.get("metrics") if isinstance(checks, dict) else None)
    lists = [one for one in places if isinstance(one, list)]
    if not lists:
        raise ResultsError("it has no metrics: neither metrics nor results.metrics")
    for metric in (one for found in lists for one in found):
        name = mapping(metric, "one of results.metrics").get("name")
        if not isinstance(name, str):
            raise ResultsError("an entry of results.metrics has no name")
        if metric.get("type") == "counter":
            values = mapping(metric.get("values", {}), f"values of {name[:80]}")
            metric = {**metric, "values": {**_a_second(values.get("count"), seconds), **values}}
        yield name, metric


def _a_second(count: Any, seconds: Any) -> dict[str, float]:
    numbers = isinstance(count, int | float) and isinstance(seconds, int | float)
    return {"rate": count / seconds} if numbers and 0 < seconds < MAX_VALUE else {}


def _described(name: str, metric: Mapping[str, Any]) -> Benchmark | None:
    """Read a metric of handleSummary, which has its type and its contents."""
    values = mapping(metric["values"], f"values of {name[:80]}")
    match metric.get("type"):
        case "trend" if metric.get("contains") == "time":
            return benchmark(name, _named(values), _TREND)
        case "counter":
            return benchmark(name, values, _COUNTER)
        case "rate":
            # Not per second: a share of all. It is named as in --summary-export.
            share = {"value": values.get("rate")}
            return benchmark(name, {**_passes(values), **values, **share}, _RATE)
        case "gauge":
            return benchmark(name, values, _GAUGE)
    return None


def _passes(values: Mapping[str, Any]) -> dict[str, Any]:
    """The machine-readable summary has the number of matches, and the total."""
    matches, total = values.get("matches"), values.get("total")
    if not isinstance(matches, int) or not isinstance(total, int):
        return {}
    return {"passes": matches, "fails": total - matches}


def _bare(name: str, values: Mapping[str, Any]) -> Benchmark | None:
    """Read a metric of --summary-export, whose type follows from its fields."""
    if "passes" in values:
        return benchmark(name, values, _RATE)
    if "avg" in values:
        own = name.partition("{")[0]  # http_req_duration{expected_response:true}
        is_time = own.startswith(_OWN_TIMES)
        return benchmark(name, _named(values), _TREND) if is_time else None
    return benchmark(name, values, _COUNTER if "count" in values else _GAUGE)


def _named(values: Mapping[str, Any]) -> dict[str, Any]:
    return {_PERCENTILES.get(name, name): value for name, value in values.items()}
