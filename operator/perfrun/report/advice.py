"""What to do next after a finished run: a few sentences, derived only from its status."""

from collections.abc import Iterator, Sequence

from perfrun.api.run.perfrun import PerfRun, PerfRunStatus, SloStatus, Verdict
from perfrun.api.test.metric import METRICS, MetricSource, Notation

_MAX_ADVICE = 3
_MISSED = (Verdict.WARN, Verdict.FAIL)
_SLOWNESS = (Notation.DURATION, Notation.RATE)

_BY_ERROR = {
    "DNS": "the name of the target could not be resolved: check its address and the DNS",
    "Connect": "connections were refused or lost: is the target up, and does a policy allow it?",
    "TLS": "TLS failed: check tls of the target (caFrom, serverName), or sslmode of the DSN",
    "Timeout": "requests timed out: lower the load, or raise the target's timeout",
    "Reset": "the target closed connections: look for restarts and its own connection limits",
    "Protocol": "responses did not follow the protocol of the target: is this the right port?",
    "Status4xx": "the target refused requests (4xx): check paths, spec.target.http.auth and limits",
    "Status5xx": "the target failed (5xx): read its log for the time of this run",
    "Check": "responses were not as expected: see expect of the step",
    "Size": "responses were larger than expect.maxBytes",
    "Policy": (
        "a request went to an address that is not allowed: see the PerfPolicy, and where the "
        "target redirects to"
    ),
    "Data": "requests could not be built from the data: see variables, templates and parameters",
    "Exit": "the command failed: read its last output",
    "Killed": "the command was killed from outside: check its memory limit and its pod",
    "NotReady": "the script's tool did not get ready for the start: run the script alone",
    "Results": "the command wrote no readable results: see $(results) in its arguments",
    "Browser": (
        "the browser crashed or did not start: give the workers more memory in "
        "spec.podTemplate.resources, or fewer users per worker"
    ),
}

_BY_SQL_CLASS = {
    "Sql08": "the database closed connections: look for restarts and its own connection limits",
    "Sql22": "the database refused values: see the parameters of the step",
    "Sql23": "rows violated a constraint: use data that is new in each run, and clean up",
    "Sql28": "the login was refused: see the Secret of spec.target.sql.dsnFrom",
    "Sql40": (
        "transactions were rolled back (deadlock or conflict): transactions compete for the "
        "same rows"
    ),
    "Sql42": "the database rejected the statement (syntax or permission): see sql of the step",
    "Sql53": "the database ran out of something (connections, memory, disk): see maxConnections",
    "Sql57": "the database cancelled statements: a timeout, or an administrator",
}
_BY_FINDING = {
    **dict.fromkeys(
        ("Lag", "LateSends", "Stall", "SentBelowPlanned"),
        "perfrun itself was delayed: see its findings for the cause",
    ),
    "Throttled": "perfrun was the limit: raise or remove its CPU limit in spec.podTemplate",
    "Exhausted": "perfrun was the limit: raise spec.load.workers, or reuse connections",
    "StartSkew": "workers did not start at the same time: check what kept their nodes busy",
    "Coverage": "a part of the load is unknown: check why a worker was lost",
    "Omission": (
        "users of a closed load wait while the target pauses: use spec.load.open to measure "
        "the pauses"
    ),
    "ToolFailed": "the script's tool failed: read its last output, and run it alone",
    **dict.fromkeys(
        ("SamplesShed", "SamplesUnreadable"),
        "samples of the tool are missing: use more workers, or give them more CPU",
    ),
    "ManyNames": "give requests that are alike one name, so that each step has figures of its own",
    "NoAbort": "write a condition in load.stopWhen that ends the load in time",
    "NotDivided": "divide the load (target.script.split), or use one worker",
    "NotStopped": (
        "check why nothing set spec.stop of the run, or give the load a duration of its own"
    ),
    "Dropped": "lower the rate, or raise spec.load.open.maxInFlight (of a script its maxVUs): the "
    "target was slower than the load",
}


def next_steps(run: PerfRun) -> list[str]:
    """Sentences, the most useful first; may be empty."""
    status = run.status
    if status.verdict is Verdict.ERROR:
        return [_about_error(status)]
    advice = [*_about_errors(status), *_about_verdict(status)]
    return list(dict.fromkeys(advice))[:_MAX_ADVICE]


def _about_error(status: PerfRunStatus) -> str:
    if status.start_time is not None:
        return (
            "the load ran, but its results are unknown: check why the workers ended (memory, "
            "a signal), and run again"
        )
    return "nothing was judged: fix what the message names, and run again"


def _about_errors(status: PerfRunStatus) -> Iterator[str]:
    errors = status.summary.errors if status.summary else {}
    if errors:
        kind, count = max(errors.items(), key=lambda item: item[1])
        if hint := _BY_ERROR.get(kind) or _BY_SQL_CLASS.get(kind):
            yield f"{kind} ({count:,}): {hint}"


def _about_verdict(status: PerfRunStatus) -> Iterator[str]:
    findings = status.generator.findings if status.generator else []
    holds = status.capacity.holds if status.capacity else []
    if any(hold.outcome == "Unclear" for hold in holds):
        yield (
            "a rate was not reached because of perfrun itself (Unclear): see its findings for "
            "the cause"
        )
    unsure = [slo for slo in status.slos if slo.verdict is Verdict.INCONCLUSIVE]
    for finding in findings:
        # Advice is given only for findings that made a verdict Inconclusive; its message names
        # them.
        if any(finding.message in slo.message for slo in unsure) and finding.type in _BY_FINDING:
            yield _BY_FINDING[finding.type]
    if status.stopped is None and any(slo.unsupported for slo in unsure):
        yield "an objective had too few samples: run a longer load, or a higher rate"
    if any(slo.verdict in _MISSED and _is_about_slowness(slo) for slo in status.slos):
        yield _about_slowness(status.steps)
    if not status.slos and status.summary is not None and status.benchmark is None:
        yield (
            "define what is good enough: slos: [{metric: latency.p95, max: 500ms}], or for "
            "perfrun quick --p95 500ms"
        )


def _is_about_slowness(slo: SloStatus) -> bool:
    row = METRICS.get(slo.metric)
    return row is not None and row.kind in _SLOWNESS and row.source is not MetricSource.BENCHMARK


def _about_slowness(steps: Sequence[object]) -> str:
    where = "compare the steps, and look at" if len(steps) > 1 else "look at"
    return f"{where} the target's CPU and memory during the run"
