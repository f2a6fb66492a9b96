"""A target becomes 10% slower, and perfrun says so once: after the fact, and after it is sure.

``--campaign FILE`` also runs the test sixty times with nothing changed, and nobody may be told.
"""

from collections import Counter

import pytest

from tests.campaign import Campaign
from tests.e2e.shop import HERE, IMAGE, Json, Shop, until

TEST = """
apiVersion: perfrun.dev/v1alpha1
kind: PerfTest
metadata: {name: NAME}
spec:
  runOn: []
  target: {http: {url: "http://slow:8000/"}}
  load: {burst: {requests: 400, concurrency: 20}}
  observe: [{name: api, workload: {kind: Deployment, name: slow}}]
  slos: [{metric: latency.p95, max: 500ms}]
"""
BEFORE = 12
TOLD = ("Regressed", "Recovered", "Improved")


@pytest.fixture(scope="module")
def target(shop: Shop) -> Shop:
    shop.apply((HERE / "slow.yaml").read_text().replace("IMAGE", IMAGE))
    shop.kubectl("rollout", "status", "deploy/slow", "--timeout=60s")
    return shop


def ask(shop: Shop, test: str, value: str) -> Json:
    """Ask for one run; gives the trend once it, and all that follows from it, is over."""
    annotation = f"perfrun.dev/run-requested-at={value}"
    shop.kubectl("annotate", "ptest", test, annotation, "--overwrite")

    def over() -> Json | None:
        status: Json = shop.get("ptest", test)["status"]
        quiet = status.get("lastRequest") == value and not status.get("active")
        trend: Json = status.get("trend", {})
        looked = trend.get("upTo") == status.get("lastCompletionTime") is not None
        return trend if quiet and looked and not trend.get("confirming") else None

    return until(f"run {value} of {test} is over", over, timeout=120)


def delay(shop: Shop, ms: int) -> None:
    shop.kubectl("set", "env", "deploy/slow", f"DELAY_MS={ms}")
    shop.kubectl("rollout", "status", "deploy/slow", "--timeout=60s")


def told(shop: Shop, test: str) -> list[str]:
    """The reasons of the events about a test's trend."""
    events = shop.items("events.events.k8s.io")
    return sorted(
        event["reason"]
        for event in events
        if event["regarding"]["name"] == test and event["reason"] in TOLD
    )


def condition(shop: Shop, test: str) -> str:
    found = shop.get("ptest", test)["status"]["conditions"]
    return next(str(one["status"]) for one in found if one["type"] == "Regressed")


def test_ten_percent_slower_is_regressed_and_recovered_once_each(target: Shop) -> None:
    target.apply(TEST.replace("NAME", "watched"))
    trend: Json = {}
    for number in range(BEFORE):
        trend = ask(target, "watched", f"before-{number}")
    assert (trend["state"], trend["baselineRuns"]) == ("Stable", BEFORE)
    assert condition(target, "watched") == "False"

    delay(target, 55)
    trend = ask(target, "watched", "slower")
    # One run was asked for; the three that confirm it came by themselves.
    assert trend["state"] == "Regressed", trend["message"]
    assert 8 <= float(trend["change"].strip("+%")) <= 12
    assert len(trend["runs"]) == 4
    reasons = [run["spec"]["reason"] for run in target.runs("watched")]
    assert reasons.count("Confirmation") == 3
    assert condition(target, "watched") == "True"
    ask(target, "watched", "still-slower")
    assert told(target, "watched") == ["Regressed"]

    delay(target, 50)
    for number in range(3):
        trend = ask(target, "watched", f"back-{number}")
    assert trend["state"] == "Recovered", trend["message"]
    assert told(target, "watched") == ["Recovered", "Regressed"]
    assert condition(target, "watched") == "False"


def test_sixty_runs_of_the_same_are_told_to_nobody(target: Shop, campaign: Campaign) -> None:
    delay(target, 50)
    target.apply(TEST.replace("NAME", "still"))
    trend: Json = {}
    runs, states = 60 if campaign.whole else 11, Counter[str]()
    for number in range(runs):
        trend = ask(target, "still", f"same-{number}")
        states[trend["state"]] += 1
        print(number, trend["state"], trend["message"])
    campaign.add("trend", runs=runs, states=dict(states), told=len(told(target, "still")))
    assert told(target, "still") == []
    assert trend["state"] in ("Stable", "Suspect")
