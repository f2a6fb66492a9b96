"""Python as it is on macOS, as far as Linux can show that: for processes that have this folder on
their PYTHONPATH. What only Linux has is missing, and libraries are told nothing of it.
"""

import asyncio  # noqa: F401 (loaded as on this system, as are the next ones)
import os
import select
import subprocess  # noqa: F401
import sys
import sysconfig
import urllib.request  # noqa: F401
from typing import Any

LINUX_ONLY = ("/proc/", "/sys/")
_readlink = os.readlink


def _missing(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "open" and str(arguments[0]).startswith(LINUX_ONLY):
        raise FileNotFoundError(2, "No such file or directory", arguments[0])


def readlink(path: Any, *more: Any, **options: Any) -> Any:
    """``os.readlink`` without what is in /proc."""
    _missing("open", (path,))
    return _readlink(path, *more, **options)


sysconfig.get_config_vars()  # read from a file that is named after the system
for name in [*vars(os)]:
    if name.startswith(("sched_", "timerfd_", "TFD_", "pidfd_", "memfd_", "eventfd")):
        delattr(os, name)
del select.POLLRDHUP
os.readlink = readlink
sys.addaudithook(_missing)
sys.platform = "darwin"
