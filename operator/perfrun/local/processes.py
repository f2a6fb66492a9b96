"""Processes of this machine in place of workloads: ``perfrun run --observe NAME=PID``."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from time import monotonic_ns

from perfrun.api.quantities import NS_PER_US
from perfrun.api.test.metric import observables
from perfrun.api.test.perftest import PerfTest
from perfrun.logic.plan.run_plan import look_period
from perfrun.logic.problems import suggestion
from perfrun.measure.observed import Observation
from perfrun.measure.plan import RunPlan
from perfrun.observe.source import ObservedSource, Unseen
from perfrun.observe.watcher import Watcher

_EXAMPLE = "as in --observe api=4711 or --observe api=port:8000"


def parse_processes(texts: Sequence[str]) -> dict[str, int]:
    """Process ids by the observed name. Raises ValueError that says what to do."""
    found: dict[str, int] = {}
    for text in texts:
        name, equals, which = text.partition("=")
        is_port = which.startswith("port:")
        number = which.removeprefix("port:")
        if not name or not equals or not number.isdecimal() or len(number) > 9:
            raise ValueError(f"--observe {text}: write NAME=PID or NAME=port:PORT, {_EXAMPLE}")
        if name in found:
            raise ValueError(f"--observe {text}: {name} is given twice")
        try:
            from perfrun.observe.process import listening_on, pid_of
        except ImportError:
            raise ValueError(
                "--observe needs psutil: run pip install '.[observe]' in a clone of perfrun"
            ) from None
        try:
            found[name] = listening_on(int(number)) if is_port else pid_of(int(number))
        except LookupError as error:
            raise ValueError(f"--observe {text}: {error}") from error
    return found


def unused(processes: Mapping[str, int], tests: Sequence[PerfTest]) -> list[str]:
    """A sentence for each process that no test observes."""
    known = {thing.name for test in tests for thing in test.spec.observe or [] if thing.workload}
    return [
        f"--observe {name}: no test observes a workload with that "
        f"name{suggestion(name, known) or ''}"
        for name in processes
        if name not in known
    ]


class LocalWatch:
    """Observes the processes that replace a plan's workloads. Needs a running event loop."""

    def __init__(self, plan: RunPlan, processes: Mapping[str, int]) -> None:
        sources = {
            thing.name: _source(thing.name, processes)
            for thing in plan.observe
            if thing.workload is not None
        }
        self._watcher = Watcher(sources, look_period(plan))
        self._began = datetime.now(UTC)

    def start(self) -> None:
        """Begin now, before the load."""
        self._began = datetime.now(UTC)
        self._watcher.start(monotonic_ns())

    async def finish(self, start: datetime | None) -> list[Observation]:
        """Observe once more, and return the observations relative to T0; None if there are none."""
        seen = await self._watcher.finish()
        if start is None:
            return []
        ahead = (start - self._began) // timedelta(microseconds=1) * NS_PER_US
        return [one.relative_to(ahead) for one in seen]


def _source(name: str, processes: Mapping[str, int]) -> ObservedSource:
    pid = processes.get(name)
    if pid is None:
        return Unseen(
            observables("workload"),
            "workloads are observed only in a cluster; to observe a process of this machine "
            f"instead, add --observe {name}=PID or --observe {name}=port:PORT",
        )
    from perfrun.observe.process import ProcessSource

    return ProcessSource(pid)
