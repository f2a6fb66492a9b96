"""Each fault in each phase: the run comes to its end, and nothing is lost, doubled or left behind.

By default a slice is run; ``make campaign`` runs all, and writes docs/explanation/reliability.md.
"""

import time
from collections.abc import Iterator

import pytest

from tests.campaign import Campaign
from tests.e2e.conftest import open_shop
from tests.e2e.faults.faults import FAULTS, GONE, SUPERSEDED, WHOLE, Fault
from tests.e2e.faults.outcomes import Outcome
from tests.e2e.faults.stage import PLANNED, WORKERS, Stage, scale
from tests.e2e.shop import Json, Shop, attempts, until

pytestmark = pytest.mark.disturbs

# Of each kind one: a process, the node, the store, a release, a second replica. That the operator
# is killed while a run is Running and Collecting, and that a worker is, tests/e2e/test_kill.py does.
SLICE = {
    "operator-killed": ("Starting",),
    "kubelet-killed": ("Running",),
    "store-compacted": ("Collecting",),
    "operator-upgraded": ("Running",),
    "leader-frozen": ("Running",),
}


def _cells(config: pytest.Config) -> Iterator[object]:
    whole = config.getoption("--campaign") is not None
    # Sorted, so that operators are added and taken away once.
    for fault in sorted(FAULTS, key=lambda fault: fault.replicas):
        for phase in fault.outcomes:
            if whole or phase in SLICE.get(fault.name, ()):
                yield pytest.param(fault, phase, id=f"{fault.name}-{phase.lower()}")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "fault" in metafunc.fixturenames:
        metafunc.parametrize(("fault", "phase"), list(_cells(metafunc.config)))


@pytest.fixture
def stage(shop: Shop, fault: Fault, phase: str) -> Iterator[Stage]:
    scale(shop, fault.replicas)
    name = f"{fault.name}-{phase.lower()}"
    if fault.own_namespace:
        with open_shop(shop.cluster, f"e2e-{name}") as own:
            stage = Stage(own, name)
            yield stage
            stage.restore()
        return
    stage = Stage(shop, name)
    yield stage
    stage.restore()
    stage.end()


@pytest.fixture(scope="module", autouse=True)
def one_operator(shop: Shop) -> Iterator[None]:
    yield
    scale(shop, 1)


def test_fault(stage: Stage, fault: Fault, phase: str, campaign: Campaign) -> None:
    stage.begin(phase)
    fault.do(stage)
    struck = time.monotonic()
    expected = fault.outcomes[phase]
    if expected == GONE:
        until("nothing is left", stage.is_gone, fault.seconds)
        Outcome(fault.title, phase, "nothing is left", "", time.monotonic() - struck).keep(campaign)
        return
    status = stage.shop.done(stage.run, round(fault.seconds))["status"]
    took = time.monotonic() - struck
    Outcome(fault.title, phase, _said(status), status["message"], took).keep(campaign)
    if expected == WHOLE:
        _every_sample(stage, status)
    elif expected == SUPERSEDED:
        _the_newer_one_ran(stage, status)
    else:
        assert status["verdict"] == expected, status["message"]
        _told(status)
        _what_was_reported(stage, status)
    _laws(status)
    until("what it needed is gone", lambda: not stage.leftovers(), 60)


def _said(status: Json) -> str:
    reported = status.get("workers", {}).get("reported", 0)
    sent = status.get("summary", {}).get("requests", {}).get("sent")
    samples = f", {sent} of {PLANNED} requests" if sent is not None else ""
    return f"{status['verdict']}, {reported} of {WORKERS} workers{samples}"


def _every_sample(stage: Stage, status: Json) -> None:
    assert status["verdict"] == "Pass", status["message"]
    assert status["workers"] == {"planned": WORKERS, "ready": WORKERS, "reported": WORKERS}
    summary = status["summary"]
    assert summary["iterations"] == {"planned": PLANNED, "started": PLANNED, "dropped": 0}
    assert summary["requests"]["succeeded"] == PLANNED
    assert attempts({"status": status}) == PLANNED
    assert stage.shop.served_in_the_end(stage.test, PLANNED) == PLANNED


def _what_was_reported(stage: Stage, status: Json) -> None:
    """Of the workers that reported, what the server has counted of them: nothing more or less."""
    if status.get("summary") is None:
        # No load had begun.
        assert stage.shop.served(stage.test) == 0
        return
    spoke = stage.addresses - stage.lost
    assert (len(stage.addresses), status["workers"]["reported"]) == (WORKERS, len(spoke))
    said = attempts({"status": status})
    deadline = time.monotonic() + 5
    while (counted := stage.shop.served_to(stage.test, spoke)) != said:
        assert time.monotonic() < deadline, f"the server has counted {counted}, the run {said}"


def _the_newer_one_ran(stage: Stage, status: Json) -> None:
    """The edited load is five requests a second for two seconds."""
    newer = str(stage.shop.runs(stage.test)[-1]["metadata"]["name"])
    assert f"superseded by {newer}" in status["message"]
    run = stage.shop.done(newer)
    assert (run["status"]["verdict"], attempts(run)) == ("Pass", 10), run["status"]["message"]
    assert stage.shop.served_in_the_end(stage.test, 10) == 10


def _laws(status: Json) -> None:
    if (summary := status.get("summary")) is None:
        return
    iterations, requests = summary["iterations"], summary["requests"]
    assert iterations["planned"] == iterations["started"] + iterations["dropped"]
    ended = requests["succeeded"] + requests["failed"] + requests["censored"]
    assert requests["sent"] == ended


def _told(status: Json) -> None:
    """A run that is no Pass says why, and not only that."""
    assert len(status["message"]) > 20
    complete = next(c for c in status["conditions"] if c["type"] == "Complete")
    assert complete["status"] == "True"
