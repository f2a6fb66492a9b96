"""Load and objectives of a k6 script, for the test whose requests come from another source.

A script is a program. ``k6 inspect`` runs it in a separate process and prints its options. They do
not contain its requests.
"""

import json
import os
import re
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from shutil import which
from typing import Any

from rich.console import Console

from perfrun.api import Json
from perfrun.api.quantities import format_exact_percent, format_exact_rate
from perfrun.api.test.metric import CONNECT, ERROR_RATE, LATENCY, THROUGHPUT, TTFB
from perfrun.cli.init.draft import Amendment, NotCarried, SourceError
from perfrun.cli.init.source import SourceFile, number_of, rows, table, text_of
from perfrun.cli.init.texts import one_line
from perfrun.cli.terminal.streams import print_line
from perfrun.logic.plan.thresholds import parse_expression, parse_selector

_TIMEOUT_S = 30.0
_MAX_OUTPUT = 4 * 1024 * 1024
_READ = frozenset({"scenarios", "thresholds", "vus", "duration", "iterations", "stages"})
"""The options that become load and objectives."""
_READ_OF_SCENARIO = frozenset(
    {"executor", "vus", "duration", "iterations", "stages", "startVUs", "rate", "timeUnit"}
    | {"startRate", "maxVUs", "preAllocatedVUs"}
)
_TIMES = {"http_req_duration": LATENCY, "http_req_waiting": TTFB, "http_req_connecting": CONNECT}
_DURATION = re.compile(
    r"(?:([0-9]+)d)?(?:([0-9]+)h)?(?:([0-9]+)m(?!s))?(?:([0-9.]+)s)?(?:([0-9.]+)ms)?\Z"
)
_UNITS_S = (86_400.0, 3600.0, 60.0, 1.0, 0.001)


def k6_amendment(source: SourceFile, err: Console) -> Amendment:
    """The load and the objectives of a script. Raises SourceError."""
    options = _inspected(source, err)
    not_carried = NotCarried()
    lines = _Lines("" if source.is_archive else source.text)
    not_carried.add("the requests of the script: also pass a HAR or OpenAPI file")
    for key, value in options.items():
        if key not in _READ and _is_set(value):
            not_carried.add(f"option {one_line(key, 60)}", lines.of(key))
    load = _load(options, lines, not_carried)
    slos = list(_slos(table(options.get("thresholds")), lines, not_carried))
    return Amendment(load=load, slos=tuple(slos), notes=not_carried.notes())


def _inspected(source: SourceFile, err: Console) -> Json:
    """The options of a script, from ``k6 inspect``, which executes it."""
    if which("k6") is None:
        raise SourceError(
            f"{source.name}: is a k6 script: k6 reads it, but is not in the PATH: install k6, or "
            "add its folder to the PATH"
        )
    print_line(err, f"{source.name}: k6 executes the script to read its options (k6 inspect)")
    with tempfile.TemporaryDirectory() as folder:
        file = source.name
        if file == "-":
            copy = Path(folder) / ("script.tar" if source.is_archive else "script.js")
            copy.write_bytes(source.data)
            file = str(copy)
        try:
            done = subprocess.run(  # noqa: S603 - the name of a file, behind --
                ["k6", "inspect", "--", file],  # noqa: S607 - the user's k6
                capture_output=True,
                stdin=subprocess.DEVNULL,
                timeout=_TIMEOUT_S,
                env={**os.environ, "NO_COLOR": "1", "K6_NO_USAGE_REPORT": "true"},
                check=False,
            )
        except OSError as error:
            raise SourceError(f"{source.name}: k6 inspect: {error.strerror}") from None
        except subprocess.TimeoutExpired:
            raise SourceError(
                f"{source.name}: k6 inspect: did not finish within {_TIMEOUT_S:g} s"
            ) from None
    if done.returncode != 0:
        wrong = done.stderr[-2000:].decode("utf-8", "replace")
        raise SourceError(f"{source.name}: k6 inspect: {one_line(wrong, 300)}")
    try:
        return table(json.loads(done.stdout[:_MAX_OUTPUT]))
    except (ValueError, RecursionError):
        raise SourceError(f"{source.name}: k6 inspect: its output is not JSON") from None


def _is_set(value: object) -> bool:
    """Whether an option is set: k6 prints all of them, most as null."""
    return any(map(_is_set, value.values())) if isinstance(value, dict) else bool(value)


class _Lines:
    """The lines on which names appear in a script, as far as they can be found."""

    def __init__(self, text: str) -> None:
        self._text = text

    def of(self, name: str) -> int:
        at = self._text.find(name)
        return self._text.count("\n", 0, at) + 1 if at >= 0 else 0


def _load(options: Json, lines: _Lines, not_carried: NotCarried) -> Json | None:
    scenarios = {name: table(one) for name, one in table(options.get("scenarios")).items()}
    if not scenarios:
        scenarios = {"default": _short(options)}
    made: Json | None = None
    for name, one in scenarios.items():
        executor = text_of(one.get("executor"))
        shown = f'scenario "{one_line(name, 60)}" ({one_line(executor, 40) or "no executor"})'
        if made is not None:
            not_carried.add(f"{shown}: a test has one load", lines.of(name))
            continue
        made = _of_executor(executor, one)
        if made is None:
            not_carried.add(f"{shown}: its load", lines.of(name))
        for key, value in one.items():
            if key not in _READ_OF_SCENARIO and _is_set(value):
                not_carried.add(f"{shown}: {one_line(key, 60)}", lines.of(name))
    return made


