"""Which notices are owed, what they say, and that they cannot be forged or made to speak for others."""

import hashlib
import hmac
import json
import random
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from perfrun.api.run.perfrun import PerfRun, SloStatus, Verdict
from perfrun.api.test.baseline import MetricChange, TrendTransition
from perfrun.api.test.perftest import Notification
from perfrun.logic.run.notices import (
    FIRST_PAUSE_S,
    MAX_PAUSE_S,
    WITHIN,
    Notice,
    NotifiableRun,
    notice_id,
    owed,
    pause,
    payload,
    signature,
)

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)


def run(
    name: str = "api-1",
    verdict: Verdict | None = Verdict.WARN,
    age: timedelta = timedelta(minutes=1),
    notified: frozenset[str] = frozenset(),
) -> NotifiableRun:
    return NotifiableRun(name, f"uid-{name}", verdict, NOW - age, notified)


def wants(receiver: str = "chat", **more: Any) -> Notification:
    return Notification.parse({"receiver": receiver, **more})


def told(state: str, run: str = "api-1") -> TrendTransition:
    return TrendTransition.model_validate(
        {"state": state, "run": run, "time": "2026-11-25T11:59:00Z", "sentence": "it is slower"}
    )


def occasions(*given: Any) -> list[tuple[str, str]]:
    wanted, runs, passages = given
    return [(one.receiver, one.occasion) for one in owed(wanted, runs, passages, NOW)]


@pytest.mark.parametrize(
    ("verdict", "said"),
    [
        (Verdict.PASS, []),
        (Verdict.INCONCLUSIVE, []),
        (Verdict.NOT_APPLICABLE, []),
        (None, []),
        (Verdict.WARN, ["Warn"]),
        (Verdict.FAIL, ["Fail"]),
        (Verdict.ERROR, ["Error"]),
    ],
)
def test_only_bad_verdicts_are_told(verdict: Verdict | None, said: list[str]) -> None:
    assert occasions([wants()], [run(verdict=verdict)], []) == [("chat", one) for one in said]


def test_each_receiver_is_told_of_what_it_wants() -> None:
    wanted = [wants("all"), wants("gate", events=["Fail"]), wants("trend", events=["Regressed"])]
    runs = [run(verdict=Verdict.FAIL)]
    assert occasions(wanted, runs, [told("Regressed")]) == [
        ("all", "Fail"),
        ("all", "Regressed"),
        ("gate", "Fail"),
        ("trend", "Regressed"),
    ]


def test_improved_is_good_news_and_wakes_nobody() -> None:
    assert occasions([wants()], [run(verdict=Verdict.PASS)], [told("Improved")]) == []


def test_a_passage_belongs_to_the_run_that_brought_it_about() -> None:
    runs = [run("api-1", Verdict.PASS), run("api-2", Verdict.PASS)]
    notices = owed([wants()], runs, [told("Recovered", "api-2")], NOW)
    assert [(one.run, one.sentence) for one in notices] == [("api-2", "it is slower")]


def test_what_was_settled_is_owed_no_more() -> None:
    settled = notice_id("uid-api-1", "Warn", "chat")
    assert occasions([wants(), wants("other")], [run(notified=frozenset({settled}))], []) == [
        ("other", "Warn")
    ]


def test_a_receiver_that_is_added_hears_nothing_of_history() -> None:
    old = run(age=WITHIN + timedelta(seconds=1))
    assert occasions([wants()], [old, run("api-2", age=WITHIN)], []) == [("chat", "Warn")]


def test_ids_tell_receivers_occasions_and_runs_apart_and_stay_the_same() -> None:
    ids = {
        notice_id(uid, occasion, receiver)
        for uid in ("a", "b")
        for occasion in ("Warn", "Fail")
        for receiver in ("x", "y")
    }
    assert len(ids) == 8
    assert notice_id("a", "Warn", "x") == notice_id("a", "Warn", "x")
    assert all(len(one) == 16 for one in ids)


