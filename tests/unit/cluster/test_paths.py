"""The cache's keys, the folders, and files that are whole or absent."""

from pathlib import Path

import pytest

from tests.cluster import gobuild, images
from tests.cluster.paths import cache_dir, key_of, state_dir, write


def test_key_depends_on_content_order_and_boundaries(tmp_path: Path) -> None:
    file = tmp_path / "go.sum"
    file.write_text("a")
    before = key_of("x", file)
    file.write_text("b")
    assert key_of("x", file) != before
    assert key_of("ab", "c") != key_of("a", "bc")
    assert key_of("a", "b") != key_of("b", "a")
    assert key_of("a", "b") == key_of(b"a", b"b")


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"PERFRUN_CACHE": "/c", "XDG_CACHE_HOME": "/x"}, "/c"),
        ({"XDG_CACHE_HOME": "/x"}, "/x/perfrun"),
        ({"HOME": "/home/u"}, "/home/u/.cache/perfrun"),
    ],
)
def test_cache_folder(
    environment: dict[str, str], expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("PERFRUN_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert cache_dir() == Path(expected)


def test_state_folder_can_be_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PERFRUN_CLUSTER_STATE", "/s")
    assert state_dir() == Path("/s")


def test_write_leaves_only_the_file(tmp_path: Path) -> None:
    write(tmp_path / "new" / "file", "text", mode=0o600)
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["file"]
    assert (tmp_path / "new" / "file").stat().st_mode & 0o777 == 0o600


def test_every_module_pins_what_its_version_is_taken_from() -> None:
    versions = {module.name: module.version() for module in gobuild.ALL}
    assert versions["kubernetes"] == "v1.35.4"
    assert all(versions[m.name] for m in gobuild.ALL if m.requires)


def test_module_key_changes_with_its_sums(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gobuild, "GO_FOLDER", tmp_path)
    (tmp_path / "pause").mkdir()
    (tmp_path / "pause" / "go.mod").write_text("module x\n")
    before = gobuild.PAUSE.key()
    (tmp_path / "pause" / "go.sum").write_text("h1:x\n")
    assert gobuild.PAUSE.key() != before


def test_target_image_follows_its_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "TARGET", tmp_path)
    (tmp_path / "nginx.conf").write_text("one")
    before = images.target_reference()
    (tmp_path / "nginx.conf").write_text("two")
    assert images.target_reference() != before
