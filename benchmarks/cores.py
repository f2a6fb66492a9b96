"""Two cores of those that this process may use: one for the client, one for the server."""

import os

_CORES = sorted(os.sched_getaffinity(0))
ENOUGH = len(_CORES) >= 2
"""Whether the two are not the same."""
CLIENT, SERVER = str(_CORES[0]), str(_CORES[-1])
