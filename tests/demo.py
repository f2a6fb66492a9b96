"""``make demo``: the main job from end to end, on a real cluster, telling what it does.

On the embedded cluster, or on the one of KUBECONFIG. Ends with the status of the PerfTest and the
PerfRun, the percentiles, and what to try next.
"""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web
from rich.console import Console

from perfrun.api.run.perfrun import PerfRun, Verdict
from perfrun.report.console import print_run
from tests.cluster import cluster, costs, settings
from tests.cluster.errors import ClusterError, Unsupported
from tests.cluster.handle import Cluster
from tests.cluster.progress import say

ROOT = Path(__file__).parents[1]
SYSTEM = "perfrun-system"
NAMESPACE = "perfrun-demo"
TEST = "varied-endpoints"
EXAMPLE = ROOT / "examples" / f"{TEST}.yaml"
PUBLIC_TARGET = "docker.io/nginxinc/nginx-unprivileged:1.28"
WAIT_S = 180

BRING_AN_IMAGE = """\
KUBECONFIG is set, so the demo uses that cluster, and its nodes need the image of perfrun.
Build it, bring it there, and name it; with kind, say:
  docker build -t localhost/perfrun:dev . && kind load docker-image localhost/perfrun:dev
  PERFRUN_IMAGE=localhost/perfrun:dev make demo
minikube: `minikube image load localhost/perfrun:dev`; others: push it to a registry that they reach.
Unset KUBECONFIG for the embedded cluster (root on Debian)."""


@dataclass
class Demo:
    """Where the demo runs: tools, their environment, and the images."""

    env: Mapping[str, str]
    image: str
    target: str
    console: Console = field(default_factory=Console)

    def say(self, text: str) -> None:
        """One line about what comes next."""
        self.console.print(f"[bold]==>[/bold] {text}", highlight=False, soft_wrap=True)

    def run(self, *command: str, input: str | None = None, quiet: bool = False) -> str:
        """Show a command, run it, and give what it printed. Raises ClusterError."""
        if not quiet:
            self.console.print(
                f"    $ {' '.join(command)}", style="dim", highlight=False, soft_wrap=True
            )
        done = subprocess.run(
            command,
            input=input,
            env=dict(self.env),
            text=True,
            capture_output=True,
            check=False,
            stdin=subprocess.DEVNULL if input is None else None,
            cwd=ROOT,
        )
        if done.returncode:
            said = (done.stderr or done.stdout).strip()
            raise ClusterError(f"{' '.join(command)} exited {done.returncode}: {said}")
        return done.stdout

    def kubectl(self, *args: str, input: str | None = None, quiet: bool = False) -> str:
        """kubectl in the demo's namespace."""
        return self.run("kubectl", "-n", NAMESPACE, *args, input=input, quiet=quiet)

    def objects(self, *args: str) -> dict[str, Any]:
        """What kubectl gets, as JSON."""
        found: dict[str, Any] = json.loads(self.kubectl("get", *args, "-o", "json", quiet=True))
        return found


def is_embedded() -> bool:
    """Whether it is the embedded cluster that is meant, as it is also by its own KUBECONFIG."""
    named = os.environ.get("KUBECONFIG")
    made_with = settings.recorded()
    return not named or (made_with is not None and Path(named) == made_with.kubeconfig)


def embedded() -> Demo:
    """The embedded cluster, started where it is not up, with the image of this checkout."""
    cluster.check_machine()
    if lacking := cluster.to_build():
        first_result(Console())
        minutes = costs.words(costs.expected(lacking))
        say(f"next, the same in a cluster; to build once, in about {minutes}: {', '.join(lacking)}")
    running: Cluster = cluster.up()
    image = running.build_image("localhost/perfrun:dev", ROOT)
    return Demo(running.env(), image, running.target_image)


def first_result(console: Console) -> None:
    """Run the same test on this machine, against a small server of its own."""
    argv = [sys.executable, "-m", "tests.demo", "serve"]
    with subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            url = server.stdout.readline().strip()
            command = ["perfrun", "run", str(EXAMPLE.relative_to(ROOT)), "--url", url]
            console.print(
                "[bold]==>[/bold] a first result without Kubernetes: the demo's test, run on this "
                f"machine against a small server\n    [dim]$ {' '.join(command)}[/dim]",
                highlight=False,
                soft_wrap=True,
            )
            subprocess.run([Path(sys.executable).with_name("perfrun"), *command[1:]], cwd=ROOT)
        finally:
            server.terminate()


def serve() -> int:
    """Be the service of the example until SIGTERM; prints its URL."""

    async def answer(request: web.Request) -> web.Response:
        made = request.method == "POST"
        return web.json_response({"created" if made else "ok": True}, status=201 if made else 200)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        print(f"http://127.0.0.1:{listening.getsockname()[1]}", flush=True)
        web.run_app(app, sock=listening, print=None)
    return 0


def existing() -> Demo:
    """The cluster of KUBECONFIG. Raises Unsupported where a tool is missing."""
    if missing := [tool for tool in ("kubectl", "helm") if shutil.which(tool) is None]:
        raise Unsupported(f"{' and '.join(missing)} not found: install it, or unset KUBECONFIG")
    image = os.environ.get("PERFRUN_IMAGE", "")
    return Demo(dict(os.environ), image, os.environ.get("PERFRUN_TARGET_IMAGE", PUBLIC_TARGET))


