"""A run in progress on the real cluster, for a fault to be put in its way."""

from collections.abc import Callable
from dataclasses import dataclass, field

from tests.cluster.cluster import up
from tests.cluster.processes import Processes, Record
from tests.cluster.settings import recorded
from tests.e2e.processes import SELECTOR, pid_in_pod
from tests.e2e.shop import KINDS_OF_A_TEST, SYSTEM, Json, Shop, until

RATE, SECONDS, WORKERS = 20, 12, 2
PLANNED = RATE * SECONDS
# Answers take four seconds: reports come that much after the load's end, in the phase Collecting.
LOAD = f"""
apiVersion: perfrun.dev/v1alpha1
kind: PerfTest
metadata: {{name: NAME}}
spec:
  target: {{http: {{url: "http://shop:8000/slow"}}}}
  load: {{workers: {WORKERS}, open: {{rate: {RATE}/s, duration: {SECONDS}s}}}}
  slos:
  - {{metric: successRate, min: 100%}}
"""


@dataclass
class Stage:
    """One test, its run, and what is known of both from before the fault."""

    shop: Shop
    test: str
    run: str = ""
    undo: list[Callable[[], None]] = field(default_factory=list)
    """What brings the cluster back, last thing first."""
    addresses: set[str] = field(default_factory=set)
    """Of its workers' pods, where the load had begun."""
    lost: set[str] = field(default_factory=set)
    """Those of workers that can report nothing any more."""

    @property
    def holder(self) -> str:
        """The test that has the target while the run is Queued."""
        return f"{self.test}-holder"

    def begin(self, phase: str) -> None:
        """Apply the test and wait until its run is in ``phase`` (a name of a run's phase)."""
        if phase == "Queued":
            self.shop.apply(LOAD.replace("NAME", self.holder))
            first = self.shop.first_run(self.holder)
            until(f"{first} has the target", lambda: self.shop.phase(first) == "Starting")
        self.shop.apply(LOAD.replace("NAME", self.test))
        self.run = self.shop.first_run(self.test)
        until(f"{self.run} is {phase}", lambda: self._is_in(phase), timeout=90)
        if phase == "Running":
            # Not at its first instant: a third of the load is out, and a part of it is answered.
            until("the server has answered", lambda: self.shop.served(self.test), timeout=30)
            assert self.shop.phase(self.run) == phase
        if phase in ("Running", "Collecting"):
            self.addresses = {pod["status"]["podIP"] for pod in self.pods()}

    def end(self) -> None:
        """Delete what was applied."""
        self.shop.kubectl(
            "delete", "ptest", self.test, self.holder, "--ignore-not-found", "--wait=false"
        )

    def _is_in(self, phase: str) -> bool:
        now = self.shop.phase(self.run)
        assert now != "Done" or phase == "Done", f"{self.run} was done before it was {phase}"
        # The workers, too: before them there is nobody to kill.
        return now == phase and (phase != "Starting" or bool(self.pods()))

    def pods(self) -> list[Json]:
        """The workers' pods that the kubelet has started."""
        found = self.shop.items("pods", labels=f"perfrun.dev/run={self.run}")
        return [pod for pod in found if pod["status"].get("containerStatuses")]

    def job(self) -> str:
        """The name of the run's Job."""
        return self.shop.kubectl("get", "jobs", "-l", f"perfrun.dev/run={self.run}", "-o", "name")

    def restore(self) -> None:
        """Bring the cluster back, also where the fault failed half-way."""
        while self.undo:
            self.undo.pop()()

    def is_gone(self) -> bool:
        """Whether nothing is left of the test and all that was made for it."""
        return not any(_is_of(item, self.test) for item in self.shop.items(*KINDS_OF_A_TEST))

    def leftovers(self) -> list[str]:
        """What is there of the run that a finished one does not need."""
        mine = f"perfrun.dev/run={self.run}"
        return [
            f"{item['kind']}/{item['metadata']['name']}"
            for item in self.shop.items("jobs", "pods", "configmaps", labels=mine)
            if item["metadata"]["labels"].get("perfrun.dev/content") != "result"
        ]


def _is_of(item: Json, test: str) -> bool:
    match item["kind"]:
        case "PerfTest":
            return bool(item["metadata"]["name"] == test)
        case "PerfRun":
            return bool(item["spec"]["testRef"]["name"] == test)
    return bool(item["metadata"].get("labels", {}).get("perfrun.dev/test") == test)


def part(name: str) -> Record:
    """The process of a part of the embedded cluster (``apiserver``, ``kubelet``, ...)."""
    made_with = recorded()
    assert made_with is not None, "faults need the embedded cluster"
    record = Processes(made_with.state).record(name)
    assert record is not None, f"the embedded cluster has no {name}"
    return record


def repair() -> None:
    """Start again what has ended of the embedded cluster."""
    up()


def operators(shop: Shop) -> list[Json]:
    """The operator's pods that run and are not going away."""
    cluster = shop.cluster
    held = Shop(cluster, SYSTEM)
    found = held.items("pods", labels=SELECTOR, fields="status.phase=Running")
    return [pod for pod in found if not pod["metadata"].get("deletionTimestamp")]


def leader(shop: Shop) -> Json:
    """The pod of the operator that acts."""

    def look() -> Json | None:
        lease = Shop(shop.cluster, SYSTEM).get("leases", "perfrun")
        holder = lease["spec"].get("holderIdentity", "").partition("_")[0]
        return next((p for p in operators(shop) if p["metadata"]["name"] == holder), None)

    return until("an operator leads", look)


def operator_pid(pod: Json) -> int:
    """The process of an operator in its pod."""
    uid = pod["metadata"]["uid"]
    return until("the operator's process", lambda: pid_in_pod(uid, b"perfrun.controller"))


def scale(shop: Shop, replicas: int) -> None:
    """Have so many operators, all ready."""
    held = Shop(shop.cluster, SYSTEM)
    if len(operators(shop)) != replicas:
        held.kubectl("scale", "deploy/perfrun", f"--replicas={replicas}")
    held.kubectl("rollout", "status", "deploy/perfrun", "--timeout=120s")
    until(f"{replicas} operators run", lambda: len(operators(shop)) == replicas)
