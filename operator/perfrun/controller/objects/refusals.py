"""Why pods of a run's Job do not exist: what the API server answered to the Job controller.

After a refusal (by a quota, Pod Security, LimitRange or a webhook) there is no pod with a reason,
and the Job has no condition: only Events report it.
"""

import asyncio
import logging
from dataclasses import dataclass
from datetime import datetime

from perfrun.api import Json
from perfrun.api.sentence import printable
from perfrun.api.times import parse_time
from perfrun.kube.client import Kube
from perfrun.kube.errors import KubeError
from perfrun.kube.resources import EVENTS
from perfrun.logic.run.facts import Refusal

logger = logging.getLogger(__name__)

FAILED_CREATE = "FailedCreate"
FIRST_LOOK_S = 2.0
"""The Job controller needs a moment: most starts need no look at Events."""
LOOK_AGAIN_S = 10.0
_PREFIXES = ("(combined from similar events): ", "Error creating: ")


@dataclass
class _Known:
    refusal: Refusal | None
    next_look: float
    """In the event loop's time."""


class Refusals:
    """By the uid of a run; the API server filters Events one by one, so requests are rare."""

    def __init__(self, kube: Kube) -> None:
        self._kube = kube
        self._known: dict[str, _Known] = {}

    async def of(self, uid: str, namespace: str, job: str) -> Refusal | None:
        """The newest refusal of a pod of the run's Job, which ``uid`` identifies."""
        now = asyncio.get_running_loop().time()
        known = self._known.setdefault(uid, _Known(None, now + FIRST_LOOK_S))
        if now >= known.next_look:
            known.next_look = now + LOOK_AGAIN_S
            known.refusal = await self._read(namespace, job)
        return known.refusal

    def forget(self, uid: str) -> None:
        """All its pods exist, or it is over."""
        self._known.pop(uid, None)

    async def _read(self, namespace: str, job: str) -> Refusal | None:
        fields = f"regarding.uid={job},reason={FAILED_CREATE}"
        try:
            events = await self._kube.list(EVENTS, namespace, fields=fields)
        except KubeError as error:
            # A reason is worth a request, but not worth failing the run.
            logger.warning("events of Job %s in %s could not be read: %s", job, namespace, error)
            return None
        return refusal_of(events)


def refusal_of(events: list[Json]) -> Refusal | None:
    """The message of the newest event, and since when pods are refused."""
    told = sorted((_last_seen(event), str(event.get("note") or "")) for event in events)
    if not told:
        return None
    message = told[-1][1]
    for prefix in _PREFIXES:
        message = message.removeprefix(prefix)
    return Refusal(printable(message), min(_first_seen(event) for event in events))


def _first_seen(event: Json) -> datetime:
    return parse_time(
        event.get("eventTime")
        or event.get("deprecatedFirstTimestamp")
        or event["metadata"]["creationTimestamp"]
    )


def _last_seen(event: Json) -> datetime:
    series = event.get("series") or {}
    last = series.get("lastObservedTime") or event.get("deprecatedLastTimestamp")
    return parse_time(last) if last else _first_seen(event)
