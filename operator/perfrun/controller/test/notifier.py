"""Notifies receivers: at least once, each independently, and without delaying a run.

The notices that are owed follow from the PerfRuns, and are recorded there once they are settled, so
an operator that is killed in between sends again, with the same id.
"""

import asyncio
import contextlib
import logging
import random
import time
from datetime import UTC, datetime

import httpx

from perfrun import __version__
from perfrun.api.run.perfrun import NoticeOutcome, PerfRun
from perfrun.api.test.perftest import CheckedTest
from perfrun.api.times import parse_time
from perfrun.controller.metrics import Metrics
from perfrun.controller.objects.events import Events
from perfrun.controller.objects.status import write_status
from perfrun.controller.objects.store import Key, Store
from perfrun.controller.test.receivers import Receiver, Receivers
from perfrun.kube.client import Kube
from perfrun.kube.errors import NotFoundError
from perfrun.kube.resources import PERF_RUNS
from perfrun.logic.problems import Problem
from perfrun.logic.run.notices import (
    GIVE_UP_S,
    SIGNATURE_HEADER,
    Notice,
    NotifiableRun,
    owed,
    pause,
    payload,
    signature,
)
from perfrun.logic.run.status import notified

logger = logging.getLogger(__name__)

MAX_WAITING = 1000
"""Queue length for one receiver; if there is no room, a notice is still owed, and found at the next
look.
"""
_AGAIN = frozenset({408, 425, 429})


class UndeliveredError(Exception):
    """A receiver did not accept a notice; ``after`` is the delay that it asked for, in seconds."""

    def __init__(self, why: str, *, final: bool = False, after: float | None = None) -> None:
        super().__init__(why)
        self.final = final
        self.after = after


