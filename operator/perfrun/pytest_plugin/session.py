"""What a session keeps over its tests, options and the runs to tell of at its end, and its errors.

pytest loads this in every project: it imports nothing of perfrun.
"""

from collections.abc import Generator
from pathlib import Path

import pytest


class PerfrunWarning(UserWarning):
    """A run missed an objective, or could not show that it was met."""


class InvalidTestError(ValueError):
    """A manifest, or what was given in Python, is no test that can be run."""


class PluginSession:
    """A plugin of its own in each process; reports of tests carry its lines to the one that tells
    them."""

    def __init__(self, *, strict: bool, reports: str | None) -> None:
        self.strict = strict
        self.reports = Path(reports).absolute() if reports is not None else None
        """The folder that each run is written into."""
        self.test = ""
        """The node id of the test that goes on."""
        self._number = 0
        self._shown = reports
        self._new: list[str] = []
        self._told: list[str] = []

    def note(self, line: str) -> int:
        """Take note of a run. Gives which one of its test it is, from 1."""
        self.tell(line)
        self._number += 1
        return self._number

    def tell(self, line: str) -> None:
        """A line for the end of the session."""
        self._new.append(line)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> None:
        """Remember which test goes on: runs are named after it."""
        self.test, self._number = item.nodeid, 0

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Give the report of a test its runs: pytest-xdist takes them along to its main process."""
        report = yield
        report.perfrun, self._new = self._new, []  # type: ignore[attr-defined]
        return report

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Collect the runs, of this process or of another."""
        self._told += getattr(report, "perfrun", ())

    @pytest.hookimpl(tryfirst=True)
    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """One line a run, and where the reports are."""
        # Those that were under way when the session was interrupted are in no report.
        lines = self._told + self._new
        if not lines:
            return
        terminalreporter.section("perfrun")
        for line in lines:
            terminalreporter.line(line)
        if self._shown is not None:
            terminalreporter.line(f"reports are in {self._shown}")
