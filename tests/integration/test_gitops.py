"""Examples for GitOps tools on real parts: Lua 5.1, promtool, and the rights of a real API server."""

import base64
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from perfrun.logic.plan.names import requested_run_name
from tests.cluster.handle import ApiServer
from tests.integration.documented import REPO
from tests.unit.examples.states import PERFRUNS, PERFTESTS, Case

GITOPS = REPO / "examples" / "gitops"
PATIENCE_S = 30.0
# perfrun as in a pod, whose files of the service account are in the folder that comes first.
IN_POD = """
import sys
from pathlib import Path
from kubernetes.config import incluster_config

folder = Path(sys.argv.pop(1))
incluster_config.SERVICE_TOKEN_FILENAME = str(folder / "token")
incluster_config.SERVICE_CERT_FILENAME = str(folder / "ca.crt")
from perfrun.cli.main import main

main()
"""
# Argo CD loads no more than these for a health check, unless it is told to.
SANDBOX = """
local source = io.read("*a")
local print_it = io.write
local env = {ipairs = ipairs, pairs = pairs, tostring = tostring, type = type, table = table}
env.obj = OBJECT
local health = assert(loadstring(source))
setfenv(health, env)
local found = health()
print_it(found.status, "\\n", found.message or "")
"""


def lua(value: object) -> str:
    """A value as Lua reads it."""
    match value:
        case dict():
            return "{" + ", ".join(f"[{lua(key)}] = {lua(one)}" for key, one in value.items()) + "}"
        case list():
            return "{" + ", ".join(lua(one) for one in value) + "}"
        case str():
            return json.dumps(value)
        case _:
            return str(value)


