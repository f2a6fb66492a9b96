"""perfrun as its users have it: the image of the Dockerfile, installed by the chart."""

import contextlib
import itertools
import json
from collections.abc import Iterator

import pytest
import yaml

from tests.cluster.fixtures import once
from tests.cluster.handle import Cluster
from tests.e2e.prometheus import Prometheus, scrape_of, scraping
from tests.e2e.shop import HERE, HOOK_NAMESPACE, IMAGE, ROOT, SYSTEM, Shop

_numbers = itertools.count()


RECEIVERS = [{"name": "hook", "url": f"http://hook.{HOOK_NAMESPACE}:8000/hook"}]
"""Who may be told: a server that the tests of notices start there."""


def helm_values() -> list[str]:
    """Values for a machine of two cores, with an image that is on the node already."""
    registry, repository, tag = "", *IMAGE.rsplit(":", 1)
    values = {
        "image.registry": registry,
        "image.repository": repository,
        "image.tag": tag,
        "worker.cpu": "100m",
    }
    words = [word for name, value in values.items() for word in ("--set", f"{name}={value}")]
    return [*words, "--set-json", f"receivers={json.dumps(RECEIVERS)}"]


def install(cluster: Cluster, *more: str) -> None:
    """Install perfrun, or bring what is there up to date, and wait until it is ready."""
    cluster.helm(
        "upgrade",
        "--install",
        "perfrun",
        ROOT / "charts/perfrun",
        "-n",
        SYSTEM,
        "--create-namespace",
        "--wait",
        "--timeout=120s",
        *helm_values(),
        *more,
    )


TAINT = "perfrun.test/e2e"


def untaint(cluster: Cluster) -> None:
    """Let every node take pods again."""
    cluster.kubectl("taint", "nodes", "--all", f"{TAINT}-", check=False)


@pytest.fixture(scope="session")
def perfrun(cluster: Cluster, e2e_tools: None, tmp_path_factory: pytest.TempPathFactory) -> Cluster:
    """The cluster with this checkout's perfrun in it; xdist's workers share one installation."""
    with once(tmp_path_factory, "perfrun") as first:
        if first:
            untaint(cluster)  # a test that set it may have been killed
            cluster.build_image(IMAGE, ROOT)
            install(cluster)
            # An image of the same name may be newer than the pod that runs.
            cluster.kubectl("-n", SYSTEM, "rollout", "restart", "deploy/perfrun")
            cluster.kubectl("-n", SYSTEM, "rollout", "status", "deploy/perfrun", "--timeout=120s")
    return cluster


@pytest.fixture(scope="module")
def shop(perfrun: Cluster, request: pytest.FixtureRequest) -> Iterator[Shop]:
    """A namespace under the restricted Pod Security Standard, gone after the module's tests."""
    module = request.module.__name__.rpartition("test_")[2].replace("_", "-")
    name = f"e2e-{module}-{next(_numbers)}"
    with open_shop(perfrun, name) as held:
        yield held


@pytest.fixture(scope="module")
def prometheus(perfrun: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """A Prometheus that scrapes the operator while the module's tests run, with the chart's alerts."""
    folder = tmp_path_factory.mktemp("prometheus")
    values = ["--set=metrics.prometheusRule.enabled=true"]
    shown = "templates/prometheusrule.yaml"
    chart = ROOT / "charts/perfrun"
    rendered = perfrun.helm("template", "perfrun", chart, f"--show-only={shown}", *values).stdout
    rules = folder / "rules.yaml"
    rules.write_text(yaml.safe_dump(yaml.safe_load(rendered)["spec"]))
    with scraping(scrape_of(perfrun), folder, rules) as running:
        yield running


@contextlib.contextmanager
def open_shop(perfrun: Cluster, name: str) -> Iterator[Shop]:
    """A namespace with a shop in it, while the block runs."""
    perfrun.kubectl("delete", "namespace", name, "--ignore-not-found", "--timeout=60s")
    perfrun.kubectl("create", "namespace", name)
    labels = ("pod-security.kubernetes.io/enforce=restricted", "perfrun.dev/e2e=")
    perfrun.kubectl("label", "namespace", name, *labels)
    held = Shop(perfrun, name)
    manifest = (HERE / "shop.yaml").read_text().replace("TARGET_IMAGE", perfrun.target_image)
    held.apply(manifest.replace("SLOW", "x" * 400))
    held.kubectl("rollout", "status", "deploy/shop", "--timeout=60s")
    yield held
    perfrun.kubectl("delete", "namespace", name, "--wait=false", "--ignore-not-found")
