"""A secret that is planted in a header is found where it is used, and nowhere else.

Those of receivers: tests/integration/controller/test_receiver_secrets.py; of `perfrun run`:
tests/integration/test_planted_secret.py.
"""

import base64

from tests.e2e.processes import SELECTOR
from tests.e2e.prometheus import scrape_of
from tests.e2e.shop import SYSTEM, Shop, until
from tests.unpacked import unpacked

PLANTED = "Pl4nted-s3cret-value"
BROKEN = "Br0ken-s3cret\nvalue"
"""A line break cannot be sent in a header: the run ends as Error, and says why."""
MANIFEST = """
apiVersion: v1
kind: Secret
metadata: {name: planted}
stringData: {token: PLANTED, broken: "BROKEN"}
---
apiVersion: perfrun.dev/v1alpha1
kind: PerfTest
metadata: {name: planted}
spec:
  target:
    http:
      url: http://shop:8000/slow
      auth: {bearer: {tokenFrom: {secretKeyRef: {name: planted, key: token}}}}
      headers: [{name: X-Api-Key, valueFrom: {secretKeyRef: {name: planted, key: token}}}]
  load: {workers: 2, open: {rate: 5/s, duration: 3s}}
  slos: [{metric: successRate, min: 100%}]
---
apiVersion: perfrun.dev/v1alpha1
kind: PerfTest
metadata: {name: broken}
spec:
  target:
    http:
      url: http://shop:8000/api/v1/health
      headers: [{name: X-Api-Key, valueFrom: {secretKeyRef: {name: planted, key: broken}}}]
  load: {burst: {requests: 5, concurrency: 1}, startTimeout: 30s}
"""
KINDS = (
    "perftests,perfruns,jobs,pods,configmaps,controllerrevisions,events,leases,endpointslices,"
    "services,deployments"
)


def _everything(shop: Shop) -> dict[str, str]:
    """All that somebody without the right to read Secrets may come to see."""
    kubectl = shop.cluster.kubectl
    workers = "app.kubernetes.io/managed-by=perfrun"
    return {
        "objects": unpacked(kubectl("get", KINDS, "-A", "-o", "json").stdout),
        "the operator's log": kubectl("-n", SYSTEM, "logs", "-l", SELECTOR, "--tail=-1").stdout,
        "the workers' logs": shop.kubectl("logs", "-l", workers, "--tail=-1"),
        "metrics": scrape_of(shop.cluster).text(),
    }


def test_a_planted_secret_is_nowhere_but_where_it_is_used(shop: Shop) -> None:
    shop.apply(MANIFEST.replace("PLANTED", PLANTED).replace("BROKEN", BROKEN.replace("\n", "\\n")))
    run, bad = shop.first_run("planted"), shop.first_run("broken")
    seen: list[dict[str, str]] = []
    until("the load runs", lambda: shop.phase(run) == "Running")
    seen.append(_everything(shop))  # while pods and plan are there
    status = shop.done(run)["status"]
    ended = shop.done(bad)["status"]
    seen.append(_everything(shop))
    # What is packed was looked into: a result says it like this, and nothing else does.
    assert '"perfrun":"' in seen[-1]["objects"]

    # Whether in time is another matter, on a machine that is busy.
    assert status["summary"]["requests"]["succeeded"] == 15, status["message"]
    assert shop.served_in_the_end("planted", 15) == 15
    assert f"Bearer {PLANTED}" in shop.kubectl("logs", "deploy/shop", "--tail=-1")
    assert ended["verdict"] == "Error"
    assert "headers" in ended["message"], ended["message"]
    encoded = base64.b64encode(PLANTED.encode()).decode().rstrip("=")
    for shown in seen:
        assert all(shown[where] for where in ("objects", "the operator's log", "metrics"))
        for where, text in shown.items():
            # The nginx of the shop logs it, as it is asked to: that log is not looked at here.
            for secret in (PLANTED, encoded, BROKEN.partition("\n")[0]):
                assert secret not in text, f"{secret} is in {where}"
