"""What a campaign sees, a JSON line each, so that it outlives a failure.

``tests/e2e/faults/outcomes.py`` makes tables of it, in docs/explanation/reliability.md.
"""

import json
import platform
import subprocess
from pathlib import Path
from typing import Any

from perfrun import __version__

ROOT = Path(__file__).resolve().parents[1]
COMMAND = "make campaign"


class Campaign:
    """A file to add to; without one it is a slice that is run, and nothing is kept."""

    def __init__(self, path: Path | None) -> None:
        self._path = path

    @property
    def whole(self) -> bool:
        """Whether all is to be run, not a slice."""
        return self._path is not None

    def add(self, kind: str, **seen: Any) -> None:
        """Keep one thing that was seen."""
        if self._path is not None:
            with self._path.open("a") as file:
                file.write(json.dumps({"kind": kind, **seen}) + "\n")

    def begin(self) -> None:
        """Keep with what it is seen."""
        self.add(
            "versions",
            perfrun=__version__,
            commit=_commit(),
            python=platform.python_version(),
            kernel=platform.release().partition("-")[0],
            command=COMMAND,
        )


def _commit() -> str:
    """Of this checkout; changes that are in no commit are told."""
    asked = ["git", "describe", "--always", "--dirty", "--abbrev=10"]
    said = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, check=False)
    return said.stdout.strip() or "unknown"
