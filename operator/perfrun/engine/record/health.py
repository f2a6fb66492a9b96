"""The generator's own health: CPU time and waits for it, throttling, stalls of the event loop."""

import asyncio
import os
import platform
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from time import monotonic_ns
from typing import NamedTuple

from perfrun.api.quantities import NS_PER_MS, NS_PER_S
from perfrun.measure.histogram import Histogram

HEARTBEAT = 20 * NS_PER_MS
BEAT = 5 * NS_PER_MS
PAUSE = NS_PER_MS
"""A beat that is later than this counts as a pause; timers alone are about 1 ms coarse."""

_SCHEDULED = Path("/proc/self/schedstat")
_STAT = Path("/proc/stat")
_OWN_GROUPS = Path("/proc/self/cgroup")
# cgroup v2, then v1 in its usual mounts.
_MOUNTS = (
    Path("/sys/fs/cgroup"),
    Path("/sys/fs/cgroup/cpu"),
    Path("/sys/fs/cgroup/cpu,cpuacct"),
)


class Sample(NamedTuple):
    """Resources that the process has used so far."""

    at: int
    """Monotonic ns."""
    cpu: int
    """ns of CPU time."""
    periods: int
    throttled: int
    """Periods of the cgroup's CPU quota, and those in which it was used up; 0 without a quota."""
    waited: int
    """ns for which the thread of the load could have run, and waited for a CPU."""
    stolen: int
    """ns for which other virtual machines had the CPUs of this one, on average over them."""


def sample() -> Sample:
    """The current resource use of the process."""
    periods, throttled = _throttling()
    return Sample(monotonic_ns(), time.process_time_ns(), periods, throttled, _waited(), _stolen())


def parse_schedstat(text: str) -> int:
    """ns spent waiting on a run queue, from /proc/PID/schedstat."""
    return int(text.split()[1])


def parse_steal(text: str) -> int:
    """Ticks of steal, averaged over the CPUs, from /proc/stat."""
    lines = text.splitlines()
    cpus = sum(line.startswith("cpu") for line in lines) - 1
    return int(lines[0].split()[8]) // max(1, cpus)


def _waited() -> int:
    """ns for the process's first thread, which is the thread of the load."""
    try:
        return parse_schedstat(_SCHEDULED.read_text())
    except (OSError, ValueError, IndexError):
        return 0  # not Linux, or a kernel without scheduler statistics


def _stolen() -> int:
    try:
        return parse_steal(_STAT.read_text()) * NS_PER_S // os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError):
        return 0


def parse_cpu_stat(text: str) -> tuple[int, int]:
    """Periods and throttled periods of a cgroup's cpu.stat (v1 and v2 write the same names)."""
    found = dict(line.split(maxsplit=1) for line in text.splitlines() if " " in line)
    return int(found.get("nr_periods", 0)), int(found.get("nr_throttled", 0))


def own_group(text: str) -> str:
    """The path of a process's CPU cgroup from /proc/PID/cgroup: v1, else v2, else the root."""
    groups = [line.split(":", 2) for line in text.splitlines() if line.count(":") >= 2]
    of_cpu = [path for _, kinds, path in groups if "cpu" in kinds.split(",")]
    unified = [path for _, kinds, path in groups if not kinds]
    return (of_cpu or unified or ["/"])[0]


@cache
def _cpu_stats() -> tuple[Path, ...]:
    """Possible paths of the cgroup's statistics; a container may see its own cgroup at the root."""
    try:
        group = own_group(_OWN_GROUPS.read_text()).lstrip("/")
    except OSError:
        group = ""
    inside = [mount / group / "cpu.stat" for mount in _MOUNTS] if group else []
    return (*inside, *(mount / "cpu.stat" for mount in _MOUNTS))


def _throttling() -> tuple[int, int]:
    for path in _cpu_stats():
        try:
            return parse_cpu_stat(path.read_text())
        except (OSError, ValueError):
            continue
    return 0, 0


def machine() -> str:
    """The processor and the architecture: results of different kinds of nodes are not
    comparable."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    parted = (line.partition(":") for line in lines)
    told = {name.strip(): value.strip() for name, _, value in parted}
    # ARM has no model name, but codes for vendor and part.
    model = told.get("model name") or " ".join(
        told[name] for name in ("CPU implementer", "CPU part") if name in told
    )
    return f"{model or 'unknown processor'}, {platform.machine()}"[:256]


class StallDetector:
    """Detects stalls of the event loop: a regular call that comes late.

    Not before the load is ``settled``: a burst keeps the loop busy by opening all its connections
    at once, as the test requests; the spread of its sends shows that.
    """

    def __init__(
        self,
        settled: Callable[[], bool],
        sent: Callable[[], int] = lambda: 0,
        in_flight: Callable[[], int] = lambda: 0,
    ) -> None:
        """``sent`` counts the requests so far, ``in_flight`` those that are open now."""
        self.longest_stall = 0
        """The largest delay of a beat, ns."""
        self.paused_time = 0
        """Total delay of beats that were later than :data:`PAUSE`, ns."""
        self.pauses = Histogram()
        """The delays of such beats, once for each request that was open meanwhile."""
        self._settled = settled
        self._sent, self._in_flight = sent, in_flight
        self._sent_before = self._open_before = 0
        self._counts = False
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._expected = 0

    def start(self) -> None:
        """Start watching."""
        self._counts = self._settled()
        self._note_open()
        self._wait()

    def _wait(self) -> None:
        self._expected = monotonic_ns() + BEAT
        self._timer = self._loop.call_later(BEAT / NS_PER_S, self._beat)

    def stop(self) -> None:
        """Stop watching."""
        if self._timer is not None:
            self._timer.cancel()

    def _beat(self) -> None:
        if self._counts:
            late = monotonic_ns() - self._expected
            self.longest_stall = max(self.longest_stall, late)
            if late > PAUSE:
                self.paused_time += late
                # Responses that waited may have been read before this beat: every request that was
                # open at any time since the last beat may have waited.
                self.pauses.record(late, self._open_before + self._sent() - self._sent_before)
        else:
            # This beat may be late because of something that has just ended: the next one counts.
            self._counts = self._settled()
        self._note_open()
        self._wait()

    def _note_open(self) -> None:
        self._sent_before, self._open_before = self._sent(), self._in_flight()
