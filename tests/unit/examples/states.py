"""Objects as the operator leaves them, and what a delivery tool is to make of them."""

from datetime import UTC, datetime
from typing import Any, NamedTuple

from perfrun.api.metadata import Condition
from perfrun.api.run.perfrun import PerfRunStatus, Phase, Verdict, WorkerCounts
from perfrun.api.test.perftest import PerfTestStatus
from perfrun.logic.run import status as transition
from perfrun.logic.run.health import HealthFacts, health_condition
from perfrun.logic.run.status import open_conditions
from perfrun.logic.verdict.outcome import RunVerdict

Json = dict[str, Any]


class Case(NamedTuple):
    """An object, and its health: Progressing, Healthy or Degraded."""

    name: str
    body: Json
    health: str
    told: str = ""
    """A part of the message."""


WARNS = {"slos": [{"metric": "latency.p95", "max": "500ms", "onBreach": "Warn"}]}
FAILS = {"slos": [*WARNS["slos"], {"metric": "errorRate", "max": "1%", "onBreach": "Fail"}]}
NO_REGRESSION = {**WARNS, "baseline": {"compare": "Auto", "onRegression": "Fail"}}
TOLERANT = {**WARNS, "baseline": {"compare": "Auto", "onRegression": "Warn"}}


def condition(kind: str, status: str, reason: str, message: str = "") -> Json:
    return {"type": kind, "status": status, "reason": reason, "message": message}


READY = condition("Ready", "True", "Accepted", "accepted")
REGRESSED = condition("Regressed", "True", "Regressed", "latency.p95 is up by 7.2%")
STABLE = condition("Regressed", "False", "Stable")


NOW = datetime(2026, 11, 30, tzinfo=UTC)


def perftest(spec: Json, *conditions: Json, generation: int = 1, **status: Any) -> Json:
    health = health_condition(facts(spec, list(conditions), status))
    ours = PerfTestStatus(conditions=[health] if health else []).as_patch()["conditions"]
    told = {"observedGeneration": 1, "conditions": [*conditions, *ours], **status}
    return {
        "apiVersion": "perfrun.dev/v1alpha1",
        "kind": "PerfTest",
        "metadata": {"name": "api", "generation": generation},
        "spec": spec,
        "status": told,
    }


def facts(spec: Json, conditions: list[Json], status: Json) -> HealthFacts:
    by_type = {one["type"]: Condition.model_validate(one) for one in conditions}
    fails = spec.get("baseline", {}).get("onRegression") == "Fail"
    verdict = status.get("lastVerdict")
    return HealthFacts(
        ready=by_type["Ready"],
        regressed=by_type.get("Regressed"),
        gates=fails or any(slo["onBreach"] == "Fail" for slo in spec.get("slos", [])),
        regression_fails=fails,
        active=next(iter(status.get("active", [])), None),
        last_run=status.get("lastRun"),
        last_verdict=Verdict(verdict) if verdict else None,
    )


def in_progress(phase: str, **status: Any) -> Json:
    conditions = open_conditions(Phase(phase), [], NOW, 1)
    told = PerfRunStatus(observed_generation=1, phase=Phase(phase), conditions=conditions)
    return perfrun(**told.as_patch(), **status)


def done(verdict: str, message: str) -> Json:
    run_verdict = RunVerdict(Verdict(verdict), message, WorkerCounts(planned=1))
    ended = transition.done(PerfRunStatus(), 1, NOW, run_verdict).as_patch()
    return perfrun(**{name: value for name, value in ended.items() if value is not None})


def perfrun(**status: Any) -> Json:
    return {
        "apiVersion": "perfrun.dev/v1alpha1",
        "kind": "PerfRun",
        "metadata": {"name": "api-1", "generation": 1},
        "spec": {"testRef": {"name": "api"}},
        "status": status,
    }


def judged(spec: Json, verdict: str, *conditions: Json, **more: Any) -> Json:
    last = {"lastRun": "api-1", "lastVerdict": verdict, "lastSlos": "1/2"}
    return perftest(spec, READY, *conditions, **{"active": [], **last, **more})


PERFTESTS = (
    Case("not looked at since it changed", perftest(WARNS, READY, generation=2), "Progressing"),
    Case(
        "invalid",
        perftest(WARNS, condition("Ready", "False", "Invalid", "spec.load: exactly one")),
        "Degraded",
        "spec.load: exactly one",
    ),
    Case(
        "refused by policy",
        perftest(WARNS, condition("Ready", "False", "RefusedByPolicy", "of policy default")),
        "Degraded",
        "of policy default",
    ),
    Case(
        "stalled",
        perftest(
            WARNS,
            condition("Ready", "False", "NameTaken", "delete it"),
        ),
        "Degraded",
        "delete it",
    ),
    Case("accepted, never run", perftest(WARNS, READY), "Healthy", "accepted"),
    Case("suspended", perftest(WARNS, condition("Ready", "True", "Suspended")), "Healthy"),
    Case("passed", judged(WARNS, "Pass"), "Healthy", "Pass, objectives met 1/2: PerfRun api-1"),
    Case("a miss that only warns", judged(WARNS, "Warn"), "Healthy", "Warn"),
    Case("a miss that only warns, of a test that gates", judged(FAILS, "Warn"), "Healthy", "Warn"),
    Case("a miss that fails", judged(FAILS, "Fail"), "Degraded", "Fail"),
    Case("not conclusive", judged(FAILS, "Inconclusive"), "Healthy", "Inconclusive"),
    Case("could not be run", judged(WARNS, "Error"), "Healthy", "Error"),
    Case("could not be run, and gates", judged(FAILS, "Error"), "Degraded", "Error"),
    Case("no objectives", judged({}, "Pass"), "Healthy"),
    Case("a run is in progress", judged(WARNS, "Pass", active=["api-2"]), "Healthy"),
    Case(
        "a run of a test that gates is in progress",
        judged(FAILS, "Fail", active=["api-2"]),
        "Progressing",
        "PerfRun api-2 is in progress",
    ),
    Case(
        "the first run of a test that gates is in progress",
        perftest(FAILS, READY, active=["api-1"]),
        "Progressing",
    ),
    Case("stable", judged(NO_REGRESSION, "Pass", STABLE), "Healthy"),
    Case("regressed, and only warns", judged(TOLERANT, "Warn", REGRESSED), "Healthy"),
    Case("regressed, nothing said of it", judged(WARNS, "Warn", REGRESSED), "Healthy"),
    Case(
        "regressed, and gates",
        judged(NO_REGRESSION, "Pass", REGRESSED),
        "Degraded",
        "latency.p95 is up by 7.2%",
    ),
    Case("without status", {**perftest(WARNS, READY), "status": {}}, "Progressing"),
)

PERFRUNS = (
    Case("just created", perfrun(), "Progressing", "has not looked"),
    Case(
        "queued",
        in_progress("Queued", queue={"reason": "shop:8000 is under load", "position": 1}),
        "Progressing",
        "shop:8000 is under load",
    ),
    Case("starting", in_progress("Starting"), "Progressing", "Starting"),
    Case("running", in_progress("Running", progress="3s, 180/s"), "Progressing", "3s, 180/s"),
    Case("collecting", in_progress("Collecting"), "Progressing"),
    *(
        Case(
            verdict,
            done(verdict, "1 of 2 objectives missed"),
            health,
            "1 of 2 objectives missed",
        )
        for verdict, health in (
            ("Pass", "Healthy"),
            ("Warn", "Healthy"),
            ("Inconclusive", "Healthy"),
            ("Fail", "Degraded"),
            ("Error", "Degraded"),
        )
    ),
)
