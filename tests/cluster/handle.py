"""What a test holds: a running API server, or a whole cluster."""

import json
import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.cluster.commands import tail
from tests.cluster.errors import ClusterError
from tests.cluster.gobuild import binary
from tests.cluster.processes import GO

if TYPE_CHECKING:
    import httpx

Json = dict[str, Any]
LOOK_S = 60.0
"""Within which it answers; tests let it stand still for shorter than that."""


@dataclass(frozen=True)
class ApiServer:
    """A running API server: where it is, who may do all, and kubectl and helm for it."""

    kubeconfig: Path
    url: str
    log: Path

    @cached_property
    def _http(self) -> "httpx.Client":
        # Here, because clusters are made by a Python that has none of our packages, too.
        import httpx

        from tests.cluster.pki import client_of

        tls = client_of(self.kubeconfig)
        return httpx.Client(base_url=self.url, verify=tls, timeout=LOOK_S, trust_env=False)

    def look(self, path: str, **asked: str) -> str:
        """What it answers to a GET, in a connection that is kept: a hundredth of a kubectl's cost.

        Raises:
            ClusterError: it refuses, or does not answer
        """
        return self._send("GET", path, params=asked)

    def ask(self, path: str, body: Json) -> Json:
        """What it answers to a POST of JSON. Raises ClusterError as :meth:`look`."""
        answer: Json = json.loads(self._send("POST", path, json=body))
        return answer

    def _send(self, method: str, path: str, **more: Any) -> str:
        import httpx

        try:
            try:
                answer = self._http.request(method, path, **more)
            except httpx.TransportError:
                # The connection may be one of an API server that has been started anew since.
                answer = self._http.request(method, path, **more)
        except httpx.TransportError as error:
            raise ClusterError(f"{method} {path} at {self.url}: {error!r}") from error
        if answer.is_error:
            raise ClusterError(f"{method} {path}: {answer.status_code} {answer.text}")
        return answer.text

    def find(self, path: str, **asked: str) -> Json:
        """The same, as JSON."""
        found: Json = json.loads(self.look(path, **asked))
        return found

    def close(self) -> None:
        """End the connection, if one was kept."""
        if "_http" in self.__dict__:
            self._http.close()

    def env(self) -> dict[str, str]:
        """The environment for programs that shall talk to it."""
        path = f"{binary('kubectl').parent}:{binary('helm').parent}:{os.environ['PATH']}"
        return {**os.environ, **GO, "KUBECONFIG": str(self.kubeconfig), "PATH": path}

    def kubectl(
        self, *args: str | Path, input: str | None = None, check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        """Run kubectl; with ``check`` a failure raises with what kubectl said."""
        return self._run("kubectl", args, input, check)

    def helm(
        self, *args: str | Path, input: str | None = None, check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        """Run helm; with ``check`` a failure raises with what helm said."""
        return self._run("helm", args, input, check)

    def install_crds(self, folder: Path) -> None:
        """Apply the CRDs of a folder; returns once the API server serves them.

        `kubectl wait` fails on an object that has no conditions yet, so that it is not used here.
        """
        self.kubectl("apply", "-f", folder)
        deadline = time.monotonic() + 30
        while not self._established(folder):
            if time.monotonic() > deadline:
                raise ClusterError(f"the CRDs of {folder} are not served after 30 s")
            time.sleep(0.1)

    def _established(self, folder: Path) -> bool:
        found = json.loads(self.kubectl("get", "-f", folder, "-o", "json").stdout)
        conditions = [item.get("status", {}).get("conditions") or [] for item in found["items"]]
        return all(
            any(one["type"] == "Established" and one["status"] == "True" for one in each)
            for each in conditions
        )

    def _run(
        self, tool: str, args: Sequence[str | Path], stdin: str | None, check: bool
    ) -> subprocess.CompletedProcess[str]:
        words = [str(arg) for arg in args]
        done = subprocess.run(
            [str(binary(tool)), *words],
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            env=self.env(),
            capture_output=True,
            text=True,
            check=False,
        )
        if check and done.returncode:
            said = tail(done.stderr + done.stdout)
            raise ClusterError(f"{tool} {' '.join(words)} exited {done.returncode}:\n{said}")
        return done


@dataclass(frozen=True)
class Cluster(ApiServer):
    """A whole cluster with one node."""

    node_ip: str
    base_image: str
    target_image: str

    def build_image(
        self,
        tag: str,
        context: Path,
        dockerfile: Path | None = None,
        build_args: Mapping[str, str] | None = None,
        target: str | None = None,
    ) -> str:
        """Build a Dockerfile and give the image to the node; returns its full reference."""
        # Here, because images need the cluster's settings, which need not exist for an ApiServer.
        from tests.cluster import images

        return images.build_and_load(tag, context, dockerfile, build_args, target)

    def load_image(self, archive: Path) -> list[str]:
        """Give the images of a docker or OCI archive to the node; returns their references."""
        from tests.cluster import images

        return images.load(archive)
