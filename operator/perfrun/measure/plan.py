"""The plan that every worker of a run gets. It is the same for all; shares follow from
the index.
"""

from typing import Literal

from perfrun import __version__
from perfrun.api.test.feed import Feed
from perfrun.api.test.load import Load
from perfrun.api.test.observe import Observed
from perfrun.api.test.scenario import Scenario, Step
from perfrun.api.test.target import Target
from perfrun.measure.wire import Wire

SETUP_DATA = "setup"
"""The value under which the data of a script's setup travels from worker 0 to the others."""


class NetworkRule(Wire):
    """The addresses that one policy allows a worker to connect to."""

    policy: str
    hosts: list[str] | None = None
    """Patterns of names, in their normal form; None: any."""
    allow: list[str] | None = None
    """CIDRs; None: any address."""
    deny: list[str] = []


class RunPlan(Wire):
    """What to measure. A worker's share is a pure function of this and of its index."""

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
    script_hash: str | None = None
    """SHA-256 of the files of a script, which each worker has to have; None: not known."""
    observe: list[Observed] = []
    network: list[NetworkRule] = []
    """Each of them has to allow a connection."""

    @property
    def has_setup(self) -> bool:
        """Whether worker 0 does something once before the load. Only its tool knows whether a
        script has a setup."""
        return bool(self.setup) or self.target.script is not None

    @property
    def names_of_setup(self) -> frozenset[str]:
        """The values that the setup may extract."""
        if self.target.script is not None:
            return frozenset({SETUP_DATA})
        return frozenset(name for step in self.setup for name in step.extract)

    @property
    def cleaner(self) -> int:
        """The index of the worker that only runs the teardown if worker 0 was lost."""
        return self.load.workers

    @property
    def user_agent(self) -> str:
        """The name of the sender in requests, so that the target's owner can find it."""
        return f"perfrun/{__version__} {self.namespace}/{self.test}"
