"""What runs on a user's own machine can be loaded there: macOS, and Windows."""

import subprocess
import sys
from pathlib import Path

import pytest

import perfrun

ROOT = Path(perfrun.__file__).parent
# Parts of pods, and commands of benchmarks and scripts, which are refused elsewhere.
LINUX_ONLY = (
    "perfrun.controller",
    "perfrun.launcher.run",
    "perfrun.engine.benchmark",
    "perfrun.engine.command",
    "perfrun.engine.script",
)
PROGRAM = """
import importlib, os, select, signal, sys
platform, *names = sys.argv[1:]
for name in names:  # libraries are loaded as they are here
    importlib.import_module(name)
for name in [name for name in sys.modules if name.split(".")[0] == "perfrun"]:
    del sys.modules[name]
for holder, prefixes in {
    os: ("sched_", "timerfd_", "TFD_", "pidfd_", "fork", "setsid", "killpg", "getuid", "geteuid"),
    select: ("poll", "POLL", "epoll"),
    signal: ("SIGKILL", "SIGVTALRM", "setitimer", "ITIMER", "pidfd"),
}.items():
    for name in [*vars(holder)]:
        if name.startswith(prefixes):
            delattr(holder, name)
for name in ("fcntl", "grp", "pwd", "resource", "termios", "uvloop"):
    sys.modules[name] = None
sys.platform = platform
for name in names:
    importlib.import_module(name)
print(len(names))
"""


def modules() -> list[str]:
    """All of perfrun but for what only runs on Linux."""
    found = []
    for path in sorted(ROOT.rglob("*.py")):
        parts = ("perfrun", *path.relative_to(ROOT).with_suffix("").parts)
        name = ".".join(part for part in parts if part != "__init__")
        if not (name.startswith(LINUX_ONLY) or name.endswith("__main__")):
            found.append(name)
    return found


@pytest.mark.parametrize("platform", ["darwin", "win32"])
def test_modules_can_be_loaded_without_what_only_linux_has(platform: str) -> None:
    names = [*modules(), "perfrun.worker.__main__"]
    assert len(names) > 300
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, platform, *names], capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (0, f"{len(names)}\n"), done.stderr
