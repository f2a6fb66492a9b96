"""A run after a rollout of the target, as kubectl does it."""

from tests.e2e.shop import Shop, until

TEST = """
apiVersion: perfrun.dev/v1alpha1
kind: PerfTest
metadata: {name: after}
spec:
  target: {http: {url: "http://shop:8000/api/v1/health"}}
  load: {burst: {requests: 20, concurrency: 2}}
  runOn: [Rollout]
  observe:
  - {name: shop, workload: {kind: Deployment, name: shop}}
  slos:
  - {metric: successRate, min: 100%}
"""


def test_a_run_follows_each_rollout_of_the_target(shop: Shop) -> None:
    shop.apply(TEST)

    def noted() -> str | None:
        last: str | None = shop.get("perftests", "after").get("status", {}).get("lastRollout")
        return last

    until("what stands is noted", noted)
    assert shop.runs("after") == []
    shop.kubectl("rollout", "restart", "deploy/shop")
    run = shop.done(shop.first_run("after"))
    assert (run["spec"]["reason"], run["status"]["verdict"]) == ("Rollout", "Pass")
    assert len(shop.runs("after")) == 1
