"""What an e2e test holds: a namespace with a real server in it, and perfrun in the cluster."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import yaml

from tests.cluster.handle import Cluster

Json = dict[str, Any]
T = TypeVar("T")

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
SYSTEM = "perfrun-system"
HOOK_NAMESPACE = "e2e-hook"
IMAGE = "localhost/perfrun:e2e"
TIMEOUT_S = 120


RESOURCES = {
    "configmaps": "/api/v1",
    "controllerrevisions": "/apis/apps/v1",
    "endpointslices": "/apis/discovery.k8s.io/v1",
    "events": "/apis/events.k8s.io/v1",
    "jobs": "/apis/batch/v1",
    "leases": "/apis/coordination.k8s.io/v1",
    "perfruns": "/apis/perfrun.dev/v1alpha1",
    "perftests": "/apis/perfrun.dev/v1alpha1",
    "pods": "/api/v1",
    "networkpolicies": "/apis/networking.k8s.io/v1",
    "services": "/api/v1",
}
"""What tests look at, and where the API server has it."""
KINDS_OF_A_TEST = ("perftests", "perfruns", "jobs", "controllerrevisions", "configmaps", "pods")


def until(what: str, look: Callable[[], T | None], timeout: float = TIMEOUT_S) -> T:
    """The first thing that ``look`` gives which is true; fails with ``what`` was awaited."""
    began = time.monotonic()
    while True:
        found = look()
        if found:
            return found
        waited = time.monotonic() - began
        assert waited < timeout, f"not within {timeout:.0f} s: {what}"
        # Who waits for long asks less often.
        time.sleep(min(0.1 + waited / 40, 0.5))


@dataclass
class Shop:
    """A namespace of its own with nginx as the target, and kubectl bound to it: what is looked at again
    and again is asked for without a process."""

    cluster: Cluster
    namespace: str

    def kubectl(self, *args: str | Path, input: str | None = None, check: bool = True) -> str:
        """What kubectl printed; stderr too where it need not succeed."""
        done = self.cluster.kubectl("-n", self.namespace, *args, input=input, check=check)
        return done.stdout if check else done.stdout + done.stderr

    def get(self, resource: str, name: str) -> Json:
        """An object."""
        return self.cluster.find(f"{self._path(resource)}/{name}")

    def items(self, *resources: str, labels: str = "", fields: str = "") -> list[Json]:
        """The objects of some resources, each with its kind."""
        found: list[Json] = []
        for resource in resources:
            asked = {"labelSelector": labels, "fieldSelector": fields}
            listed = self.cluster.find(self._path(resource), **asked)
            kind = listed["kind"].removesuffix("List")
            found += [{"kind": kind, **item} for item in listed["items"]]
        return found

    def _path(self, resource: str) -> str:
        return f"{RESOURCES[resource]}/namespaces/{self.namespace}/{resource}"

    def apply(self, manifest: str) -> None:
        """kubectl apply of a text."""
        self.kubectl("apply", "-f", "-", input=manifest)

    def apply_all_but_tests(self, path: Path) -> None:
        """kubectl apply of what an example has beside its tests: its Secrets, above all."""
        manifests = yaml.safe_load_all(path.read_text())
        self.apply(yaml.safe_dump_all(one for one in manifests if one["kind"] != "PerfTest"))

    def runs(self, test: str) -> list[Json]:
        """The runs of a test, oldest first."""
        runs = [run for run in self.items("perfruns") if run["spec"]["testRef"]["name"] == test]
        return sorted(runs, key=lambda run: str(run["metadata"]["creationTimestamp"]))

    def first_run(self, test: str) -> str:
        """The name of the first run of a test, once there is one."""
        return str(until(f"a run of {test}", lambda: self.runs(test))[0]["metadata"]["name"])

    def run(self, name: str) -> Json:
        """A run."""
        return self.get("perfruns", name)

    def phase(self, name: str) -> str:
        """The phase of a run, empty before it has one."""
        return str(self.run(name).get("status", {}).get("phase", ""))

    def done(self, name: str, timeout: float = TIMEOUT_S) -> Json:
        """A run, once it is complete."""
        return until(f"{name} is complete", lambda: self._complete(name), timeout)

    def _complete(self, name: str) -> Json | None:
        run = self.run(name)
        conditions = run.get("status", {}).get("conditions", [])
        told = {condition["type"]: condition["status"] for condition in conditions}
        return run if told.get("Complete") == "True" else None

    def log(self, labels: str = "app=shop") -> str:
        """What the containers of some pods have printed, without what is going away."""
        pods = [pod["metadata"] for pod in self.items("pods", labels=labels)]
        names = [pod["name"] for pod in pods if "deletionTimestamp" not in pod]
        return "".join(self.cluster.look(f"{self._path('pods')}/{name}/log") for name in names)

    def served(self, test: str) -> int:
        """How many requests of a test the server itself has counted, by its access log."""
        agent = f'{self.namespace}/{test}"'
        return sum(line.endswith(agent) for line in self.log().splitlines())

    def served_to(self, test: str, addresses: Iterable[str]) -> int:
        """How many of them came from some pods, by their addresses."""
        agent = f'{self.namespace}/{test}"'
        lines, wanted = self.log().splitlines(), set(addresses)
        return sum(line.endswith(agent) and line.partition(" ")[0] in wanted for line in lines)

    def served_in_the_end(self, test: str, expected: int) -> int:
        """The same, once its buffered log has caught up with what is expected, if it does."""
        deadline = time.monotonic() + 5
        while (count := self.served(test)) < expected and time.monotonic() < deadline:
            time.sleep(0.2)
        return count

    def leftovers(self) -> list[str]:
        """The names of everything of perfrun's in the namespace, pods included."""
        return [
            f"{item['kind']}/{item['metadata']['name']}"
            for item in self.items(*KINDS_OF_A_TEST)
            if item["kind"].startswith("Perf")
            or "perfrun.dev/test" in item["metadata"].get("labels", {})
        ]


def attempts(run: Json) -> int:
    """All requests that a run says the server must have counted."""
    counted: dict[str, int] = run["status"]["summary"]["attempts"]
    return sum(counted.values())
