"""``perfrun trigger``: ask for a run of a test that is in a cluster, and perhaps wait for it."""

import time
from datetime import UTC, datetime

from rich.console import Console

from perfrun.api.perfrun import PerfRunStatus, Phase
from perfrun.api.perftest import REQUEST_ANNOTATION
from perfrun.cli.cluster import Cluster, ClusterError
from perfrun.cli.exits import Exit, of_verdict
from perfrun.cli.terminal import tell
from perfrun.logic.names import requested_run_name

ANSWER_S = 30.0
"""How long it may take until the operator has created what was asked for."""
POLL_S = 1.0
AWAY_S = 120.0
"""How long the API server may be away while a run is waited for."""


def trigger(cluster: Cluster, test: str, out: Console, *, wait: bool, strict: bool) -> Exit:
    """Ask for one run of ``test``. Raises ClusterError."""
    if cluster.find("perftests", test) is None:
        tell(out, f"there is no PerfTest {test} in namespace {cluster.namespace}")
        return Exit.USAGE
    asked = datetime.now(UTC).isoformat()
    cluster.annotate("perftests", test, REQUEST_ANNOTATION, asked)
    run = requested_run_name(test, asked)
    tell(out, f"PerfRun {run} was asked for in namespace {cluster.namespace}")
    if not wait:
        return Exit.OK
    return _follow(cluster, test, run, out, strict=strict)


def _follow(cluster: Cluster, test: str, run: str, out: Console, *, strict: bool) -> Exit:
    """Tell of the run until it is done."""
    asked = heard = time.monotonic()
    told = ""
    while True:
        try:
            body = cluster.find("perfruns", run)
            heard = time.monotonic()
        except ClusterError as error:
            if time.monotonic() - heard > AWAY_S:
                raise
            told = _tell_once(out, told, f"{error}; the run goes on, and so does waiting for it")
            body = None
        else:
            if body is None and time.monotonic() - asked > ANSWER_S:
                return _nobody_answers(cluster, test, out, known=bool(told))
        if body is not None:
            status = PerfRunStatus.model_validate(body.get("status", {}))
            told = _tell_once(out, told, _line(status))
            if status.phase is Phase.DONE:
                return of_verdict(status.verdict, strict=strict)
        time.sleep(POLL_S)


def _line(status: PerfRunStatus) -> str:
    if status.phase is Phase.DONE:
        return f"{status.verdict}: {status.message}"
    if status.queue is not None:
        return f"Queued, place {status.queue.position}: {status.queue.reason}"
    return f"{status.phase or 'Created'}: {status.progress or 'on its way'}"


def _tell_once(out: Console, told: str, line: str) -> str:
    if line != told:
        tell(out, line)
    return line


def _nobody_answers(cluster: Cluster, test: str, out: Console, *, known: bool) -> Exit:
    if known:
        tell(out, "the run is gone: it was deleted")
        return Exit.ERROR
    body = cluster.find("perftests", test) or {}
    conditions = body.get("status", {}).get("conditions", [])
    said = next(
        (c["message"] for c in conditions if c["type"] == "Ready" and c["status"] == "False"), ""
    )
    why = (
        f"the test is not ready: {said}"
        if said
        else "is the operator running? kubectl get pods -A -l app.kubernetes.io/name=perfrun"
    )
    tell(out, f"no run was created within {ANSWER_S:.0f}s; {why}")
    return Exit.ERROR
