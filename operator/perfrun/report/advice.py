"""What to do next about a finished run: at most a few sentences, from its status alone."""

from perfrun.api.perfrun import PerfRun, PerfRunStatus, Verdict

_MOST = 3

_BY_ERROR = {
    "DNS": "the target's name was not resolved: check spec.target.http.url and the DNS here",
    "Connect": "connections were refused or lost: is the target up, and does a policy allow it?",
    "TLS": "TLS failed: see spec.target.http.tls (caFrom, serverName)",
    "Timeout": "requests timed out: lower the load, or raise spec.target.http.timeout",
    "Reset": "the target closed connections: look for restarts and its own connection limits",
    "Protocol": "answers were no HTTP/1.1: is this the right port?",
    "Status4xx": "the target refused requests (4xx): check paths, spec.target.http.auth and limits",
    "Status5xx": "the target failed (5xx): read its log for the time of this run",
    "Check": "answers were not as expected: see expect of the step",
    "Size": "answers were larger than expect.maxBytes",
    "Policy": "a request left what is allowed: see the PerfPolicy, and where the target redirects",
    "Data": "requests could not be made from the data: see variables and templates",
}


def next_steps(run: PerfRun) -> list[str]:
    """Sentences in the order of use; none where there is nothing to add."""
    status = run.status
    if status.verdict is Verdict.ERROR:
        return ["nothing was judged: put right what the message names, and run again"]
    return [*_about_errors(status), *_about_verdict(status)][:_MOST]


def _about_errors(status: PerfRunStatus) -> list[str]:
    errors = status.summary.errors if status.summary else {}
    if not errors:
        return []
    kind, count = max(errors.items(), key=lambda item: item[1])
    hint = _BY_ERROR.get(kind)
    return [f"{kind} ({count}): {hint}"] if hint else []


def _about_verdict(status: PerfRunStatus) -> list[str]:
    advice: list[str] = []
    verdicts = [slo.verdict for slo in status.slos]
    findings = status.generator.findings if status.generator else []
    tainting = {finding.type for finding in findings if finding.effect != "Informing"}
    if Verdict.INCONCLUSIVE in verdicts:
        if "Coverage" in tainting:
            advice.append("a part of the load is not known: see why a worker was lost")
        elif tainting:
            advice.append("perfrun was the limit: give it more CPU, or raise spec.load.workers")
        if any(slo.measured == "unsupported" for slo in status.slos):
            advice.append("a longer or larger load gives the samples that an objective lacked")
    if any(verdict in (Verdict.WARN, Verdict.FAIL) for verdict in verdicts):
        advice.append("compare the steps above, and the target's CPU and memory during the run")
    if not status.slos and status.summary is not None:
        advice.append("say what is good enough: slos: [{metric: latency.p95, max: 500ms}]")
    return advice
