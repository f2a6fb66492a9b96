"""What an e2e test holds: a namespace with a real server in it, and perfrun in the cluster."""

import json
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


def until(what: str, look: Callable[[], T | None], timeout: float = TIMEOUT_S) -> T:
    """The first thing that ``look`` gives which is true; fails with ``what`` was awaited."""
    began = time.monotonic()
    while True:
        found = look()
        if found:
            return found
        waited = time.monotonic() - began
        assert waited < timeout, f"not within {timeout:.0f} s: {what}"
        # Each look is a process of kubectl: who waits for long asks less often.
        time.sleep(min(0.25 + waited / 40, 0.6))


@dataclass
class Shop:
    """A namespace of its own with nginx as the target, and kubectl bound to it."""

    cluster: Cluster
    namespace: str

    def kubectl(self, *args: str | Path, input: str | None = None, check: bool = True) -> str:
        """What kubectl printed; stderr too where it need not succeed."""
        done = self.cluster.kubectl("-n", self.namespace, *args, input=input, check=check)
        return done.stdout if check else done.stdout + done.stderr

    def get(self, *args: str) -> Json:
        """An object, or a list, as JSON."""
        found: Json = json.loads(self.kubectl("get", *args, "-o", "json"))
        return found

    def items(self, *args: str) -> list[Json]:
        """The objects of a list."""
        items: list[Json] = self.get(*args)["items"]
        return items

    def apply(self, manifest: str) -> None:
        """kubectl apply of a text."""
        self.kubectl("apply", "-f", "-", input=manifest)

    def apply_all_but_tests(self, path: Path) -> None:
        """kubectl apply of what an example has beside its tests: its Secrets, above all."""
        manifests = yaml.safe_load_all(path.read_text())
        self.apply(yaml.safe_dump_all(one for one in manifests if one["kind"] != "PerfTest"))

    def runs(self, test: str) -> list[Json]:
        """The runs of a test, oldest first."""
        runs = self.items("prun", "--sort-by=.metadata.creationTimestamp")
        return [run for run in runs if run["spec"]["testRef"]["name"] == test]

    def first_run(self, test: str) -> str:
        """The name of the first run of a test, once there is one."""
        return str(until(f"a run of {test}", lambda: self.runs(test))[0]["metadata"]["name"])

    def run(self, name: str) -> Json:
        """A run."""
        return self.get("prun", name)

    def phase(self, name: str) -> str:
        """The phase of a run, empty before it has one."""
        return str(self.run(name).get("status", {}).get("phase", ""))

    def done(self, name: str, timeout: int = TIMEOUT_S) -> Json:
        """A run, once kubectl says that it is complete."""
        self.kubectl("wait", "--for=condition=Complete", f"prun/{name}", f"--timeout={timeout}s")
        return self.run(name)

    def served(self, test: str) -> int:
        """How many requests of a test the server itself has counted, by its access log."""
        agent = f'{self.namespace}/{test}"'
        log = self.kubectl("logs", "deploy/shop", "--tail=-1")
        return sum(line.endswith(agent) for line in log.splitlines())

    def served_to(self, test: str, addresses: Iterable[str]) -> int:
        """How many of them came from some pods, by their addresses."""
        agent = f'{self.namespace}/{test}"'
        log = self.kubectl("logs", "deploy/shop", "--tail=-1")
        wanted = set(addresses)
        return sum(
            line.endswith(agent) and line.partition(" ")[0] in wanted for line in log.splitlines()
        )

    def served_in_the_end(self, test: str, expected: int) -> int:
        """The same, once its buffered log has caught up with what is expected, if it does."""
        deadline = time.monotonic() + 5
        while (count := self.served(test)) < expected and time.monotonic() < deadline:
            time.sleep(0.2)
        return count

    def leftovers(self) -> list[str]:
        """The names of everything of perfrun's in the namespace, pods included."""
        kinds = "ptest,prun,jobs,controllerrevisions,configmaps,pods"
        items = self.items(kinds)
        return [
            f"{item['kind']}/{item['metadata']['name']}"
            for item in items
            if item["kind"].startswith("Perf")
            or "perfrun.dev/test" in item["metadata"].get("labels", {})
        ]


def attempts(run: Json) -> int:
    """All requests that a run says the server must have counted."""
    counted: dict[str, int] = run["status"]["summary"]["attempts"]
    return sum(counted.values())
