"""The operator as a process of its own, with an administrator's rights."""

import os
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.cluster.components import free_port
from tests.cluster.handle import ApiServer

SYSTEM = "perfrun-system"


class Operator:
    """``python -m perfrun.controller`` while the block runs."""

    def __init__(self, server: ApiServer, folder: Path) -> None:
        server.kubectl("create", "namespace", SYSTEM)
        self._http, coordinator = free_port(), free_port()
        self._log = folder / "operator.log"
        self._env = {
            **os.environ,
            "KUBECONFIG": str(server.kubeconfig),
            "PERFRUN_NAMESPACE": SYSTEM,
            "PERFRUN_WORKER_IMAGE": "none",
            "PERFRUN_COORDINATOR_URL": f"http://127.0.0.1:{coordinator}",
            "PERFRUN_LISTEN_HTTP": str(self._http),
            "PERFRUN_LISTEN_COORDINATOR": str(coordinator),
            "PERFRUN_LOG_LEVEL": "WARNING",
        }

    def __enter__(self) -> Self:
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "perfrun.controller"],
                env=self._env,
                stdout=log,
                stderr=log,
            )
        self._wait("/readyz", "ok")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.kill()
        self._process.wait()

    def wait_until_seen(self, count: int) -> None:
        """Until it has looked at ``count`` scheduled tests."""
        deadline = time.monotonic() + 600
        while time.monotonic() < deadline:
            series = "perfrun_next_run_timestamp_seconds{"
            if sum(line.startswith(series) for line in self._get("/metrics").splitlines()) >= count:
                return
            time.sleep(2)
        raise RuntimeError(f"the operator has not seen all {count} tests after 600 s")

    def resident(self) -> float:
        """MiB."""
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        line = next(line for line in status.splitlines() if line.startswith("VmRSS:"))
        return int(line.split()[1]) / 1024

    def _wait(self, path: str, text: str) -> None:
        deadline = time.monotonic() + 60
        while text not in self._get(path):
            if time.monotonic() > deadline or self._process.poll() is not None:
                raise RuntimeError(f"the operator is not ready: {self._log.read_text()[-2000:]}")
            time.sleep(0.2)

    def _get(self, path: str) -> str:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._http}{path}", timeout=20) as got:
                return str(got.read().decode())
        except OSError:
            return ""
