"""What service accounts have asked of the API server: recorded, for comparing rights with use."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from tests.cluster.settings import Settings, recorded

# Of service accounts outside of the system's own namespaces, and once each request is answered.
_POLICY = """apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived, ResponseStarted]
rules:
- level: None
  userGroups: ["system:serviceaccounts:kube-system", "system:nodes", "system:masters"]
- level: Metadata
  userGroups: ["system:serviceaccounts"]
- level: None
"""


class Asked(NamedTuple):
    """One request of a service account."""

    verb: str
    group: str
    resource: str
    """With its subresource: ``perfruns/status``."""
    namespace: str
    name: str
    forbidden: bool
    """For want of a right; not because a namespace goes away."""


def policy(made_with: Settings) -> Path:
    """The policy's file."""
    return made_with.state / "audit-policy.yaml"


def log(made_with: Settings) -> Path:
    """Where requests are recorded, a line each; it goes with the cluster."""
    return made_with.state / "audit.log"


def flags(made_with: Settings) -> list[str]:
    """What the API server is told."""
    return [
        f"--audit-policy-file={policy(made_with)}",
        f"--audit-log-path={log(made_with)}",
        "--audit-log-maxsize=100",
        "--audit-log-maxbackup=1",
    ]


def files(made_with: Settings) -> dict[Path, str]:
    """What the flags refer to."""
    return {policy(made_with): _POLICY}


def _events(newest: Path) -> Iterator[dict[str, Any]]:
    """All that is recorded, also in the file before the newest (``audit-TIME.log``)."""
    for path in sorted(newest.parent.glob(f"{newest.stem}*{newest.suffix}")):
        yield from map(json.loads, path.read_text().splitlines())


def asked_by(account: str) -> Iterator[Asked]:
    """All requests of ``namespace:name`` since the cluster was made."""
    made_with = recorded()
    assert made_with is not None, "no cluster is up"
    for event in _events(log(made_with)):
        about = event.get("objectRef")
        if about is None or event["user"]["username"] != f"system:serviceaccount:{account}":
            continue
        sub = f"/{about['subresource']}" if about.get("subresource") else ""
        yield Asked(
            event["verb"],
            about.get("apiGroup", ""),
            about["resource"] + sub,
            about.get("namespace", ""),
            about.get("name", ""),
            event.get("annotations", {}).get("authorization.k8s.io/decision") == "forbid",
        )
