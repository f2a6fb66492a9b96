"""The campaign's option, and where its outcomes are kept."""

from pathlib import Path

import pytest

from tests.e2e.faults.outcomes import Outcomes


@pytest.fixture(scope="session")
def outcomes(pytestconfig: pytest.Config) -> Outcomes:
    """Collects what became of each run; ``--campaign FILE`` keeps it."""
    said = pytestconfig.getoption("--campaign")
    return Outcomes(Path(said) if said else None)