def _short(options: Json) -> Json:
    """The scenario that the options outside of scenarios define."""
    if rows(options.get("stages")):
        return {
            "executor": "ramping-vus",
            "stages": options["stages"],
            "startVUs": options.get("vus"),
        }
    if options.get("iterations"):
        return {"executor": "shared-iterations"} | _taken(options, "vus", "iterations")
    if options.get("duration"):
        return {"executor": "constant-vus"} | _taken(options, "vus", "duration")
    return {}


def _taken(options: Json, *names: str) -> Json:
    return {name: options.get(name) for name in names}


def _of_executor(executor: str, one: Json) -> Json | None:
    """A load; None if there is no equivalent."""
    vus = max(int(number_of(one.get("vus"))), 1)
    iterations = max(int(number_of(one.get("iterations"))), 1)
    duration = _seconds(one.get("duration"))
    match executor:
        case "constant-vus" if duration:
            return {"closed": {"users": vus, "duration": _time(duration)}}
        case "ramping-vus":
            start = 1.0 if one.get("startVUs") is None else number_of(one["startVUs"])
            return _stages(one, "closed", "users", start, int)
        case "shared-iterations":
            return {"burst": {"requests": iterations, "concurrency": min(vus, iterations)}}
        case "per-vu-iterations":
            return {"burst": {"requests": vus * iterations, "concurrency": vus}}
        case "constant-arrival-rate" if duration and number_of(one.get("rate")) > 0:
            rate = number_of(one["rate"]) / (_seconds(one.get("timeUnit")) or 1.0)
            load: Json = {"rate": format_exact_rate(rate), "duration": _time(duration)}
            return {"open": load | _in_flight(one)}
        case "ramping-arrival-rate":
            per = _seconds(one.get("timeUnit")) or 1.0
            made = _stages(
                one, "open", "rate", number_of(one.get("startRate")),
                lambda level: format_exact_rate(level / per),
            )  # fmt: skip
            return None if made is None else {"open": made["open"] | _in_flight(one)}
    return None


def _stages(
    one: Json, shape: str, name: str, start: float, written: Callable[[float], Any]
) -> Json | None:
    stages: list[Json] = []
    if start > 0:
        stages.append({name: written(start), "ramp": "0s", "hold": "0s"})
    for stage in map(table, rows(one.get("stages"))):
        seconds = _seconds(stage.get("duration"))
        if seconds is None:
            return None
        level = written(max(number_of(stage.get("target")), 0.0))
        stages.append({name: level, "ramp": _time(seconds), "hold": "0s"})
    return {shape: {"stages": stages[:100]}} if len(stages) > (start > 0) else None


def _in_flight(one: Json) -> Json:
    most = int(number_of(one.get("maxVUs")) or number_of(one.get("preAllocatedVUs")))
    return {"maxInFlight": most} if most > 0 else {}


def _seconds(value: object) -> float | None:
    """A duration of k6: ``1m30s``, or a number of ms."""
    if not isinstance(value, str):
        return number_of(value) / 1000 or None
    found = _DURATION.match(value)
    if found is None or not value:
        return None
    parts = zip(found.groups(), _UNITS_S, strict=True)
    return sum(float(text) * unit for text, unit in parts if text)


def _time(seconds: float) -> str:
    ms = round(seconds * 1000)
    return f"{ms // 1000}s" if ms % 1000 == 0 else f"{ms}ms"


def _slos(thresholds: Mapping[str, Any], lines: _Lines, not_carried: NotCarried) -> Iterator[Json]:
    known: set[tuple[str, str]] = set()
    for key, listed in thresholds.items():
        for one in rows(listed) if isinstance(listed, list) else [listed]:
            text = text_of(one) or text_of(table(one).get("threshold"))
            shown = f"threshold {one_line(key, 80)}: {one_line(text, 60)}"
            if table(one).get("abortOnFail") is True:
                what = f"{shown}: that it stops the run: see load.stopWhen"
                not_carried.add(what, lines.of(key))
            slo = _slo(key, text)
            side = "max" if slo and "max" in slo else "min"
            if slo is None or (slo["metric"], side) in known or len(known) == 50:
                not_carried.add(shown, lines.of(key))
            else:
                known.add((slo["metric"], side))
                yield {**slo, "onBreach": "Fail"}


def _slo(key: str, text: str) -> Json | None:
    """An objective; None if there is no equivalent."""
    try:
        selector, read = parse_selector(key), parse_expression(text)
    except ValueError:
        return None
    if not selector.selects_requests:
        return None
    metric, sign, value = selector.metric, read.operator[0], read.limit
    if metric in _TIMES and read.statistic and sign == "<" and value >= 1:
        return {"metric": f"{_TIMES[metric]}.{read.statistic}", "max": _time(value / 1000)}
    if metric == "http_req_failed" and read.method == "rate" and sign == "<" and 0 <= value <= 1:
        return {"metric": ERROR_RATE, "max": format_exact_percent(value)}
    if metric == "http_reqs" and read.method == "rate" and sign == ">" and value > 0:
        return {"metric": THROUGHPUT, "min": format_exact_rate(value)}
    return None
