"""A target becomes 10% slower, and perfrun says so once: an event, a metric and a webhook.

``--campaign FILE`` also runs the test sixty times with nothing changed, and nobody may be told.
"""

import base64
import json
import re
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest

from perfrun.measure.trend import Histories
from tests.campaign import Campaign
from tests.cluster.handle import Cluster
from tests.e2e.prometheus import scrape_of
from tests.e2e.shop import HERE, HOOK_NAMESPACE, IMAGE, Json, Shop, until

pytestmark = pytest.mark.alone

TEST = """
apiVersion: perfrun.dev/v1alpha1
kind: PerfTest
metadata: {name: NAME}
spec:
  runOn: []
  target: {http: {url: "http://slow:8000/"}}
  # The first request of each user waits for code that is not warm yet: 8 of 400 are no p95.
  load: {burst: {requests: 400, concurrency: 8}}
  observe: [{name: api, workload: {kind: Deployment, name: slow}}]
  slos: [{metric: latency.p95, max: 500ms}]
  notifications: [{receiver: hook, events: [Regressed, Recovered]}]
"""
BEFORE = 12
MEASURED = 3
"""Of the runs before the change, those that are run here; the others are stored, made of these."""
NOISE = (1.0, 0.98, 1.02, 0.99, 1.01, 0.975, 1.025)
TOLD = ("Regressed", "Recovered", "Improved")


@pytest.fixture(scope="module")
def target(shop: Shop) -> Shop:
    shop.apply((HERE / "slow.yaml").read_text().replace("IMAGE", IMAGE))
    shop.kubectl("rollout", "status", "deploy/slow", "--timeout=60s")
    return shop


@pytest.fixture(scope="module")
def hook(perfrun: Cluster) -> Iterator[Shop]:
    """The receiver that the chart was told of in the e2e tests."""
    held = Shop(perfrun, HOOK_NAMESPACE)
    perfrun.kubectl("create", "namespace", HOOK_NAMESPACE, check=False)
    held.apply((HERE / "hook.yaml").read_text().replace("IMAGE", IMAGE))
    held.kubectl("rollout", "status", "deploy/hook", "--timeout=60s")
    yield held
    perfrun.kubectl("delete", "namespace", HOOK_NAMESPACE, "--wait=false", "--ignore-not-found")


def heard(hook: Shop, shop: Shop, test: str) -> list[str]:
    """The types of the notices about a test that the receiver has taken."""
    lines = hook.kubectl("logs", "deploy/hook", "--tail=-1").splitlines()
    notices = [json.loads(line) for line in lines]
    mine = [one for one in notices if one["subject"] == f"{shop.namespace}/{test}"]
    assert len({one["id"] for one in mine}) == len(mine), "the same notice came twice"
    return [one["type"] for one in mine]


def shown(shop: Shop, test: str) -> set[str]:
    """The states that the metric of the trend has at 1."""
    lines = scrape_of(shop.cluster).text().splitlines()
    mine = (
        line
        for line in lines
        if line.startswith("perfrun_trend{")
        and f'namespace="{shop.namespace}"' in line
        and f'test="{test}"' in line
    )
    return {re.sub(r'.*state="(\w+)".*', r"\1", line) for line in mine if line.endswith(" 1.0")}


def ask(shop: Shop, test: str, value: str) -> Json:
    """Ask for one run; gives the trend once it, and all that follows from it, is over."""
    annotation = f"perfrun.dev/run-requested-at={value}"
    shop.kubectl("annotate", "ptest", test, annotation, "--overwrite")

    def over() -> Json | None:
        status: Json = shop.get("perftests", test).get("status", {})
        quiet = status.get("lastRequest") == value and not status.get("active")
        trend: Json = status.get("trend", {})
        looked = trend.get("upTo") == status.get("lastCompletionTime") is not None
        return trend if quiet and looked and not trend.get("confirming") else None

    return until(f"run {value} of {test} is over", over, timeout=120)


