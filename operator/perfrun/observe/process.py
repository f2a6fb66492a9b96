"""Resources of a process of this machine and its descendants."""

from time import monotonic

import psutil
from typing_extensions import override

from perfrun.api.test.metric import CPU, MEMORY
from perfrun.measure.observed import ObservedMetric
from perfrun.observe.source import ObservedSource, ObservedValues, UnseenError


class ProcessSource(ObservedSource):
    """A process and its children; their CPU is what they used since the last observation."""

    metrics: tuple[ObservedMetric, ...] = (CPU, MEMORY)

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._used: dict[tuple[int, float], float] = {}
        """CPU seconds so far, by process."""
        self._looked: float | None = None

    @override
    async def look(self) -> ObservedValues:
        try:
            root = psutil.Process(self._pid)
            family = [root, *root.children(recursive=True)]
        except psutil.Error as error:
            raise UnseenError(f"process {self._pid} cannot be read: {error}") from error
        now, used, memory = monotonic(), {}, 0
        for process in family:
            try:
                with process.oneshot():
                    times = process.cpu_times()
                    used[process.pid, process.create_time()] = times.user + times.system
                    memory += process.memory_info().rss
            except psutil.NoSuchProcess:
                continue  # it has just ended
            except psutil.Error as error:
                told = f"process {process.pid} cannot be read: {error}"
                raise UnseenError(told) from error
        reading: ObservedValues = {MEMORY: float(memory)}
        if self._looked is not None and now > self._looked:
            # A process that was started since then has used all its CPU time since then.
            grown = sum(max(0.0, one - self._used.get(key, 0.0)) for key, one in used.items())
            reading[CPU] = grown / (now - self._looked)
        self._used, self._looked = used, now
        return reading


def pid_of(pid: int) -> int:
    """The same pid. Raises LookupError if there is no such process."""
    if not psutil.pid_exists(pid):
        raise LookupError(f"process {pid} does not exist")
    return pid


def listening_on(port: int) -> int:
    """The pid of the process that listens on a TCP port of this machine. Raises LookupError."""
    try:
        found = [
            one.pid
            for one in psutil.net_connections("tcp")
            if one.status == psutil.CONN_LISTEN and one.laddr and one.laddr.port == port
        ]
    except psutil.AccessDenied as error:
        raise LookupError(
            f"the system does not report which process listens on port {port}: give the id of "
            "the process"
        ) from error
    pids = sorted({pid for pid in found if pid})
    if not pids:
        hidden = " that you may read" if found else ""
        raise LookupError(f"no process{hidden} listens on port {port}")
    # Servers fork: the process whose parent is not among them has started the others.
    return next((pid for pid in pids if psutil.Process(pid).ppid() not in pids), pids[0])
