"""The real operator as a process, with the rights that the chart gives it."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import httpx

from tests.cluster.components import free_port
from tests.cluster.handle import ApiServer

SYSTEM = "perfrun-system"
OWN = ("rbac", "serviceaccount", "secret", "lease")
CHART = Path(__file__).resolve().parents[2] / "charts/perfrun"


class Operator:
    """``python -m perfrun.controller``, with the rights of the chart's service account."""

    def __init__(
        self,
        kubeconfig: Path,
        folder: Path,
        system: str = SYSTEM,
        watch: str = "",
        pod: str = "operator",
        log_level: str = "DEBUG",
        environment: Mapping[str, str] | None = None,
        module: str = "perfrun.controller",
    ) -> None:
        """``system`` is its own namespace, ``watch`` the ones of tests (empty: all); ``module`` is
        run as the operator.

        Each start is a container of the same ``pod``, to which the lease belongs.
        """
        self.log = folder / f"{pod}.log"
        self._pod = {"PERFRUN_POD_NAME": pod, "PERFRUN_POD_UID": f"uid-of-{pod}"}
        self._namespaces = {"PERFRUN_NAMESPACE": system, "PERFRUN_WATCH_NAMESPACES": watch}
        self.probes = f"http://127.0.0.1:{free_port()}"
        self.scraped = f"http://127.0.0.1:{free_port()}"
        self.coordinator = f"https://127.0.0.1:{free_port()}"
        self._kubeconfig = kubeconfig
        self._log_level = log_level
        self._environment = environment or {}
        self._module = module
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """One more process of it."""
        env = {
            **os.environ,
            "KUBECONFIG": str(self._kubeconfig),
            **self._namespaces,
            **self._pod,
            "PERFRUN_LEASE": self._namespaces["PERFRUN_NAMESPACE"],
            "PERFRUN_WORKER_IMAGE": "perfrun:test",
            "PERFRUN_COORDINATOR_URL": self.coordinator,
            "PERFRUN_METRICS_ACCESS": "open",
            "PERFRUN_METRICS_SERVICE": f"{self._namespaces['PERFRUN_NAMESPACE']}-leader",
            "PERFRUN_TLS_SECRET": f"{self._namespaces['PERFRUN_NAMESPACE']}-coordinator-tls",
            "PERFRUN_LOG_LEVEL": self._log_level,
            "PERFRUN_LISTEN_PROBES": self.probes.rpartition(":")[2],
            "PERFRUN_LISTEN_METRICS": self.scraped.rpartition(":")[2],
            "PERFRUN_LISTEN_COORDINATOR": self.coordinator.rpartition(":")[2],
            **self._environment,
        }
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", self._module], env=env, stdout=log, stderr=log
            )

    @property
    def pid(self) -> int:
        """Of the process that was started last."""
        assert self._process is not None
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether it has not ended."""
        return self._process is not None and self._process.poll() is None

    def stall(self) -> None:
        """Its main loop stands still for a while; with the module ``tests.cluster.stalling``."""
        assert self._process is not None
        self._process.send_signal(signal.SIGUSR1)

    def freeze(self) -> None:
        """It stands still, as a process of a stalled machine does, until it is thawed."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """It goes on."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    async def ended(self, seconds: float) -> int:
        """Its exit code, once it has ended by itself."""
        assert self._process is not None
        return await asyncio.to_thread(self._process.wait, seconds)

    def kill(self) -> None:
        """As the kernel would: it gets to do nothing any more."""
        assert self._process is not None
        self._process.kill()
        self._process.wait(10)

    def stop(self) -> int:
        """As the kubelet would. Gives the exit code."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(20)

    async def ready(self) -> bool:
        """Whether it says so. It must not have ended."""
        assert self.running, f"the operator has ended: {self.log.read_text()[-3000:]}"
        async with httpx.AsyncClient(trust_env=False, verify=False) as http:
            try:
                return (await http.get(f"{self.probes}/readyz")).status_code == 200
            except httpx.TransportError:
                return False

    async def metrics(self) -> str:
        """As they are scraped."""
        async with httpx.AsyncClient(trust_env=False, verify=False) as http:
            return (await http.get(f"{self.scraped}/metrics")).text

    async def loop_lag(self) -> float:
        """The longest time of the last minute for which its main loop stood still, in seconds."""
        lines = (await self.metrics()).splitlines()
        (lag,) = (line for line in lines if line.startswith("perfrun_loop_lag_seconds "))
        return float(lag.split()[1])


def kubeconfig_of(server: ApiServer, folder: Path, system: str = SYSTEM, watch: str = "") -> Path:
    """Install the chart's rights, and log in with a token of its service account."""
    server.kubectl("create", "namespace", system)
    shown = [f"--show-only=templates/{name}.yaml" for name in OWN]
    values = [f"--set=fullnameOverride={system}"]
    if watch:
        values.append(f"--set=watchNamespaces={{{watch}}}")
    rendered = server.helm("template", system, CHART, "--namespace", system, *values, *shown).stdout
    server.kubectl("apply", "-f", "-", input=rendered)
    return kubeconfig_again(server, folder, system)


def kubeconfig_again(server: ApiServer, folder: Path, system: str = SYSTEM) -> Path:
    """Log in with a token of the service account that is there."""
    token = server.kubectl("-n", system, "create", "token", system, "--duration=2h").stdout
    config = json.loads(server.kubeconfig.read_text())
    config["users"][0]["user"] = {"token": token.strip()}
    path = folder / "operator.kubeconfig"
    path.touch(mode=0o600)
    path.write_text(json.dumps(config))
    return path
