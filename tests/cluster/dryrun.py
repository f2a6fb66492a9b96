"""What an API server says to manifests, and nothing is kept: in one connection, not a process each.

As ``kubectl apply --dry-run=server --validate=strict``. A YAML document is sent as it is written.
"""

import re
import ssl
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import httpx
import yaml

from tests.cluster.handle import ApiServer
from tests.cluster.pki import client_of

_ASKED = urlencode({"dryRun": "All", "fieldValidation": "Strict", "fieldManager": "dry-run"})
_TEXT = re.compile(r'^\d+ \S+ "(.*)"$')
Json = dict[str, Any]


@dataclass
class Said:
    """Of one manifest, with all its documents."""

    refusals: list[str] = field(default_factory=list)
    """A line for each: the field, where one is named, and why."""
    warnings: list[str] = field(default_factory=list)


class DryRun:
    """A client of an API server, as its administrator."""

    def __init__(self, server: ApiServer) -> None:
        context: ssl.SSLContext = client_of(server.kubeconfig)
        self._http = httpx.Client(base_url=server.url, verify=context, timeout=20, trust_env=False)
        self._resources: dict[str, list[Json]] = {}

    def close(self) -> None:
        """End the connection."""
        self._http.close()

    def apply(self, manifest: str, namespace: str = "default") -> Said:
        """Ask for each document of a manifest, in ``namespace`` where it names none."""
        said = Said()
        for text in re.split(r"^---.*$", manifest, flags=re.MULTILINE):
            if document := yaml.safe_load(text):
                self._ask(document, text, namespace, said)
        return said

    def _ask(self, document: Json, text: str, namespace: str, said: Said) -> None:
        path = self._path(document, namespace)
        answer = self._send("POST", path, text, "application/yaml")
        if answer.status_code == httpx.codes.CONFLICT:
            path = f"{path}/{document['metadata']['name']}"
            answer = self._send("PATCH", path, text, "application/apply-patch+yaml", force=True)
        for header in answer.headers.get_list("warning"):
            found = _TEXT.match(header)
            said.warnings.append(found[1] if found else header)
        if answer.is_error:
            said.refusals += _lines(answer.json())

    def _send(
        self, method: str, path: str, text: str, kind: str, *, force: bool = False
    ) -> httpx.Response:
        asked = _ASKED + ("&force=true" if force else "")
        headers = {"Content-Type": kind}
        return self._http.request(method, f"{path}?{asked}", content=text, headers=headers)

    def _path(self, document: Json, namespace: str) -> str:
        version = document["apiVersion"]
        base = f"/apis/{version}" if "/" in version else f"/api/{version}"
        if base not in self._resources:
            self._resources[base] = self._http.get(base).raise_for_status().json()["resources"]
        kinds = {one["kind"]: one for one in self._resources[base] if "/" not in one["name"]}
        resource = kinds[document["kind"]]
        where = document["metadata"].get("namespace", namespace)
        inner = f"/namespaces/{where}" if resource["namespaced"] else ""
        return f"{base}{inner}/{resource['name']}"


def _lines(status: Json) -> list[str]:
    """The whole message, then field by field."""
    causes = status.get("details", {}).get("causes", [])
    fields = [f"{cause.get('field', '')}: {cause.get('message', '')}" for cause in causes]
    return [status["message"], *fields]
