"""Which units belong to a changed file."""

from pathlib import Path

import pytest

from tests.quick import chosen, units_of


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for path in (
        "logic/verdict/test_judge.py",
        "cli/init/har/test_archive.py",
        "test_quick.py",
        "charts/test_x.py",
    ):
        file = tmp_path / "tests/unit" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    return tmp_path


@pytest.mark.parametrize(
    ("path", "units"),
    [
        ("operator/perfrun/logic/verdict/judge.py", "tests/unit/logic/verdict/test_judge.py"),
        ("operator/perfrun/logic/other.py", "tests/unit/logic"),
        ("operator/perfrun/cli/init/openapi/read.py", "tests/unit/cli/init"),
        ("tests/unit/cli/init/har/test_archive.py", "tests/unit/cli/init/har/test_archive.py"),
        ("tests/unit/cli/init/conftest.py", "tests/unit/cli/init"),
        ("tests/quick.py", "tests/unit/test_quick.py"),
        ("charts/perfrun/templates/rbac.yaml", "tests/unit/charts"),
        ("operator/perfrun/new/thing.py", None),
        ("README.md", None),
    ],
)
def test_units_of_a_file_mirror_it_or_are_the_nearest_folder(
    root: Path, path: str, units: str | None
) -> None:
    assert units_of(path, root) == units


def test_a_file_is_not_run_beside_its_folder(root: Path) -> None:
    paths = ["operator/perfrun/logic/other.py", "operator/perfrun/logic/verdict/judge.py"]
    assert chosen(paths, root) == ["tests/unit/logic"]