class Notifier:
    """Holds what is to be sent; one task for each receiver sends it."""

    def __init__(
        self,
        kube: Kube,
        store: Store,
        events: Events,
        metrics: Metrics,
        receivers: Receivers,
        client: httpx.AsyncClient,
    ) -> None:
        self._kube = kube
        self._store = store
        self._events = events
        self._metrics = metrics
        self._receivers = receivers
        self._client = client
        self._queues: dict[str, asyncio.Queue[tuple[Key, Notice]]] = {}
        self._senders: dict[str, asyncio.Task[None]] = {}
        self._held: set[str] = set()
        """Ids that wait, or are settled but not yet seen as such."""
        self._random = random.Random()

    def doubts(self, test: CheckedTest) -> list[Problem]:
        """Receivers that a test names but cannot use. It runs nevertheless."""
        namespace = test.metadata.namespace
        usable = ", ".join(self._receivers.names(namespace)) or "none"
        return [
            Problem(
                f"spec.notifications[{index}].receiver",
                f"there is no receiver {one.receiver} for namespace {namespace} (there are: "
                f"{usable}): receivers are defined in the value receivers of the chart",
            )
            for index, one in enumerate(test.spec.notifications)
            if self._receivers.find(one.receiver, namespace) is None
        ]

    def look(self, test: CheckedTest) -> None:
        """Queue what is owed about a test's runs, unless it is queued already."""
        if not test.spec.notifications:
            return
        key = Key(test.metadata.namespace, test.metadata.name)
        runs = [
            NotifiableRun(
                run.key.name, run.uid, run.verdict, parse_time(run.completed), run.notified
            )
            for run in self._store.own_runs_of(key)
            # There may be thousands of runs that were not even accepted.
            if run.done
            and run.completed
            and (run.missed is None or run.missed.reason != "TooManyRuns")
        ]
        for run in runs:
            self._held -= run.notified
        trend = test.status.trend
        transitions = trend.transitions if trend is not None else []
        for notice in owed(test.spec.notifications, runs, transitions, datetime.now(UTC)):
            if notice.id not in self._held:
                self._queue(key.namespace, notice)

    def _queue(self, namespace: str, notice: Notice) -> None:
        if self._receivers.find(notice.receiver, namespace) is None:
            return
        queue = self._queues.setdefault(notice.receiver, asyncio.Queue(MAX_WAITING))
        with contextlib.suppress(asyncio.QueueFull):
            queue.put_nowait((Key(namespace, notice.run), notice))
            self._held.add(notice.id)
        if notice.receiver not in self._senders:
            task = asyncio.create_task(self._serve(notice.receiver), name=notice.receiver)
            self._senders[notice.receiver] = task

    async def close(self) -> None:
        """Send nothing more; the next operator sends what is still owed."""
        for task in self._senders.values():
            task.cancel()
        await asyncio.gather(*self._senders.values(), return_exceptions=True)
        await self._client.aclose()

    async def _serve(self, receiver: str) -> None:
        queue = self._queues[receiver]
        while True:
            key, notice = await queue.get()
            try:
                await self._settle(key, notice)
            except Exception:
                # Still owed: it is found again at the next look.
                self._held.discard(notice.id)
                logger.exception("notice %s to %s about run %s", notice.occasion, receiver, key)

    async def _settle(self, key: Key, notice: Notice) -> None:
        """Deliver a notice or give it up, and record that on its run."""
        body = await self._kube.find(PERF_RUNS, *key)
        if body is None or body["metadata"]["uid"] != notice.run_uid:
            self._held.discard(notice.id)
            return  # the run is gone, and its messages with it
        run = PerfRun.parse(body)
        if notice.id in run.status.notified:
            return
        became = await self._deliver(key, notice, run)
        self._metrics.notified(notice.receiver, became)
        # Without its version: each receiver records a separate key, and after a conflict the notice
        # would be sent twice (docs/decisions/lease.md).
        changes = notified(notice.id, became)
        with contextlib.suppress(NotFoundError):
            await write_status(self._kube, PERF_RUNS, run.metadata, changes, any_version=True)

    async def _deliver(self, key: Key, notice: Notice, run: PerfRun) -> NoticeOutcome:
        receiver = self._receivers.find(notice.receiver, key.namespace)
        assert receiver is not None, "it was there when it was queued"
        began, tries = time.monotonic(), 0
        while True:
            tries += 1
            try:
                await self._post(receiver, notice, run)
            except UndeliveredError as error:
                wait = pause(tries, error.after, self._random)
                spent = time.monotonic() - began
                if error.final or spent + wait > GIVE_UP_S:
                    note = (
                        f"receiver {receiver.name} was not notified of {notice.occasion}: {error} "
                        f"({tries} attempts)"
                    )
                    await self._events.record(
                        "PerfRun", run.metadata, "NotDelivered", note, warning=True
                    )
                    return "GivenUp"
                logger.info("notice to %s: %s; again in %.0f s", receiver.name, error, wait)
                await asyncio.sleep(wait)
            else:
                return "Delivered"

    async def _post(self, receiver: Receiver, notice: Notice, run: PerfRun) -> None:
        """Try once. Raises UndeliveredError."""
        body, content_type = payload(notice, run, receiver.format)
        headers = {
            "Content-Type": content_type,
            "User-Agent": f"perfrun/{__version__}",
            "Idempotency-Key": notice.id,
        }
        try:
            url, key = self._receivers.url(receiver), self._receivers.key(receiver)
        except (OSError, ValueError) as error:
            raise UndeliveredError(f"its Secret cannot be read: {error}") from error
        if key:
            headers[SIGNATURE_HEADER] = signature(key.encode(), body, int(time.time()))
        try:
            async with asyncio.timeout(receiver.timeout_seconds):
                async with self._client.stream(
                    "POST", url, content=body, headers=headers
                ) as answer:
                    await _judge(answer)
        except TimeoutError as error:
            raise UndeliveredError(f"no response within {receiver.timeout_seconds} s") from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            # Not its text, because a URL may be the secret itself.
            raise UndeliveredError(f"it cannot be reached ({type(error).__name__})") from error


async def _judge(answer: httpx.Response) -> None:
    """Raise UndeliveredError unless a receiver has accepted the notice. Its answer is not read."""
    code = answer.status_code
    if 200 <= code < 300:
        return
    why = f"it answered {code}"
    if code >= 500 or code in _AGAIN:
        asked = answer.headers.get("Retry-After", "")
        raise UndeliveredError(why, after=float(asked) if asked.isdecimal() else None)
    raise UndeliveredError(why, final=True)


def new_client() -> httpx.AsyncClient:
    """Verifies certificates, follows no redirects, and uses only the environment's proxy."""
    return httpx.AsyncClient(follow_redirects=False, timeout=httpx.Timeout(60))
