"""One core for the client and one for the server, of those that this process may use."""

import os
from pathlib import Path

_ALLOWED = sorted(os.sched_getaffinity(0))
CLIENT_CORE = str(_ALLOWED[0])
SERVER_CORE = str(_ALLOWED[-1])
_TICKS = os.sysconf("SC_CLK_TCK")


def are_two() -> bool:
    """Whether client and server have a core each."""
    return CLIENT_CORE != SERVER_CORE


def stolen() -> float:
    """Seconds that the hypervisor gave to others while one of the two cores had work."""
    lines = Path("/proc/stat").read_text().splitlines()
    fields = {line.split()[0]: line.split()[1:] for line in lines}
    # user nice system idle iowait irq softirq steal: proc(5)
    return sum(int(fields[f"cpu{core}"][7]) for core in (CLIENT_CORE, SERVER_CORE)) / _TICKS