def up() -> int:
    """Run the whole demo. The exit code is 0 if the run passed or was inconclusive."""
    demo = embedded() if is_embedded() else existing()
    if not demo.image:
        raise Unsupported(BRING_AN_IMAGE)
    demo.say("installing perfrun with its chart")
    demo.run(*_install(demo))
    # The image has the same name each time: what runs may be an older one.
    demo.run("kubectl", "-n", SYSTEM, "rollout", "restart", "deploy/perfrun", quiet=True)
    demo.run(
        "kubectl", "-n", SYSTEM, "rollout", "status", "deploy/perfrun", "--timeout=120s", quiet=True
    )

    demo.say(f"deploying a service to test: nginx as `shop` in namespace {NAMESPACE}")
    demo.run("kubectl", "apply", "-f", "-", input=_namespace(), quiet=True)
    demo.kubectl("apply", "-f", "-", input=_target(demo.target), quiet=True)
    demo.kubectl("rollout", "status", "deploy/shop", "--timeout=120s", quiet=True)

    demo.say(f"applying a performance test: {EXAMPLE.relative_to(ROOT)}")
    before = {run["metadata"]["name"] for run in _runs(demo)}
    demo.kubectl("apply", "-f", str(EXAMPLE.relative_to(ROOT)))
    if before:  # applied again without a change, it would not run
        demo.kubectl(
            "annotate",
            "--overwrite",
            "ptest",
            TEST,
            f"perfrun.dev/run-requested-at={time.time_ns()}",
        )
    done = _follow(demo, before)

    demo.say("the results, as the resources show them")
    for what in ("ptest", "prun"):
        print(demo.kubectl("get", what), end="")
    run = PerfRun.parse(done)
    print_run(run, demo.console)
    _what_next(demo, run)
    if run.status.verdict is Verdict.INCONCLUSIVE:
        demo.say("perfrun works, but this machine was too busy for a clear verdict")
    return 0 if run.status.verdict in (Verdict.PASS, Verdict.INCONCLUSIVE) else 1


def down() -> int:
    """Remove what the demo has created."""
    demo = _running() if is_embedded() else existing()
    demo.run("kubectl", "delete", "namespace", NAMESPACE, "--ignore-not-found")
    demo.run("helm", "uninstall", "perfrun", "-n", SYSTEM, "--ignore-not-found", "--wait")
    demo.say(
        f"removed; the CRDs, PerfPolicy perfrun-default and namespace {SYSTEM} stay, as of any "
        "release: docs/how-to/install.md says how to delete them"
    )
    return 0


def _running() -> Demo:
    running = cluster.running()
    return Demo(running.env(), "", "")


def _install(demo: Demo) -> Sequence[str]:
    name, _, tag = demo.image.rpartition(":")
    values = {
        "image.registry": "",
        "image.repository": name,
        "image.tag": tag,
        "worker.cpu": "100m",
        "metrics.access": "open",
    }
    sets = [word for key, value in values.items() for word in ("--set", f"{key}={value}")]
    return (
        "helm",
        "upgrade",
        "--install",
        "perfrun",
        "charts/perfrun",
        "-n",
        SYSTEM,
        "--create-namespace",
        "--wait",
        "--timeout=180s",
        *sets,
    )


def _namespace() -> str:
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {"name": NAMESPACE, "labels": labels},
        }
    )


def _target(image: str) -> str:
    """The sample target; the embedded cluster's own nginx image where that is used."""
    return (
        (ROOT / "deploy/samples/shop.yaml")
        .read_text()
        .replace("nginxinc/nginx-unprivileged:1.28", image.removeprefix("docker.io/"))
    )


def _runs(demo: Demo) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = demo.objects("prun")["items"]
    return [run for run in items if run["spec"]["testRef"]["name"] == TEST]


def _follow(demo: Demo, before: set[str]) -> dict[str, Any]:
    """Show how the new run goes until it is done. Raises ClusterError when it takes too long."""
    deadline, last = time.monotonic() + WAIT_S, ""
    while time.monotonic() < deadline:
        fresh = [run for run in _runs(demo) if run["metadata"]["name"] not in before]
        for run in fresh[-1:]:
            status = run.get("status", {})
            line = f"{run['metadata']['name']}: {status.get('phase', 'new')}"
            if status.get("progress"):
                line += f", {status['progress']}"
            if line != last:
                demo.console.print(f"    {line}", highlight=False, soft_wrap=True)
                last = line
            if status.get("phase") == "Done":
                return run
        time.sleep(0.5)
    raise ClusterError(f"no run was done within {WAIT_S} s: kubectl -n {NAMESPACE} describe prun")


# The demo has metrics.access=open, so that the API server's proxy, which passes no token on, reads it.
METRICS = f"/api/v1/namespaces/{SYSTEM}/services/perfrun-operators:8444/proxy/metrics"
NEXT = """\
  kubectl -n {ns} get prun {run} -o yaml    # the whole status
  kubectl -n {ns} apply -f examples/scheduled.yaml    # a run every minute
  kubectl -n {ns} edit ptest {test}    # change the rate, and it runs again
  kubectl -n {ns} annotate ptest {test} --overwrite \\
    perfrun.dev/run-requested-at="$(date -Is)"    # run it once more
  kubectl get --raw {metrics} | grep ^perfrun_
  .venv/bin/perfrun watch -n {ns}    # also trigger, logs, report, compare
  make demo-down    # remove what the demo has made"""


def _what_next(demo: Demo, run: PerfRun) -> None:
    demo.say("what to try next")
    if is_embedded():
        print('  eval "$(python3 -m tests.cluster env)"    # kubectl and helm for this shell')
    print(NEXT.format(ns=NAMESPACE, run=run.metadata.name, test=TEST, metrics=METRICS))


def main(arguments: Sequence[str]) -> int:
    """``up``, ``down`` or ``serve``; 2 where this machine cannot do it."""
    try:
        if "serve" in arguments:
            return serve()
        return down() if "down" in arguments else up()
    except Unsupported as error:
        print(error, file=sys.stderr)
        return 2
    except ClusterError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted; make demo-down removes what was made", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
