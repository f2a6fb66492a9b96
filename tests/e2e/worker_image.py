"""Workers of another image, for the length of a test."""

from collections.abc import Iterator
from contextlib import contextmanager

from tests.e2e.faults.stage import leader
from tests.e2e.shop import SYSTEM, Shop, until

DEPLOYMENT = "deploy/perfrun"


@contextmanager
def worker_image(shop: Shop, image: str) -> Iterator[None]:
    """Have the operator start workers from another image for a while."""
    path = "-o=jsonpath={.spec.template.spec.containers[0].image}"
    before = shop.cluster.kubectl("-n", SYSTEM, "get", DEPLOYMENT, path).stdout
    try:
        _use(shop, image)
        yield
    finally:
        _use(shop, before)


def _use(shop: Shop, image: str) -> None:
    system = ("-n", SYSTEM)
    shop.cluster.kubectl(*system, "set", "env", DEPLOYMENT, f"PERFRUN_WORKER_IMAGE={image}")
    shop.cluster.kubectl(*system, "rollout", "status", DEPLOYMENT, "--timeout=120s")
    until(f"an operator leads that starts workers from {image}", lambda: _leads_with(shop, image))


def _leads_with(shop: Shop, image: str) -> bool:
    """The old operator may take a test on as long as it leads, although the new one is ready."""
    (container,) = leader(shop)["spec"]["containers"]
    return {"name": "PERFRUN_WORKER_IMAGE", "value": image} in container["env"]
