"""The hooks for Flagger, with the rights of the example, against a real API server."""

import json
import os
import subprocess
import time
from pathlib import Path

import pytest
import yaml

from tests.cluster.gobuild import binary
from tests.cluster.handle import ApiServer
from tests.integration.documented import REPO

PREVIEWS = REPO / "examples" / "previews"
TEST = """
apiVersion: perfrun.dev/v1alpha1
kind: PerfTest
metadata: {name: shop}
spec: {target: {http: {url: http://shop:8000}}, load: {open: {rate: 10/s, duration: 1m}}}
"""


class Hooks:
    """The scripts, as Flagger's load tester runs them."""

    def __init__(self, server: ApiServer, namespace: str, folder: Path) -> None:
        self._server, self.namespace, self._folder = server, namespace, folder
        config = yaml.safe_load(server.kubeconfig.read_text())
        token = server.kubectl("create", "token", "perfrun-preview", "-n", namespace).stdout
        config["users"][0]["user"] = {"token": token.strip()}
        config["contexts"][0]["context"]["namespace"] = namespace
        (folder / "config").write_text(yaml.safe_dump(config))
        hooks = next(yaml.safe_load_all((PREVIEWS / "flagger.yaml").read_text()))
        for name, script in hooks["data"].items():
            (folder / name).write_text(script)

    def call(self, script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        path = f"{binary('kubectl').parent}:{os.environ['PATH']}"
        env = {**os.environ, "KUBECONFIG": str(self._folder / "config"), "PATH": path}
        command = ["bash", str(self._folder / script), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False, env=env)

    def end(self, verdict: str) -> None:
        """What the operator writes of a run that is done."""
        complete = {"type": "Complete", "status": "True", "reason": "Finished", "message": ""}
        status = {"phase": "Done", "verdict": verdict, "message": "m", "conditions": [complete]}
        self._server.kubectl(
            "patch", "prun", "shop-canary", "-n", self.namespace, "--subresource=status",
            "--type=merge", "-p", json.dumps({"status": status}),
        )  # fmt: skip


@pytest.fixture
def hooks(perfrun_api: ApiServer, tmp_path: Path) -> Hooks:
    namespace = f"previews-{time.monotonic_ns()}"
    perfrun_api.kubectl("create", "namespace", namespace)
    perfrun_api.kubectl("apply", "-n", namespace, "-f", PREVIEWS / "rights.yaml")
    perfrun_api.kubectl("apply", "-n", namespace, "-f", "-", input=TEST)
    return Hooks(perfrun_api, namespace, tmp_path)


def test_a_canary_is_under_load_until_its_promotion_and_promoted_unless_it_failed(
    hooks: Hooks, perfrun_api: ApiServer
) -> None:
    for _ in range(2):  # Flagger may call twice
        started = hooks.call("start.sh", "shop", "http://shop-canary:8000")
        assert started.returncode == 0, started.stderr
    found = perfrun_api.kubectl("get", "prun", "-n", hooks.namespace, "-o", "json").stdout
    (run,) = json.loads(found)["items"]
    assert run["spec"]["overrides"] == {
        "url": "http://shop-canary:8000",
        "load": {"duration": "UntilStopped", "maxDuration": "1h"},
        "labels": {"track": "canary"},
    }
    assert hooks.call("failed.sh", "shop").returncode == 1
    for verdict, code in (("Warn", 0), ("Fail", 1)):
        hooks.end(verdict)
        told = hooks.call("verdict.sh", "shop")
        assert (told.returncode, told.stdout.splitlines()[-1]) == (code, f"{verdict}: m"), told
        assert hooks.call("failed.sh", "shop").returncode == 1 - code
    again = hooks.call("start.sh", "shop", "http://shop-canary:8000")
    assert "perfrun.perfrun.dev/shop-canary created" in again.stdout, again
