"""The plan: what every worker of a run is told. One text for all; shares follow from the index."""

from typing import Literal

from perfrun import __version__
from perfrun.api.test.feed import Feed
from perfrun.api.test.load import Load
from perfrun.api.test.observe import Observed
from perfrun.api.test.scenario import Scenario, Step
from perfrun.api.test.target import Target
from perfrun.measure.wire import Wire


class NetworkRule(Wire):
    """What one policy lets a worker connect to."""

    policy: str
    hosts: list[str] | None = None
    """Patterns of names, in their normal form; None: any."""
    allow: list[str] | None = None
    """CIDRs; None: any address."""
    deny: list[str] = []


class RunPlan(Wire):
    """What is to be measured. A worker's share is a pure function of this and of its index."""

    version: Literal[1] = 1
    uid: str
    """The uid of the PerfRun (a random one for ``perfrun run``)."""
    namespace: str
    test: str
    run: str
    seed: int
    target: Target
    variables: dict[str, str] = {}
    feeds: list[Feed] = []
    setup: list[Step] = []
    teardown: list[Step] = []
    scenarios: list[Scenario]
    load: Load
    observe: list[Observed] = []
    network: list[NetworkRule] = []
    """Each of them has to allow what is connected to."""

    @property
    def cleaner(self) -> int:
        """The index of the worker that only runs the teardown, where worker 0 was lost."""
        return self.load.workers

    @property
    def user_agent(self) -> str:
        """How requests name their sender, so that the target's owner can find it."""
        return f"perfrun/{__version__} {self.namespace}/{self.test}"
