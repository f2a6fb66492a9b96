"""The manifests of ``bad/``: what is wrong in each stands in its first lines.

``# at: apply`` is refused by the API server, ``# at: condition`` only by perfrun itself (on the
Ready condition in a cluster, by ``perfrun validate`` on a laptop).
"""

from pathlib import Path
from typing import NamedTuple

FOLDER = Path(__file__).with_name("bad")


class BadManifest(NamedTuple):
    """One manifest, and what has to be said of it."""

    path: Path
    at: str
    field: str
    says: str


def read(path: Path) -> BadManifest:
    """Raises ValueError where the lines that say what is wrong are missing."""
    heads = {}
    for line in path.read_text().splitlines():
        if not line.startswith("# "):
            break
        key, found, value = line[2:].partition(": ")
        if found and key in ("at", "field", "says"):
            heads[key] = value
    if heads.keys() != {"at", "field", "says"} or heads["at"] not in ("apply", "condition"):
        raise ValueError(f"{path.name} does not begin with # at: apply|condition, # field, # says")
    return BadManifest(path, heads["at"], heads["field"], heads["says"])


def bad_manifests(at: str) -> list[BadManifest]:
    """Those that are refused there, by name."""
    everything = [read(path) for path in sorted(FOLDER.glob("*.yaml"))]
    return [manifest for manifest in everything if manifest.at == at]
