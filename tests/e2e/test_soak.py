"""Many runs in a row: the operator's memory, its watches and what lies in the cluster stay flat.

By default a slice is run; ``--campaign FILE`` runs two hundred.
"""

import re
from dataclasses import asdict, dataclass
from pathlib import Path

import pytest

from tests.campaign import Campaign
from tests.e2e.faults.stage import leader, operator_pid
from tests.e2e.shop import Shop, until

pytestmark = pytest.mark.disturbs

SLICE, WHOLE = (5, 4), (8, 25)
"""Tests, and rounds of one run of each."""
KEPT = 2
MANIFEST = """
apiVersion: v1
kind: Service
metadata: {name: shop-N}
spec:
  selector: {app: shop}
  ports: [{port: 8000, targetPort: 8080}]
---
apiVersion: perfrun.dev/v1alpha1
kind: PerfTest
metadata: {name: soak-N}
spec:
  runOn: []
  historyLimits: {passed: KEPT, other: KEPT}
  target: {http: {url: "http://shop-N:8000/api/v1/health"}}
  load: {burst: {requests: 20, concurrency: 2}}
  slos: [{metric: successRate, min: 100%}]
"""


@dataclass(frozen=True)
class Level:
    """What must not grow."""

    memory: float
    """MiB resident of the operator."""
    watches: int
    """Of our kinds, at the API server."""
    objects: int
    """Of perfrun's in the namespace."""


def _level(shop: Shop, pid: int) -> Level:
    status = Path(f"/proc/{pid}/status").read_text()
    found = re.search(r"VmRSS:\s+(\d+) kB", status)
    assert found is not None
    return Level(int(found[1]) / 1024, _watches(shop), len(shop.leftovers()))


def _watches(shop: Shop) -> int:
    metrics = shop.cluster.kubectl("get", "--raw=/metrics").stdout
    lines = [
        line
        for line in metrics.splitlines()
        if line.startswith("apiserver_longrunning_requests{")
        and 'verb="WATCH"' in line
        and re.search(r'resource="perf(tests|runs|policies)"', line)
    ]
    return sum(round(float(line.rpartition(" ")[2])) for line in lines)


def _floor(levels: list[Level]) -> Level:
    return Level(
        memory=min(level.memory for level in levels),
        watches=min(level.watches for level in levels),
        objects=min(level.objects for level in levels),
    )


def _round(shop: Shop, number: int, tests: int) -> None:
    names = [f"soak-{n}" for n in range(tests)]
    asked = f"perfrun.dev/run-requested-at=round-{number}"
    shop.kubectl("annotate", "ptest", *names, asked, "--overwrite")

    def over() -> bool:
        found = shop.items("perftests")
        statuses = {test["metadata"]["name"]: test.get("status", {}) for test in found}
        return all(
            statuses[name].get("lastRequest") == f"round-{number}"
            and not statuses[name].get("active")
            for name in names
        )

    until(f"round {number} is over", over, timeout=180)
    verdicts = {run["status"].get("verdict") for run in shop.items("perfruns")}
    assert verdicts == {"Pass"}, verdicts


def test_memory_watches_and_objects_are_flat(shop: Shop, campaign: Campaign) -> None:
    tests, rounds = WHOLE if campaign.whole else SLICE
    text = "---".join(MANIFEST.replace("-N", f"-{n}") for n in range(tests))
    shop.apply(text.replace("KEPT", str(KEPT)))
    pid = operator_pid(leader(shop))
    levels = []
    for number in range(rounds):
        _round(shop, number, tests)
        levels.append(_level(shop, pid))
        print(f"after {(number + 1) * tests} runs: {levels[-1]}")
    # The first round fills caches and the history. Memory goes up and down with the garbage of the
    # last minute, by some 10 MiB: what grows is what the lowest levels of two halves tell apart.
    half = len(levels) // 2
    settled, last = _floor(levels[1:half]), _floor(levels[half:])
    campaign.add(
        "soak",
        runs=rounds * tests,
        first=asdict(levels[0]),
        last=asdict(levels[-1]),
        low=[settled.memory, last.memory],
    )
    assert operator_pid(leader(shop)) == pid, "the operator was restarted meanwhile"
    # One at least of each of our three kinds: else the count would say nothing.
    assert 3 <= last.watches <= settled.watches
    assert last.objects <= settled.objects + tests
    assert last.memory <= settled.memory * 1.05 + 2
