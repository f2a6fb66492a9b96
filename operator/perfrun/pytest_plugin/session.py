"""What a session keeps across its tests: options, the runs to report at its end, and errors.

pytest imports this in every project, so it imports nothing else of perfrun.
"""

from collections.abc import Generator
from pathlib import Path

import pytest


class PerfrunWarning(UserWarning):
    """A run missed an objective, or could not show that it was met."""


class InvalidTestError(ValueError):
    """A manifest, or a test in Python, that cannot be run."""


class PluginSession:
    """A separate plugin in each process; reports of tests carry its lines to the process that
    prints them.
    """

    def __init__(self, *, strict: bool, reports: str | None) -> None:
        self.strict = strict
        self.reports = Path(reports).absolute() if reports is not None else None
        """The folder that each run is written into."""
        self.test = ""
        """The node id of the current test."""
        self._number = 0
        self._shown = reports
        self._new: list[str] = []
        self._told: list[str] = []

    def note(self, line: str) -> int:
        """Record a run. Returns its number within its test, from 1."""
        self.add_line(line)
        self._number += 1
        return self._number

    def add_line(self, line: str) -> None:
        """Add a line for the end of the session."""
        self._new.append(line)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> None:
        """Remember the current test, because runs are named after it."""
        self.test, self._number = item.nodeid, 0

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Attach its runs to the report of a test: pytest-xdist sends them to its main process."""
        report = yield
        report.perfrun, self._new = self._new, []  # type: ignore[attr-defined]
        return report

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Collect the runs, of this process or another."""
        self._told += getattr(report, "perfrun", ())

    @pytest.hookimpl(tryfirst=True)
    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """One line for each run, and where the reports are."""
        # Runs in progress when the session was interrupted are in no report.
        lines = self._told + self._new
        if not lines:
            return
        terminalreporter.section("perfrun")
        for line in lines:
            terminalreporter.line(line)
        if self._shown is not None:
            terminalreporter.line(f"reports are in {self._shown}")
