"""How a connection that was not made is told."""

import pytest

from perfrun.reach.errors import unconnected


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ConnectionRefusedError(111, "Connect call failed"), "db:1 refused the connection"),
        (OSError(113, "x"), "db:1 cannot be reached: No route to host"),
        (TimeoutError(), "db:1 cannot be reached: no response in time"),
        (TimeoutError(110, "x"), "db:1 cannot be reached: Connection timed out"),
    ],
)
def test_a_server_that_is_not_reached_is_told_once(error: OSError, said: str) -> None:
    assert unconnected("db:1", error) == said
