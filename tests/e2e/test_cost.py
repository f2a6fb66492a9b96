"""What a run costs the API server: requests of the operator, as the audit log has them."""

from collections import Counter

from tests.cluster.audit import asked_by
from tests.e2e.shop import SYSTEM, Shop, until

TEST = """
apiVersion: perfrun.dev/v1alpha1
kind: PerfTest
metadata: {name: NAME}
spec:
  target: {http: {url: "http://shop:8000/api/v1/health"}}
  load: {workers: WORKERS, open: {rate: 20/s, duration: DURATION}}
"""
# Once for each run: frozen, queued, launched, started, collected, judged, told and tidied up.
ONCE = 70
EACH_WORKER = 4
"""A token, a pod, a report, and its removal."""
EACH_TEN_SECONDS = 12
"""Two progress lines with what they read, and a look at the Job and its pods; starting, oftener."""


def _asked(shop: Shop) -> Counter[tuple[str, str]]:
    account = f"{SYSTEM}:perfrun"
    return Counter(
        (one.verb, one.resource) for one in asked_by(account) if one.namespace == shop.namespace
    )


def _cost(shop: Shop, name: str, workers: int, duration: str) -> Counter[tuple[str, str]]:
    before = _asked(shop)
    written = TEST.replace("NAME", name).replace("WORKERS", str(workers))
    shop.apply(written.replace("DURATION", duration))
    run = shop.first_run(name)
    shop.done(run)
    until("it is tidied up", lambda: not shop.items("jobs", labels=f"perfrun.dev/run={run}"))
    return _asked(shop) - before


def test_requests_of_a_run_are_bounded_by_its_workers_and_its_length(shop: Shop) -> None:
    for name, workers, seconds in (("short", 1, 5), ("wide", 4, 5), ("long", 1, 30)):
        spent = _cost(shop, name, workers, f"{seconds}s")
        # Until all workers are there it takes some seconds, too.
        most = ONCE + EACH_WORKER * workers + EACH_TEN_SECONDS * (seconds + 20) / 10
        print(f"{name}: {spent.total()} of {most:.0f}: {dict(spent.most_common())}")
        assert spent.total() <= most, spent
