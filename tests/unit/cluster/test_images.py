"""When an image is the one that was built before."""

from pathlib import Path

import pytest

from tests.cluster.images import Recipe

DOCKERFILE = """
ARG FROM_IMAGE
FROM ${FROM_IMAGE} AS first
COPY one.txt folder /there/
FROM first
COPY --from=first /there /here
"""


@pytest.fixture
def context(tmp_path: Path) -> Path:
    (tmp_path / "folder/__pycache__").mkdir(parents=True)
    (tmp_path / "Dockerfile").write_text(DOCKERFILE)
    for name in ("one.txt", "folder/two.txt", "folder/__pycache__/two.pyc", "other.txt"):
        (tmp_path / name).write_text("before")
    return tmp_path


def key(context: Path, made_of: str = "key-1", target: str | None = None) -> str:
    recipe = Recipe.of(context, None, {"FROM_IMAGE": "localhost/a:1"}, target)
    return recipe.key({"localhost/a:1": made_of})


@pytest.mark.parametrize("name", ["one.txt", "folder/two.txt", "Dockerfile"])
def test_what_goes_into_it_makes_another(context: Path, name: str) -> None:
    before = key(context)
    (context / name).write_text(DOCKERFILE + "# after")
    assert key(context) != before


@pytest.mark.parametrize("name", ["other.txt", "folder/__pycache__/two.pyc"])
def test_what_does_not_makes_none(context: Path, name: str) -> None:
    before = key(context)
    (context / name).write_text("after")
    assert key(context) == before


def test_another_name_image_or_target_makes_another(context: Path) -> None:
    before = key(context)
    (context / "folder/two.txt").rename(context / "folder/three.txt")
    assert len({before, key(context), key(context, "key-2"), key(context, target="first")}) == 4
