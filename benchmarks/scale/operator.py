"""What is asked of the operator under measurement; it has the rights that the chart gives it."""

import asyncio
import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

from tests.cluster.handle import ApiServer
from tests.cluster.operator import Operator, kubeconfig_of


@contextlib.contextmanager
def operating(server: ApiServer, folder: Path) -> Iterator[Operator]:
    """The operator, ready, while the block runs."""
    operator = Operator(kubeconfig_of(server, folder), folder, log_level="WARNING")
    operator.start()
    try:
        deadline = time.monotonic() + 60
        while not asyncio.run(operator.ready()):
            if time.monotonic() > deadline:
                raise RuntimeError(f"the operator is not ready: {operator.log.read_text()[-2000:]}")
            time.sleep(0.2)
        yield operator
    finally:
        operator.kill()


def wait_until_seen(operator: Operator, count: int) -> None:
    """Until it has looked at ``count`` scheduled tests."""
    deadline = time.monotonic() + 600
    series = "perfrun_next_run_timestamp_seconds{"
    while time.monotonic() < deadline:
        lines = asyncio.run(operator.metrics()).splitlines()
        if sum(line.startswith(series) for line in lines) >= count:
            return
        time.sleep(2)
    raise RuntimeError(f"the operator has not seen all {count} tests after 600 s")


def resident(operator: Operator) -> float:
    """MiB."""
    status = Path(f"/proc/{operator.pid}/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmRSS:"))
    return int(line.split()[1]) / 1024
