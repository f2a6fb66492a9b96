"""A protocol that a package brings along: the workers' image of the example's Dockerfile, in a cluster."""

from collections.abc import Iterator

import pytest

from tests.e2e.shop import HERE, IMAGE, ROOT, Shop, until
from tests.e2e.worker_image import worker_image

pytestmark = pytest.mark.disturbs

EXAMPLE = ROOT / "examples/protocols/websocket"
CHAT_IMAGE = "localhost/perfrun-websocket:e2e"
TEST = """
apiVersion: perfrun.dev/v1alpha1
kind: PerfTest
metadata: {name: NAME}
spec:
  target: {extension: {kind: websocket, address: "ADDRESS", connections: PerUser}}
  scenarios:
  - name: talk
    steps:
    - {name: hello, extension: {send: "NAME $(uuid())", expect: NAME}}
  load: {workers: 2, burst: {requests: 250, concurrency: 10}}
  slos:
  - {metric: latency.p95, max: 150ms}
"""


@pytest.fixture(scope="module")
def image(shop: Shop) -> str:
    shop.cluster.build_image(CHAT_IMAGE, EXAMPLE, build_args={"PERFRUN": IMAGE})
    return CHAT_IMAGE


@pytest.fixture(scope="module")
def workers(shop: Shop, image: str) -> Iterator[None]:
    """Workers that have the package, from the first test on that asks for them."""
    with worker_image(shop, image):
        yield


@pytest.fixture(scope="module")
def servers(shop: Shop, image: str) -> None:
    """One that answers at once, and one that is late."""
    text = (HERE / "chat.yaml").read_text().replace("CHAT_IMAGE", image)
    delays = {"chat": "0", "late": "0.2"}
    for name, delay in delays.items():
        shop.apply(text.replace("SERVER", name).replace("DELAY", delay))
    for name in delays:
        shop.kubectl("rollout", "status", f"deploy/{name}", "--timeout=60s")


def messages(shop: Shop, server: str = "chat", *, of: str) -> int:
    """What a server has seen that begins so."""
    return shop.kubectl("logs", f"deploy/{server}", "--tail=-1").count(f"message {of} ")


def make(shop: Shop, name: str, address: str = "chat:8765") -> None:
    shop.apply(TEST.replace("NAME", name).replace("ADDRESS", address))


def test_without_the_package_the_run_says_what_to_do(shop: Shop, servers: None) -> None:
    make(shop, "without")
    status = shop.done(shop.first_run("without"))["status"]
    assert status["verdict"] == "Error"
    assert "websocket is not installed in this worker (installed: none)" in status["message"]
    assert "worker.image" in status["message"]
    assert messages(shop, of="without") == 0


def test_a_server_elsewhere_is_refused_as_a_url_is(shop: Shop) -> None:
    make(shop, "elsewhere", "perfrun-operators.perfrun-system.svc:8080")

    def refusal() -> str | None:
        conditions = shop.get("perftests", "elsewhere").get("status", {}).get("conditions", [])
        return next((c["message"] for c in conditions if c["reason"] == "RefusedByPolicy"), None)

    assert "spec.target.extension.address: PerfPolicy" in until("it is refused", refusal)
    assert shop.runs("elsewhere") == []


def test_the_example_passes_and_the_server_counted_the_same(
    shop: Shop, servers: None, workers: None
) -> None:
    shop.kubectl("apply", "-f", EXAMPLE / "websocket.yaml")
    status = shop.done(shop.first_run("chat"))["status"]
    assert status["verdict"] == "Pass", status["message"]
    sent = {step["name"]: step["attempts"]["window"] for step in status["steps"]}
    assert messages(shop, of="hello") == sent["hello"] > 500
    assert messages(shop, of="item") == sent["again"]


def test_a_planted_slowdown_is_told(shop: Shop, servers: None, workers: None) -> None:
    make(shop, "slow", "late:8765")
    status = shop.done(shop.first_run("slow"))["status"]
    assert status["verdict"] == "Warn", status["message"]
    assert status["summary"]["requests"]["succeeded"] == messages(shop, "late", of="slow") == 250
