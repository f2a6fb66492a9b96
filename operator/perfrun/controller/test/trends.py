"""How a test's runs compare with earlier ones: new runs are added, stored, and reported."""

import asyncio
import base64
import logging
from collections.abc import Sequence
from typing import NamedTuple

from perfrun.api import Json
from perfrun.api.metadata import Condition
from perfrun.api.run.perfrun import PerfRun
from perfrun.api.sentence import cut
from perfrun.api.test.baseline import (
    ACCEPT_ANNOTATION,
    MAX_TRANSITIONS,
    Baseline,
    LeftOut,
    TrendStatus,
    TrendTransition,
)
from perfrun.api.test.perftest import CheckedTest
from perfrun.controller.objects.events import Events
from perfrun.controller.objects.manifests import TREND_KEY, trend_config_map, trend_name
from perfrun.controller.objects.store import Key, RunRecord, Store
from perfrun.kube.client import Kube, owned_by
from perfrun.kube.errors import AlreadyExistsError, ConflictError
from perfrun.kube.resources import CONFIG_MAPS, PERF_RUNS
from perfrun.logic.comparison.comparable import fingerprint, left_out, point_of
from perfrun.logic.plan.names import short_hash
from perfrun.logic.trend.detect import TrendRules, accept, advance
from perfrun.logic.trend.sentences import describe, with_left_out
from perfrun.measure.trend import MAX_HISTORIES, Histories, History, Passage

logger = logging.getLogger(__name__)

MAX_REASON = 512
TOLD = {"Regressed": True, "Recovered": False, "Improved": False}
"""The transitions that are reported, and whether as a warning. A suspicion is not reported."""


class StoredHistories(NamedTuple):
    """The histories as they are stored in the API."""

    histories: list[History]
    version: str | None
    """None if there is no ConfigMap yet."""


class Trender:
    """Keeps ``status.trend`` of tests."""

    def __init__(self, kube: Kube, store: Store, events: Events) -> None:
        self._kube = kube
        self._store = store
        self._events = events

    async def look(self, test: CheckedTest) -> TrendStatus | None:
        """How the test's last run compares; None if the test does not want that, or has no runs.

        Without new runs this causes no request. Repeating it gives the same result.
        """
        baseline = test.spec.baseline
        if baseline.compare == "Never":
            return None
        known = test.status.trend
        settings = short_hash(baseline.model_dump_json())
        wanted = (test.metadata.annotations.get(ACCEPT_ANNOTATION) or "")[:63]
        new = self._new(test, known.up_to if known else None)
        settled = known is not None and known.settings == settings
        if (
            not new
            and ((known is None and not wanted) or settled)
            and (not wanted or (known is not None and known.accepted == wanted))
        ):
            return known
        return await self._renew(test, known, new, wanted)

    def _new(self, test: CheckedTest, up_to: str | None) -> list[RunRecord]:
        """The runs that were completed after ``up_to``, oldest first."""
        runs = self._store.own_runs_of(Key(test.metadata.namespace, test.metadata.name))
        done = [run for run in runs if run.done and (run.completed or "") > (up_to or "")]
        return sorted(done, key=lambda run: run.completed or "")

    async def _renew(
        self, test: CheckedTest, known: TrendStatus | None, new: Sequence[RunRecord], wanted: str
    ) -> TrendStatus | None:
        kept = await self._read(test)
        left = known.left_out if known else None
        histories, left = await self._take_all(test, kept.histories, left, new)
        if known is None or known.accepted != wanted:
            histories = await self._accept(test, histories, wanted)
        if histories and histories[-1].pinned is None and test.spec.baseline.run is not None:
            histories = [*histories[:-1], await self._pin(test, histories[-1])]
        if histories != kept.histories:
            await self._write(test, histories, kept.version)
        up_to = known.up_to if known else None
        await self._report(test, histories, up_to)
        if not histories and known is None and not new:
            return None
        # The recorded position saves the next look.
        status = await asyncio.to_thread(_status, test.spec.baseline, histories)
        return with_left_out(status, left).model_copy(
            update={
                "transitions": _latest_reported(histories),
                "up_to": new[-1].completed if new else up_to,
                "accepted": (wanted or None) if histories else None,
                "settings": short_hash(test.spec.baseline.model_dump_json()),
            }
        )

    async def _take_all(
        self,
        test: CheckedTest,
        histories: list[History],
        left: LeftOut | None,
        new: Sequence[RunRecord],
    ) -> tuple[list[History], LeftOut | None]:
        """The histories with new runs added, and those of the runs that were left out."""
        for record in new:
            body = await self._kube.find(PERF_RUNS, *record.key)
            if body is None or body["metadata"]["uid"] != record.uid:
                continue
            run = PerfRun.parse(body)
            histories = await self._take(test, run, histories)
            why = left_out(run)
            left = _one_more(left, run, why) if why is not None else None
        return histories, left

    async def _take(
        self, test: CheckedTest, run: PerfRun, histories: list[History]
    ) -> list[History]:
        """The histories with one more run in the history that it belongs to, which then
        comes last.
        """
        point, key = point_of(run), run.status.comparison_key
        if point is None or key is None:
            return histories
        place = fingerprint(run.status.environment)
        found = next((h for h in histories if h.key == key and h.environment == place), None)
        others = [history for history in histories if history is not found]
        history = found or History(key=key, environment=place)
        if point.completed > history.newest:
            history = await self._pin(test, history)
            # In a thread, because it compares up to fifty objectives, with ten fresh runs of each.
            rules = _rules(test.spec.baseline)
            history = await asyncio.to_thread(advance, history, point, rules)
        return [*others, history][-MAX_HISTORIES:]

    async def _pin(self, test: CheckedTest, history: History) -> History:
        """The history with the run that the test pins, if that run can be compared."""
        name = test.spec.baseline.run
        if name == (history.pinned.run if history.pinned else None):
            return history
        pinned = None
        if name is not None:
            body = await self._kube.find(PERF_RUNS, test.metadata.namespace, name)
            run = PerfRun.parse(body) if body is not None else None
            if (
                run is not None
                and run.spec.test_ref.name == test.metadata.name
                and run.status.comparison_key == history.key
                and fingerprint(run.status.environment) == history.environment
            ):
                pinned = point_of(run)
        return history.model_copy(update={"pinned": pinned})

    async def _accept(self, test: CheckedTest, histories: list[History], run: str) -> list[History]:
        """Follow the annotation that accepts a level."""
        if not run:
            return histories
        taken = [accept(history, run) for history in histories]
        if not any(taken):
            note = (
                f"{ACCEPT_ANNOTATION}: {run} is not a compared run: name a newer run that was "
                "not Inconclusive"
            )
            await self._events.record(
                "PerfTest", test.metadata, "LevelNotAccepted", note, warning=True
            )
        return [new or old for new, old in zip(taken, histories, strict=True)]

    async def _report(self, test: CheckedTest, histories: list[History], up_to: str | None) -> None:
        """Report what has changed since. The name of an Event depends on its content, so it is
        reported once.
        """
        for history in histories:
            for passage in history.passages:
                if passage.completed > (up_to or "") and passage.state in TOLD:
                    await self._report_one(test, passage)

    async def _report_one(self, test: CheckedTest, passage: Passage) -> None:
        warning = TOLD[passage.state]
        await self._events.record(
            "PerfTest", test.metadata, passage.state, passage.sentence, warning=warning
        )

    async def _read(self, test: CheckedTest) -> StoredHistories:
        body = await self._kube.find(
            CONFIG_MAPS, test.metadata.namespace, trend_name(test.metadata)
        )
        if body is None or not owned_by(body, test.metadata.uid):
            return StoredHistories([], None)
        version = body["metadata"]["resourceVersion"]
        try:
            packed = base64.b64decode(body.get("binaryData", {}).get(TREND_KEY, ""))
            kept = await asyncio.to_thread(Histories.unpack, packed)
            return StoredHistories(kept.histories, version)
        except (AttributeError, TypeError, ValueError) as error:
            # Somebody has changed it, or a later version wrote it: begin again rather than stop.
            logger.warning("history of test %s cannot be read: %s", test.metadata.name, error)
            return StoredHistories([], version)

    async def _write(
        self, test: CheckedTest, histories: list[History], version: str | None
    ) -> None:
        body: Json = trend_config_map(test.metadata, Histories(histories=histories).pack())
        namespace, name = test.metadata.namespace, body["metadata"]["name"]
        if version is not None:
            body["metadata"]["resourceVersion"] = version
            await self._kube.patch(CONFIG_MAPS, namespace, name, body)
            return
        try:
            await self._kube.create(CONFIG_MAPS, namespace, body)
        except AlreadyExistsError:
            raise ConflictError(
                409, f"ConfigMap {name} exists, but does not belong to this test"
            ) from None


