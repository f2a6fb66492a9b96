"""``make release-check`` and ``make release-notes``: whether a tag may be released, and its notes.

Nothing here publishes anything: that is ``.github/workflows/release.yaml``.
"""

import os
import re
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path

import yaml

from tests.cluster.paths import REPO

NOTES = Path("build/notes.md")
_PINNED = re.compile(r"[^@\s]+@sha256:[0-9a-f]{64}")


def notes(version: str, root: Path = REPO) -> str:
    """The section of a version in CHANGELOG.md, without its heading; empty if there is none."""
    text = (root / "CHANGELOG.md").read_text()
    found = re.search(rf"^## {re.escape(version)}, \d.*\n([\s\S]*?)(?=^## |\Z)", text, re.MULTILINE)
    return found[1].strip() + "\n" if found else ""


def problems(env: Mapping[str, str], root: Path = REPO) -> list[str]:
    """Why TAG of the environment cannot be released, one sentence each."""
    version = tomllib.loads((root / "pyproject.toml").read_text())["project"]["version"]
    chart = yaml.safe_load((root / "charts/perfrun/Chart.yaml").read_text())
    image = yaml.safe_load((root / "charts/perfrun/values.yaml").read_text())["image"]
    named = f"{image['registry']}/{image['repository']}"
    published, base = env.get("IMAGE", ""), env.get("BASE_IMAGE", "")
    fragments = sorted(path.name for path in (root / "changelog.d").glob("*.md"))
    found = {
        f"TAG is {env.get('TAG')!r}, and pyproject.toml says {version}: the tag has to be v{version}": (
            env.get("TAG") != f"v{version}"
        ),
        f"charts/perfrun/Chart.yaml: version and appVersion have to be {version}": (
            {chart["version"], chart["appVersion"]} != {version}
        ),
        f"charts/perfrun/values.yaml: the image is {named}, and IMAGE, where the release goes, "
        f"is {published!r}": named != published,
        f"BASE_IMAGE is {base!r}: set the variable of the repository to the base image with its "
        "digest, NAME:TAG@sha256:..., as `docker buildx imagetools inspect` shows it": (
            not _PINNED.fullmatch(base)
        ),
        f"changelog.d has {len(fragments)} fragments: `make changelog` puts them into "
        "CHANGELOG.md": bool(fragments),
        f"CHANGELOG.md has no section `## {version}, DATE`": not notes(version, root),
    }
    return [sentence for sentence, wrong in found.items() if wrong]


def main(words: list[str]) -> int:
    """``check`` exits with 1 where something is missing; ``notes`` writes build/notes.md."""
    if words == ["check"]:
        found = problems(os.environ)
        print("\n".join(found) or "ready for the release")
        return 1 if found else 0
    if words == ["notes"]:
        text = notes(os.environ.get("TAG", "").removeprefix("v"))
        (REPO / NOTES).parent.mkdir(exist_ok=True)
        (REPO / NOTES).write_text(text)
        print(f"{NOTES}: {len(text.splitlines())} lines")
        return 0 if text else 1
    print("usage: python -m tests.release check | notes", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
