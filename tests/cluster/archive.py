"""A one-layer image archive, written by hand: no tool is needed to wrap a root file system."""

import hashlib
import io
import json
import os
import tarfile
from collections.abc import Mapping
from pathlib import Path

# Go's names for what the kernel calls the machine.
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


def architecture() -> str:
    """This machine's architecture as image formats call it."""
    machine = os.uname().machine
    return _ARCHITECTURES.get(machine, machine)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_archive(final: Path, reference: str, layer: Path, config: Mapping[str, object]) -> None:
    """Write a docker archive of one layer (a tar), whole or not at all."""
    digest = _sha256(layer)
    image = {
        "architecture": architecture(),
        "os": "linux",
        "config": config,
        # Tools count layers by the history and refuse an image without one.
        "history": [{"created_by": "perfrun tests"}],
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}"]},
    }
    manifest = [{"Config": "config.json", "RepoTags": [reference], "Layers": ["layer.tar"]}]
    temporary = final.with_name(f".{final.name}.{os.getpid()}")
    with tarfile.open(temporary, "w") as out:
        for name, content in (("config.json", image), ("manifest.json", manifest)):
            data = json.dumps(content).encode()
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            out.addfile(entry, io.BytesIO(data))
        out.add(layer, "layer.tar")
    temporary.replace(final)


def layer_of_file(path: Path, layer: Path) -> None:
    """A layer that holds one program at its root."""
    with tarfile.open(layer, "w") as out:
        entry = out.gettarinfo(path, path.name)
        entry.uid = entry.gid = entry.mtime = 0
        entry.uname = entry.gname = ""
        entry.mode = 0o755
        with path.open("rb") as file:
            out.addfile(entry, file)