@pytest.mark.usefixtures("lua_tools")
@pytest.mark.parametrize(
    "case", [*PERFTESTS, *PERFRUNS], ids=lambda case: f"{case.body['kind']} {case.name}"
)
def test_argo_cd_blocks_on_what_gates_and_on_nothing_else(case: Case) -> None:
    patch = yaml.safe_load((GITOPS / "argocd-health.yaml").read_text())
    source = patch["data"][f"resource.customizations.health.perfrun.dev_{case.body['kind']}"]
    done = subprocess.run(
        ["lua5.1", "-e", SANDBOX.replace("OBJECT", lua(case.body))],
        input=source,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    status, _, message = done.stdout.partition("\n")
    assert status == case.health
    assert case.told in message


KSTATUS = {"Progressing": "InProgress", "Healthy": "Current", "Degraded": "Failed"}
# What has no conditions yet is current to kstatus: docs/how-to/gitops.md says so.
UNSEEN = {"just created", "without status"}


def test_kstatus_knows_what_gates_and_what_is_in_progress(kstatus: Path) -> None:
    cases = [case for case in (*PERFTESTS, *PERFRUNS) if case.name not in UNSEEN]
    lines = "\n".join(json.dumps(case.body) for case in cases)
    done = subprocess.run([kstatus], input=lines, capture_output=True, text=True, check=True)
    found = [line.partition("\t")[0] for line in done.stdout.splitlines()]
    assert dict(zip((case.name for case in cases), found, strict=True)) == {
        case.name: KSTATUS[case.health] for case in cases
    }


VERDICT = 'perfrun_verdict{namespace="shop",test="api",verdict="Fail"}'
LAST = 'perfrun_last_run_timestamp_seconds{namespace="shop",test="api"}'


def analysed(series: dict[str, str], expected: list[dict[str, Any]]) -> dict[str, Any]:
    """A test for promtool: at 20 minutes the query of the analysis gives just that."""
    template = list(yaml.safe_load_all((GITOPS / "argo-rollouts.yaml").read_text()))[1]
    query = template["spec"]["metrics"][0]["provider"]["prometheus"]["query"]
    for name, value in {"namespace": "shop", "test": "api", "seconds": "900"}.items():
        query = query.replace(f"{{{{args.{name}}}}}", value)
    return {
        "evaluation_interval": "1m",
        "tests": [
            {
                "interval": "1m",
                "input_series": [{"series": one, "values": it} for one, it in series.items()],
                "promql_expr_test": [{"expr": query, "eval_time": "20m", "exp_samples": expected}],
            }
        ],
    }


@pytest.mark.usefixtures("rule_tools")
@pytest.mark.parametrize(
    ("series", "expected"),
    [
        ({VERDICT: "0x30", LAST: "600x30"}, [{"value": 0}]),
        ({VERDICT: "1x30", LAST: "600x30"}, [{"value": 1}]),
        # Two operators, of which one has just taken over, are one verdict.
        ({VERDICT: "1x30", f'{VERDICT[:-1]},pod="b"}}': "1x30", LAST: "600x30"}, [{"value": 1}]),
        ({VERDICT: "1x30", LAST: "60x30"}, []),
        ({LAST: "600x30"}, []),
        ({}, []),
    ],
    ids=["fresh and fine", "fresh and failed", "two operators", "old", "no verdict", "nothing"],
)
def test_an_analysis_asks_prometheus_for_fresh_verdicts_only(
    tmp_path: Path, series: dict[str, str], expected: list[dict[str, Any]]
) -> None:
    (tmp_path / "test.yaml").write_text(yaml.safe_dump(analysed(series, expected)))
    done = subprocess.run(
        ["promtool", "test", "rules", "test.yaml"], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def namespace(perfrun_api: ApiServer) -> str:
    name = f"gitops-{time.monotonic_ns()}"
    perfrun_api.kubectl("create", "namespace", name)
    return name


def test_the_hook_of_a_run_is_taken_by_the_api_server(
    perfrun_api: ApiServer, namespace: str
) -> None:
    file = GITOPS / "argocd-postsync-perfrun.yaml"
    made = perfrun_api.kubectl("create", "-n", namespace, "-f", file, "-o", "name").stdout
    assert re.fullmatch(r"perfrun.perfrun.dev/shop-api-\w+\n", made)


def test_a_job_may_do_what_it_does_and_speaks_to_the_cluster_as_its_pod(
    perfrun_api: ApiServer, namespace: str, tmp_path: Path
) -> None:
    perfrun_api.kubectl("apply", "-n", namespace, "-f", GITOPS / "argocd-postsync-job.yaml")
    perfrun_api.kubectl(
        "apply", "-n", namespace, "-f", "-",
        input="apiVersion: perfrun.dev/v1alpha1\nkind: PerfTest\nmetadata: {name: shop-api}\n"
        "spec: {target: {http: {url: http://shop}}, load: {burst: {requests: 1, concurrency: 1}}}",
    )  # fmt: skip
    job = json.loads(
        perfrun_api.kubectl(
            "get", "job", "shop-api-after-sync", "-n", namespace, "-o", "json"
        ).stdout
    )
    command = job["spec"]["template"]["spec"]["containers"][0]["command"]
    assert command[0] == "perfrun"
    process = subprocess.Popen(
        [sys.executable, "-c", IN_POD, str(tmp_path), *command[1:]],
        env=as_pod(perfrun_api, namespace, tmp_path),
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    run = requested_run_name("shop-api", asked_for(perfrun_api, namespace))
    perfrun_api.kubectl(
        "create", "-n", namespace, "-f", "-",
        input=json.dumps({
            "apiVersion": "perfrun.dev/v1alpha1", "kind": "PerfRun", "metadata": {"name": run},
            "spec": {"testRef": {"name": "shop-api"}},
        }),
    )  # fmt: skip
    status = {"status": {"phase": "Done", "verdict": "Fail", "message": "1 of 1 objectives missed"}}
    perfrun_api.kubectl(
        "patch", "prun", run, "-n", namespace, "--subresource=status", "--type=merge",
        "-p", json.dumps(status),
    )  # fmt: skip
    out, _ = process.communicate(timeout=PATIENCE_S)
    assert (process.returncode, out.splitlines()[-1]) == (1, "Fail: 1 of 1 objectives missed"), out


def as_pod(server: ApiServer, namespace: str, folder: Path) -> dict[str, str]:
    """The environment of a pod of the example; its service account's files go into ``folder``."""
    token = server.kubectl("create", "token", "perfrun-trigger", "-n", namespace).stdout
    (folder / "token").write_text(token.strip())
    (folder / "namespace").write_text(namespace)
    admin = yaml.safe_load(server.kubeconfig.read_text())["clusters"][0]["cluster"]
    authority = admin.get("certificate-authority-data")
    (folder / "ca.crt").write_bytes(
        base64.b64decode(authority)
        if authority
        else Path(admin["certificate-authority"]).read_bytes()
    )
    address = urlsplit(admin["server"])
    return {
        **os.environ,
        "KUBECONFIG": str(folder / "none"),
        "KUBERNETES_SERVICE_HOST": str(address.hostname),
        "KUBERNETES_SERVICE_PORT": str(address.port),
    }


def asked_for(server: ApiServer, namespace: str) -> str:
    end = time.monotonic() + PATIENCE_S
    path = r"jsonpath={.metadata.annotations.perfrun\.dev/run-requested-at}"
    while not (
        asked := server.kubectl("get", "ptest", "shop-api", "-n", namespace, "-o", path).stdout
    ):
        assert time.monotonic() < end, "no run was asked for"
        time.sleep(0.1)
    return asked
