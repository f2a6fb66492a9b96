"""Notifications: which notices are owed, what they say, and when to try again."""

import hashlib
import hmac
import json
import random
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Literal, NamedTuple

from perfrun.api.run.perfrun import PerfRun, SloStatus, Verdict
from perfrun.api.sentence import cut
from perfrun.api.test.baseline import MetricChange, TrendTransition
from perfrun.api.test.perftest import Notification, Occasion

WITHIN = timedelta(hours=6)
"""Older events are history: adding a receiver sends nothing about them."""
FIRST_PAUSE_S = 1.0
MAX_PAUSE_S = 120.0
GIVE_UP_S = 3600.0
MAX_SLOS = 10
MAX_TEXT = 2000
SIGNATURE_HEADER = "Perfrun-Signature"
_BAD: dict[Verdict, Occasion] = {
    Verdict.WARN: "Warn",
    Verdict.FAIL: "Fail",
    Verdict.ERROR: "Error",
}

Format = Literal["cloudevents", "slack"]


class NotifiableRun(NamedTuple):
    """A run that is done, with what notifications depend on."""

    name: str
    uid: str
    verdict: Verdict | None
    completed: datetime
    notified: frozenset[str]
    """The ids of the notices that were delivered, or given up."""


class Notice(NamedTuple):
    """One notification for one receiver."""

    id: str
    """The same whenever the same notice is sent again, so that a receiver can ignore duplicates."""
    receiver: str
    occasion: Occasion
    run: str
    run_uid: str
    sentence: str | None = None
    """The sentence of a trend; a verdict uses its run's message."""
    changes: Sequence[MetricChange] = ()
    """For a trend: the usual values and the current ones."""


def owed(
    wanted: Sequence[Notification],
    runs: Sequence[NotifiableRun],
    transitions: Sequence[TrendTransition],
    now: datetime,
) -> list[Notice]:
    """Notices that have not been sent yet for runs that have just ended.

    ``transitions``: of the trend. A transition belongs to the run that caused it, and is sent
    with it.
    """
    notices = []
    for run in runs:
        if now - run.completed > WITHIN:
            continue
        occasions: list[tuple[Occasion, TrendTransition | None]] = []
        if run.verdict in _BAD:
            occasions.append((_BAD[run.verdict], None))
        occasions += [
            (one.state, one)
            for one in transitions
            if one.run == run.name and one.state != "Improved"
        ]
        for one in wanted:
            for occasion, change in occasions:
                if occasion not in one.events:
                    continue
                notice = Notice(
                    notice_id(run.uid, occasion, one.receiver),
                    one.receiver,
                    occasion,
                    run.name,
                    run.uid,
                )
                if change is not None:
                    notice = notice._replace(sentence=change.sentence, changes=change.changes)
                if notice.id not in run.notified:
                    notices.append(notice)
    return notices


def notice_id(run_uid: str, occasion: str, receiver: str) -> str:
    """Sixteen hexadecimal characters that depend on the event and the receiver."""
    return hashlib.sha256(f"{run_uid}\0{occasion}\0{receiver}".encode()).hexdigest()[:16]


def payload(notice: Notice, run: PerfRun, form: Format) -> tuple[bytes, str]:
    """The body and its content type."""
    if form == "slack":
        return _dumped(_slack(notice, run)), "application/json"
    return _dumped(_cloud_event(notice, run)), "application/cloudevents+json"


def signature(key: bytes, body: bytes, at: int) -> str:
    """``t=<unix seconds>,v1=<hex HMAC-SHA256 of "t.body">``: proves the sender and the time."""
    digest = hmac.new(key, f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={at},v1={digest}"


def pause(tries: int, asked: float | None, rng: random.Random) -> float:
    """Seconds until the next try, after this many. ``asked`` is the receiver's Retry-After."""
    backoff = min(FIRST_PAUSE_S * 2.0 ** min(tries - 1, 10), MAX_PAUSE_S)
    wait = max(backoff, min(asked or 0.0, MAX_PAUSE_S))
    # Receivers that were down should not get all waiting notices at the same moment.
    return wait * rng.uniform(1.0, 1.2)


def _cloud_event(notice: Notice, run: PerfRun) -> dict[str, Any]:
    about = run.metadata
    status = run.status
    missed = [_slo(slo) for slo in status.slos if slo.verdict is not Verdict.PASS]
    return {
        "specversion": "1.0",
        "id": notice.id,
        "type": f"dev.perfrun.{notice.occasion.lower()}",
        "source": f"/apis/perfrun.dev/v1alpha1/namespaces/{about.namespace}/perfruns/{about.name}",
        "subject": run.test,
        "time": status.completion_time,
        "datacontenttype": "application/json",
        "data": {
            "namespace": about.namespace,
            "test": run.spec.test_ref.name,
            "run": about.name,
            "reason": run.spec.reason,
            "occasion": notice.occasion,
            "verdict": status.verdict.value if status.verdict else None,
            "message": _sentence(notice, run),
            "objectives": missed[:MAX_SLOS],
            "changes": [change.model_dump() for change in notice.changes],
        },
    }


def _slo(slo: SloStatus) -> dict[str, Any]:
    return {
        "metric": slo.metric,
        "of": slo.of,
        "verdict": slo.verdict.value,
        "measured": slo.measured,
        "max": slo.max,
        "min": slo.min,
        "message": cut(slo.message, MAX_TEXT),
    }


def _slack(notice: Notice, run: PerfRun) -> dict[str, Any]:
    head = f"{notice.occasion}: {run.test}"
    text = f"*{_mrkdwn(head)}*\n{_mrkdwn(_sentence(notice, run))}\nrun `{run.metadata.name}`"
    return {
        "text": cut(_mrkdwn(f"{head}: {_sentence(notice, run)}"), MAX_TEXT),
        "blocks": [{"type": "section", "text": {"type": "mrkdwn", "text": cut(text, MAX_TEXT)}}],
    }


def _mrkdwn(text: str) -> str:
    # A test's text must not mention a channel or create a link.
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return escaped.replace("`", "'").replace("*", "∗").replace("_", "_\u2060")


def _sentence(notice: Notice, run: PerfRun) -> str:
    return cut(notice.sentence or run.status.message or "", MAX_TEXT)


def _dumped(body: dict[str, Any]) -> bytes:
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
