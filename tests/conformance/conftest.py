"""Where the engine runs in the test's own loop, that is uvloop, as in a worker."""

from tests.unit.engine.conftest import pytest_asyncio_loop_factories, run

__all__ = ["pytest_asyncio_loop_factories", "run"]
