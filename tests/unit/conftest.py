"""What unit tests share."""

import pytest

from perfrun.launcher.hiding import Hider
from perfrun.reach.foreign import SECRETS


@pytest.fixture(autouse=True)
def _nothing_is_secret() -> None:
    """What one test has made a secret would be hidden from the messages of those after it."""
    vars(SECRETS).update(vars(Hider()))
