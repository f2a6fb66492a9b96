"""The four commands of the tutorial: as written with docker and kind, else what kubectl does of them."""

import contextlib
import re
import shutil
import subprocess

import pytest

from tests.cluster.handle import Cluster
from tests.e2e.shop import ROOT

pytestmark = pytest.mark.timing

PAGE = ROOT / "docs/tutorial/first-test.md"
DEMO = "perfrun-demo"
SERVICE = "nginxinc/nginx-unprivileged:1.28"


def commands() -> list[str]:
    (block,) = re.findall(
        r"^## In four commands\n\n```sh\n(.*?)^```", PAGE.read_text(), re.M | re.S
    )
    return list(block.splitlines())


def test_four_commands_lead_from_nothing_to_a_verdict(perfrun: Cluster) -> None:
    """Only perfrun itself is here before, from its chart: the overlay's objects have the same names."""
    create, image, install, wait = commands()
    if shutil.which("kind") and shutil.which("docker"):
        as_written(create, image, install, wait)
        return
    overlay, established, samples = install.split(" && ")
    built = perfrun.kubectl("kustomize", *overlay.removeprefix("kubectl apply -k ").split()).stdout
    perfrun.kubectl(
        "apply", "--dry-run=server", "--server-side", "--force-conflicts", "-f", "-", input=built
    )
    perfrun.kubectl(*established.split()[1:])
    made = perfrun.kubectl("kustomize", samples.removeprefix("kubectl apply -k ")).stdout
    try:
        perfrun.kubectl("apply", "-f", "-", input=made.replace(SERVICE, perfrun.target_image))
        said = ""
        for command in wait.replace("'", "").split(" && "):
            said = perfrun.kubectl(*command.split()[1:]).stdout
        assert re.search(r"shop-health-\w+ +shop-health +Change +Done +Pass", said), said
    finally:
        perfrun.kubectl("delete", "namespace", DEMO, "--wait=false")


def as_written(*lines: str) -> None:
    with contextlib.ExitStack() as stack:
        stack.callback(subprocess.run, ["kind", "delete", "cluster", "--name", "perfrun"])
        for line in lines:
            subprocess.run(["sh", "-c", line], cwd=ROOT, check=True, timeout=1200)
