"""Workers of another image, for the length of a test."""

from collections.abc import Iterator
from contextlib import contextmanager

from tests.e2e.shop import SYSTEM, Shop

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
