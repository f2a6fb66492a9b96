"""The whole check of one test, and what is kept of it once it was accepted.

The author of a test determines the cost of its check, and the operator must not pay for it. So the
operator runs the check in a separate process, within the budgets below
(``controller/test/check_process.py``).
"""

from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, ValidationError

from perfrun.api.run.checked import Asks
from perfrun.api.run.overrides import Overrides
from perfrun.api.test.perftest import PerfTestSpec
from perfrun.logic.accept.budgets import too_deep
from perfrun.logic.accept.overrides import overridden, sent_elsewhere
from perfrun.logic.accept.scripts import missing_in_cluster
from perfrun.logic.accept.spec import check
from perfrun.logic.plan.run_plan import comparison_key, what_runs_hash
from perfrun.logic.problems import Problem, parse_problems
from perfrun.logic.schedule.admission import place_of
from perfrun.logic.schedule.policy import asks_of

MAX_PROBLEMS = 5
MAX_WARNINGS = 10
MAX_TEXT = 512
"""Characters of one problem or warning."""


class Examined(BaseModel):
    """The result of checking a spec."""

    problems: list[str] = []
    """If there are any, the test is not run, and the fields below are not set."""
    warnings: list[str] = []
    asks: Asks | None = None
    what_runs: str = ""
    """The hash of what its runs execute and are judged by."""
    comparison_key: str = ""
    script_hash: str | None = None
    """The hash of a script's files. The check does not know them: the operator adds it."""
    gates: bool = False
    """Whether an objective or a regression may make the test Fail."""
    target: str = ""
    """What only one run at a time may load."""
    frozen: dict[str, Any] | None = None
    """What a run executes, as it is kept for the run; only if it was asked for."""


def examine(
    spec: object, namespace: str, *, freeze: bool = False, overrides: object = None
) -> Examined:
    """Check the JSON of a spec in that namespace, with the overrides of a run if it has some.

    It may raise MemoryError or never return, so the caller has to limit it.
    """
    if (deep := too_deep(spec)) is not None:
        return _refused([deep])
    try:
        written = parsed = PerfTestSpec.parse(spec)
        if overrides is not None:
            parsed, problems = overridden(written, Overrides.parse(overrides))
            if problems:
                return _refused(problems)
    except ValidationError as error:
        return _refused(parse_problems(error))
    acceptance = check(parsed)
    elsewhere = () if overrides is None else sent_elsewhere(written, parsed, namespace)
    missing = () if acceptance.problems else missing_in_cluster(parsed)
    if found := [*acceptance.problems, *missing, *elsewhere]:
        return _refused(found)
    return Examined(
        warnings=[_text(warning) for warning in acceptance.warnings[:MAX_WARNINGS]],
        asks=asks_of(parsed),
        what_runs=what_runs_hash(parsed),
        comparison_key=comparison_key(parsed),
        gates=_gates(parsed),
        target=place_of(parsed.target, namespace),
        frozen=parsed.what_runs() if freeze else None,
    )


def _gates(spec: PerfTestSpec) -> bool:
    fails = spec.baseline.on_regression == "Fail"
    return fails or any(slo.on_breach == "Fail" for slo in spec.slos)


def _refused(problems: Sequence[Problem]) -> Examined:
    return Examined(problems=[_text(problem) for problem in problems[:MAX_PROBLEMS]])


def _text(problem: Problem) -> str:
    text = str(problem)
    return text if len(text) <= MAX_TEXT else text[: MAX_TEXT - 3] + "..."
