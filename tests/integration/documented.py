"""Every manifest that a user is shown: examples, samples, and the YAML blocks of the documents."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import yaml

REPO = Path(__file__).resolve().parents[2]
FOLDERS = (
    "examples",
    "examples/benchmark",
    "examples/databases",
    "examples/protocols/websocket",
    "examples/pytest/tests/performance",
    "examples/scripts",
    "deploy/samples",
)
_BLOCK = re.compile(r"^```yaml\n(.*?)^```", re.DOTALL | re.MULTILINE)
# A file that a command of a page writes: cat > FILE <<'END'.
_HERE = re.compile(r"^cat > \S+\.yaml <<'END'\n(.*?)^END$", re.DOTALL | re.MULTILINE)


def documents(text: str) -> list[dict[str, Any]]:
    """Those of a YAML text, by libyaml: without it, that of our CRDs takes three seconds."""
    return [one for one in yaml.load_all(text, yaml.CSafeLoader) if one]


class Shown(NamedTuple):
    """A manifest, and where it is shown."""

    where: str
    text: str


def shown_manifests() -> list[Shown]:
    """All of them; a YAML block counts where it speaks of our API."""
    return [*_files(), *_blocks()]


def _files() -> Iterator[Shown]:
    for folder in FOLDERS:
        for path in sorted((REPO / folder).glob("*.yaml")):
            if path.name != "kustomization.yaml":
                yield Shown(str(path.relative_to(REPO)), path.read_text())


def _blocks() -> Iterator[Shown]:
    for path in [REPO / "README.md", *sorted((REPO / "docs").rglob("*.md"))]:
        text = path.read_text()
        for match in (*_BLOCK.finditer(text), *_HERE.finditer(text)):
            if "apiVersion: perfrun.dev" in match[1]:
                line = text.count("\n", 0, match.start()) + 1
                yield Shown(f"{path.relative_to(REPO)}:{line}", match[1])
