"""The store that images are built in, outside of this checkout: it does not grow with each build."""

from pathlib import Path

from tests.cluster import images
from tests.cluster.commands import run

REFERENCE = "localhost/perfrun-test-store:e2e"


def _in_store() -> set[str]:
    asked = images._buildah("images", "--all", "--no-trunc", "--quiet")
    return set(run(asked, what="listing the images").split())


def test_an_image_replaces_the_one_of_its_name(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM scratch\nCOPY one.txt /\n")
    made: list[set[str]] = []
    try:
        for content in ("first", "second"):
            before = _in_store()
            (tmp_path / "one.txt").write_text(content)
            images.build(REFERENCE, tmp_path).unlink()
            made.append(_in_store() - before)
    finally:
        with images._storage():
            run(images._buildah("rmi", REFERENCE), what="removing the image")
    assert made[0]
    assert made[1]
    assert not made[0] & _in_store()
    assert not made[1] & _in_store()
