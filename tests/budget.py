"""What tests may take: ``budgets.toml``, and the slices of campaigns that are held to it."""

import tomllib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import pytest

BUDGETS = Path(__file__).with_name("budgets.toml")


@dataclass(frozen=True)
class Budgets:
    """Seconds on two quiet cores."""

    stages: dict[str, float]
    """What a stage of `make test` may take."""
    slices: dict[str, float]
    """What the tests of a file or folder may take together, as a slice of a campaign."""
    files: dict[str, float]
    """What files took when that was written."""

    @classmethod
    def read(cls) -> "Budgets":
        """From the file of the repository."""
        return cls(**tomllib.loads(BUDGETS.read_text()))


class Budget:
    """Adds up what slices take, and warns of those that take too long."""

    def __init__(self, slices: dict[str, float]) -> None:
        self._slices = slices
        self.spent: dict[str, float] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Not the set-up: in that of the first test the image and the cluster are made."""
        path = PurePosixPath(report.nodeid.partition("::")[0])
        for where in self._slices:
            if path.is_relative_to(where) and report.when != "setup":
                self.spent[where] = self.spent.get(where, 0.0) + report.duration

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """What was taken of what is allowed."""
        for where, took in self.spent.items():
            late = ": TOO LONG" if took > self._slices[where] else ""
            line = f"slice {where}: {took:.0f} s of {self._slices[where]:.0f} s{late}"
            terminalreporter.write_line(line, red=bool(late))