def done(message: str = "1 of 2 objectives missed") -> PerfRun:
    return PerfRun.parse(
        {
            "metadata": {"name": "api-1", "namespace": "shop", "uid": "uid-api-1"},
            "spec": {"testRef": {"name": "api"}, "reason": "Scheduled"},
            "status": {
                "phase": "Done",
                "verdict": "Warn",
                "message": message,
                "completionTime": "2026-11-25T11:59:00.000000Z",
                "slos": [
                    {"metric": "errorRate", "verdict": "Pass", "message": "fine"},
                    {"metric": "latency.p95", "verdict": "Warn", "message": "slow"},
                ],
            },
        }
    )


NOTICE = Notice("0123456789abcdef", "chat", "Warn", "api-1", "uid-api-1")


def test_a_cloud_event_has_what_the_specification_requires() -> None:
    body, content_type = payload(NOTICE, done(), "cloudevents")
    event = json.loads(body)
    assert content_type == "application/cloudevents+json"
    assert (event["specversion"], event["id"], event["type"]) == (
        "1.0",
        "0123456789abcdef",
        "dev.perfrun.warn",
    )
    assert event["source"] == "/apis/perfrun.dev/v1alpha1/namespaces/shop/perfruns/api-1"
    assert event["subject"] == "shop/api"
    assert datetime.fromisoformat(event["time"]) < NOW
    assert [one["metric"] for one in event["data"]["objectives"]] == ["latency.p95"]
    assert event["data"]["message"] == "1 of 2 objectives missed"


def test_figures_are_in_both_forms() -> None:
    change = {"metric": "latency.p95", "usual": "50.4ms", "now": "55.4ms", "change": "+10%"}
    sentence = "latency.p95 is 10% higher (55.4ms, usually 50.4ms), since api-1"
    passage = told("Regressed").model_copy(
        update={"sentence": sentence, "changes": [MetricChange.model_validate(change)]}
    )
    (notice,) = owed([wants(events=["Regressed"])], [run()], [passage], NOW)
    event = json.loads(payload(notice, done(), "cloudevents")[0])
    assert event["data"]["changes"] == [change]
    assert event["data"]["message"] == sentence
    assert "(55.4ms, usually 50.4ms)" in json.loads(payload(notice, done(), "slack")[0])["text"]


def test_an_objective_carries_its_limit() -> None:
    slo = {
        "metric": "latency.p95",
        "max": "500ms",
        "measured": "612ms",
        "verdict": "Fail",
        "message": "slow",
    }
    finished = done()
    finished.status.slos[1] = SloStatus.model_validate(slo)
    (told_of,) = json.loads(payload(NOTICE, finished, "cloudevents")[0])["data"]["objectives"]
    assert told_of == {**slo, "of": "", "min": None}


@pytest.mark.parametrize("hostile", ["<!channel>", "<http://evil|click>", "*bold* `code` _it_"])
def test_a_text_of_a_test_cannot_mention_or_link_in_slack(hostile: str) -> None:
    body, content_type = payload(NOTICE, done(hostile), "slack")
    assert content_type == "application/json"
    message = json.loads(body)
    said = message["text"] + message["blocks"][0]["text"]["text"]
    assert "<" not in said
    assert "Warn: shop/api" in said


def test_a_message_without_end_is_cut() -> None:
    for form in ("slack", "cloudevents"):
        assert len(payload(NOTICE, done("x" * 2048), form)[0]) < 8000


def test_a_signature_can_be_checked_by_anyone_with_the_key() -> None:
    said = signature(b"key", b"body", 1700000000)
    expected = hmac.new(b"key", b"1700000000.body", hashlib.sha256).hexdigest()
    assert said == f"t=1700000000,v1={expected}"
    assert signature(b"other", b"body", 1700000000) != said
    assert signature(b"key", b"body", 1700000001) != said


def test_pauses_grow_to_a_limit_and_heed_what_the_sink_asks_for() -> None:
    rng = random.Random(1)
    pauses = [pause(tries, None, rng) for tries in range(1, 40)]
    assert FIRST_PAUSE_S <= pauses[0] <= 1.2 * FIRST_PAUSE_S
    assert MAX_PAUSE_S <= pauses[-1] <= 1.2 * MAX_PAUSE_S
    assert 30 <= pause(1, 30.0, rng) <= 36
    assert pause(1, 1e9, rng) <= 1.2 * MAX_PAUSE_S
