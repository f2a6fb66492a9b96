"""A scheduled test runs by itself, and its history is trimmed."""

from datetime import UTC, datetime

from tests.e2e.shop import Shop, until

EVERY_MINUTE = """
apiVersion: perfrun.dev/v1alpha1
kind: PerfTest
metadata: {name: minutely}
spec:
  schedule: {cron: "* * * * *"}
  historyLimits: {passed: 1, other: 1}
  target: {http: {url: "http://shop:8000/api/v1/health"}}
  load: {burst: {requests: 20, concurrency: 2}}
  slos:
  - {metric: successRate, min: 100%}
"""


def test_a_test_of_every_minute_runs_by_itself_and_keeps_one_run(shop: Shop) -> None:
    created = datetime.now(UTC)
    shop.apply(EVERY_MINUTE)
    first = shop.first_run("minutely")
    run = shop.done(first)

    assert run["spec"]["reason"] == "Scheduled"
    tick = datetime.fromisoformat(run["spec"]["scheduledTime"])
    assert tick > created
    assert tick.second == 0
    assert first == f"minutely-{int(tick.timestamp()) // 60}"
    assert run["status"]["verdict"] == "Pass"

    def second() -> str | None:
        done = [r for r in shop.runs("minutely") if r.get("status", {}).get("phase") == "Done"]
        return next((r["metadata"]["name"] for r in done if r["metadata"]["name"] != first), None)

    latest = until("a second scheduled run", second)
    names = until(
        "the first run is trimmed",
        lambda: [
            r["metadata"]["name"]
            for r in shop.runs("minutely")
            if first not in {x["metadata"]["name"] for x in shop.runs("minutely")}
        ],
        timeout=20,
    )
    assert latest in names

    test = until(
        "the status of the test has caught up",
        lambda: (t := shop.get("perftests", "minutely"))["status"].get("lastRun") == latest and t,
    )
    status = test["status"]
    assert status["lastVerdict"] == "Pass"
    assert datetime.fromisoformat(status["nextScheduleTime"]) > tick
    assert status["conditions"][0]["type"] == "Ready"
    assert status["conditions"][0]["status"] == "True"
    assert "lastMissed" not in status
