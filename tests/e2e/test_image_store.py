"""The store that images are built in, outside of this checkout, does not grow with each build."""

from pathlib import Path

import pytest

from tests.cluster import images
from tests.cluster.commands import run
from tests.cluster.mounts import unmount_below


def _names(*more: str) -> list[str]:
    asked = images._buildah("images", "--all", "--format", "{{.Name}}", *more)
    return sorted(run(asked, what="listing the images").split())


def test_images_without_a_name_are_removed_once_there_are_many(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(images, "MAX_IMAGES", 3)
    (tmp_path / "Dockerfile").write_text("FROM scratch\nCOPY one.txt /\n")
    (tmp_path / "one.txt").touch()
    images._store().mkdir(parents=True)
    try:
        seen = []
        for number in range(4):
            (tmp_path / "one.txt").write_text(f"{number}")
            build = images._buildah(
                "build", "--isolation=chroot", "--tag", "localhost/a:1", tmp_path
            )
            run(build, what="building an image")
            images.limit_store()
            seen.append(_names())
    finally:
        unmount_below(images._store())
    named, unnamed = "localhost/a", "<none>"
    assert seen == [[named], [unnamed, named], [unnamed, unnamed, named], [named]]
