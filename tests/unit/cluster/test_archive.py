"""Image archives written by hand."""

import hashlib
import json
import tarfile
from pathlib import Path
from typing import Any

from tests.cluster.archive import layer_of_file, write_archive


def _json(archive: tarfile.TarFile, name: str) -> Any:
    file = archive.extractfile(name)
    assert file is not None
    return json.load(file)


def test_archive_names_its_layer_by_content(tmp_path: Path) -> None:
    program, layer, final = tmp_path / "pause", tmp_path / "layer.tar", tmp_path / "image.tar"
    program.write_bytes(b"program")
    layer_of_file(program, layer)
    write_archive(final, "localhost/x:1", layer, {"Entrypoint": ["/pause"]})
    with tarfile.open(final) as archive:
        manifest = _json(archive, "manifest.json")
        config = _json(archive, "config.json")
    assert manifest[0]["RepoTags"] == ["localhost/x:1"]
    digest = hashlib.sha256(layer.read_bytes()).hexdigest()
    assert config["rootfs"]["diff_ids"] == [f"sha256:{digest}"]
    # Tools refuse an image whose history does not match its layers.
    assert len(config["history"]) == 1
    with tarfile.open(layer) as inside:
        assert (inside.getmember("pause").mode, inside.getmember("pause").uid) == (0o755, 0)