def give_past(shop: Shop, test: str, runs: int) -> None:
    """Have the operator find so many runs more before those that it has compared so far.

    They are made of what was measured here, with the noise that runs have.
    """
    labels = f"perfrun.dev/content=trend,perfrun.dev/test={test}"
    (stored,) = shop.items("configmaps", labels=labels)
    ((key, packed),) = stored["binaryData"].items()
    (history,) = Histories.unpack(base64.b64decode(packed)).histories
    first = datetime.fromisoformat(history.baseline[0].completed)
    past = []
    for number in range(runs):
        like, factor = history.baseline[number % len(history.baseline)], NOISE[number % len(NOISE)]
        ended = first - timedelta(minutes=runs - number)
        changes = {
            "run": f"past-{number}",
            "completed": ended.isoformat(timespec="microseconds").replace("+00:00", "Z"),
            "values": {metric: value * factor for metric, value in like.values.items()},
        }
        past.append(like.model_copy(update=changes))
    longer = history.model_copy(update={"baseline": [*past, *history.baseline]})
    binary = base64.b64encode(Histories(histories=[longer]).pack()).decode()
    patch = json.dumps({"binaryData": {key: binary}})
    shop.kubectl("patch", "configmap", stored["metadata"]["name"], "--type=merge", "-p", patch)


def delay(shop: Shop, ms: int) -> None:
    shop.kubectl("set", "env", "deploy/slow", f"DELAY_MS={ms}")
    shop.kubectl("rollout", "status", "deploy/slow", "--timeout=60s")


def told(shop: Shop, test: str) -> list[str]:
    """The reasons of the events about a test's trend."""
    events = shop.items("events")
    return sorted(
        event["reason"]
        for event in events
        if event["regarding"]["name"] == test and event["reason"] in TOLD
    )


def condition(shop: Shop, test: str) -> str:
    found = shop.get("perftests", test)["status"]["conditions"]
    return next(str(one["status"]) for one in found if one["type"] == "Regressed")


def _confirmations(shop: Shop) -> int:
    """How many runs came by themselves, to confirm a suspicion."""
    reasons = [run["spec"]["reason"] for run in shop.runs("watched")]
    return reasons.count("Confirmation")


def test_ten_percent_slower_is_regressed_and_recovered_once_each(target: Shop, hook: Shop) -> None:
    target.apply(TEST.replace("NAME", "watched"))
    for number in range(MEASURED):
        ask(target, "watched", f"before-{number}")
    give_past(target, "watched", BEFORE - MEASURED - 1)
    trend = ask(target, "watched", "before")
    assert trend["state"] == "Stable", trend["message"]
    # A moment of noise may have been suspected, and found to be none by three runs more.
    confirmed = _confirmations(target)
    assert trend["baselineRuns"] == BEFORE + confirmed
    assert condition(target, "watched") == "False"

    delay(target, 55)
    trend = ask(target, "watched", "slower")
    # One run was asked for; the three that confirm it came by themselves.
    assert trend["state"] == "Regressed", trend["message"]
    assert 8 <= float(trend["change"].strip("+%")) <= 12
    assert len(trend["runs"]) == 4
    assert _confirmations(target) == confirmed + 3
    assert condition(target, "watched") == "True"
    ask(target, "watched", "still-slower")
    assert told(target, "watched") == ["Regressed"]
    assert shown(target, "watched") == {"Regressed"}
    # The receiver has refused the first try; whatever came of it, it is told once.
    regressed = ["dev.perfrun.regressed"]
    until("the receiver is told", lambda: heard(hook, target, "watched") == regressed)

    delay(target, 50)
    for number in range(3):
        trend = ask(target, "watched", f"back-{number}")
    assert trend["state"] == "Recovered", trend["message"]
    assert told(target, "watched") == ["Recovered", "Regressed"]
    assert shown(target, "watched") == {"Recovered"}
    both = ["dev.perfrun.regressed", "dev.perfrun.recovered"]
    until("the receiver is told", lambda: heard(hook, target, "watched") == both)
    assert condition(target, "watched") == "False"


def test_sixty_runs_of_the_same_are_told_to_nobody(
    target: Shop, hook: Shop, campaign: Campaign
) -> None:
    delay(target, 50)
    target.apply(TEST.replace("NAME", "still"))
    trend: Json = {}
    runs, states = 60 if campaign.whole else MEASURED + 2, Counter[str]()
    for number in range(runs):
        if number == MEASURED and not campaign.whole:
            give_past(target, "still", BEFORE)
        trend = ask(target, "still", f"same-{number}")
        states[trend["state"]] += 1
        print(number, trend["state"], trend["message"])
    campaign.add("trend", runs=runs, states=dict(states), told=len(told(target, "still")))
    assert told(target, "still") == []
    assert heard(hook, target, "still") == []
    assert trend["state"] in ("Stable", "Suspect")
