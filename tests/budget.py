"""A slice of the campaign in each `make test`: fifteen minutes in all, and no more."""

from pathlib import PurePosixPath

import pytest

BUDGETS_S = {
    "tests/e2e/faults": 480,
    "tests/e2e/test_soak.py": 120,
    "tests/integration/controller/test_mutants.py": 300,
}
"""Seconds that the tests of a file or folder may take together, as a slice."""


class Budget:
    """Adds up what tests take, and fails a session in which some took too long."""

    def __init__(self) -> None:
        self.spent: dict[str, float] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Not the set-up: in that of the first test the image and the cluster are made."""
        path = PurePosixPath(report.nodeid.partition("::")[0])
        for where in BUDGETS_S:
            if path.is_relative_to(where) and report.when != "setup":
                self.spent[where] = self.spent.get(where, 0.0) + report.duration

    def over(self) -> list[str]:
        """Those that took longer than they may."""
        return [where for where, took in self.spent.items() if took > BUDGETS_S[where]]

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Too long is a failure like another."""
        if self.over() and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """What was taken of what is allowed."""
        for where, took in self.spent.items():
            late = ": TOO LONG" if where in self.over() else ""
            line = f"slice {where}: {took:.0f} s of {BUDGETS_S[where]} s{late}"
            terminalreporter.write_line(line, red=bool(late))
