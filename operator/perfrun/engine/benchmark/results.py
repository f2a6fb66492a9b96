"""The results that a command has written: an untrusted file."""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from perfrun.api.sentence import json_problem
from perfrun.api.test.commands.benchmark import ResultsFormat
from perfrun.engine.benchmark.readers import k6, pytest_benchmark
from perfrun.engine.command import ResultsError, read_bounded
from perfrun.measure.benchmark import MAX_BENCHMARKS, MAX_NAME, Benchmark

Reader = Callable[[Any], Iterable[Benchmark]]

READERS: Mapping[ResultsFormat, Reader] = {
    "PytestBenchmark": pytest_benchmark.read,
    "K6": k6.read,
}
"""By ``results`` of the target; a new form is a module of ``readers``, and a line here.

Each takes the parsed JSON; it raises ResultsError."""


MAX_BYTES = 64 * 1024 * 1024


def read_results(file: Path, form: ResultsFormat) -> tuple[list[Benchmark], int]:
    """The benchmarks of a file, and how many more there were. Raises ResultsError.

    Benchmarks with the same name are left out: an objective could be judged by the wrong one.
    """
    found = list(READERS[form](_parsed(read_bounded(file, MAX_BYTES))))
    if not found:
        raise ResultsError("the results have no benchmark: did the command find any?")
    names = Counter(one.name for one in found)
    kept = [one for one in found if names[one.name] == 1][:MAX_BENCHMARKS]
    if not kept:
        raise ResultsError(
            f"the benchmarks must have different names in their first {MAX_NAME} characters: "
            f"{found[0].name} occurs {names[found[0].name]} times"
        )
    return kept, len(found) - len(kept)


def _parsed(data: bytes) -> Any:
    try:
        return json.loads(data, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        if not data.strip():
            raise ResultsError("the results are empty") from None
        why = ("it is nested too deeply") if isinstance(error, RecursionError) else str(error)[:200]
        if isinstance(error, json.JSONDecodeError):
            why = f"{json_problem(error)} (line {error.lineno}, column {error.colno})"
        raise ResultsError(f"the results are not JSON: {why}") from error


def _no_number(text: str) -> None:
    """NaN and infinities are not measurements; readers leave them out."""
