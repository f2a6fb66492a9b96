"""``make quick``: ruff, mypy and the units of what has changed since the last commit.

Units are found by the mirror layout: ``operator/perfrun/ROOM/x.py`` is tested by
``tests/unit/ROOM/test_x.py``, or else by the nearest folder of ``tests/unit`` that is there.
"""

import subprocess
import sys
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).resolve().parents[1]
UNIT = PurePosixPath("tests/unit")
CODE = (UNIT, PurePosixPath("operator/perfrun"), PurePosixPath("tests"), PurePosixPath("."))
"""Where a path of tests/unit begins, innermost first."""


def changed(root: Path = ROOT) -> list[str]:
    """Files that differ from the last commit and are still there, new ones included."""
    asked = (["diff", "--name-only", "HEAD"], ["ls-files", "--others", "--exclude-standard"])
    found: set[str] = set()
    for words in asked:
        done = subprocess.run(["git", *words], cwd=root, capture_output=True, text=True, check=True)
        found.update(done.stdout.splitlines())
    return sorted(path for path in found if (root / path).is_file())


def units_of(path: str, root: Path = ROOT) -> str | None:
    """The file or folder of units that tests a file; None where there is none."""
    whole = PurePosixPath(path)
    inner = next(whole.relative_to(start) for start in CODE if whole.is_relative_to(start))
    name = inner.name if inner.name.startswith("test_") else f"test_{inner.stem}.py"
    if (root / UNIT / inner.parent / name).is_file():
        return str(UNIT / inner.parent / name)
    # Not all of tests/unit: that takes minutes, and is `make test-unit`.
    folders = (folder for folder in inner.parents if folder.parts)
    return next((str(UNIT / one) for one in folders if (root / UNIT / one).is_dir()), None)


def chosen(paths: list[str], root: Path = ROOT) -> list[str]:
    """What pytest is given for changed files; a file is left out where its folder is there."""
    found = {PurePosixPath(test) for path in paths if (test := units_of(path, root))}
    return sorted(str(test) for test in found if not found.intersection(test.parents))


def _run(*words: str) -> bool:
    return subprocess.run([sys.executable, "-m", *words], cwd=ROOT, check=False).returncode == 0


def main() -> int:
    """0 all is well, 1 something is not."""
    paths = changed()
    python = [path for path in paths if path.endswith(".py")]
    units = chosen(paths)
    print(f"{len(paths)} files have changed; units: {' '.join(units) or 'none'}", flush=True)
    ok = True
    if python:
        ok &= _run("ruff", "check", "--quiet", *python)
        ok &= _run("ruff", "format", "--check", "--quiet", *python)
        ok &= _run("mypy")
    if units:
        ok &= _run("pytest", "-q", "-n", "2", *units)
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