def _one_more(left: LeftOut | None, run: PerfRun, why: str) -> LeftOut:
    runs = 1 + (left.runs if left is not None else 0)
    return LeftOut(runs=runs, last=run.metadata.name, reason=cut(why, MAX_REASON))


def _rules(baseline: Baseline) -> TrendRules:
    return TrendRules(baseline.tolerance, baseline.confirm_runs)


def _status(baseline: Baseline, histories: Sequence[History]) -> TrendStatus:
    """How the newest run compares; the last history is the one that it belongs to."""
    if not histories:
        return TrendStatus(state="Collecting", message="no run that can be compared yet")
    status = describe(histories[-1], _rules(baseline), histories[:-1])
    if baseline.run is None or histories[-1].pinned is not None:
        return status
    return status.model_copy(
        update={
            "state": "Incomparable",
            "message": f"there is no run {baseline.run} with the same comparison key and "
            f"environment to compare with (spec.baseline.run)",
        }
    )


def _latest_reported(histories: list[History]) -> list[TrendTransition]:
    """The latest reported transitions, of any environment."""
    passages = [p for history in histories for p in history.passages if p.state in TOLD]
    return [
        TrendTransition.model_validate(
            {
                "state": p.state,
                "run": p.run,
                "time": p.completed,
                "sentence": p.sentence,
                "changes": p.changes,
            }
        )
        for p in sorted(passages, key=lambda p: p.completed)[-MAX_TRANSITIONS:]
    ]


def regressed_condition(trend: TrendStatus | None) -> Condition | None:
    """The condition of a test that shows its trend to delivery tools."""
    if trend is None:
        return None
    status = {"Regressed": "True", "Collecting": "Unknown", "Incomparable": "Unknown"}
    return Condition(
        type="Regressed",
        status=status.get(trend.state, "False"),
        reason=trend.state,
        message=trend.message,
    )
