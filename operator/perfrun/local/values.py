"""Values from Secrets and ConfigMaps without a cluster.

They are looked for in ``--secrets DIR``, as files ``DIR/NAME/KEY``, and then in the Secrets and
ConfigMaps of the given manifests.
"""

import base64
import binascii
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from perfrun.api.test.commands.script import SCRIPTS_FOLDER
from perfrun.api.test.perftest import PerfTest
from perfrun.api.test.values import ValueRef, value_refs
from perfrun.logic.problems import Problem, field_path

FoundValues = Mapping[ValueRef, Path | bytes]
"""Where each value of a test is: in a file, or here."""

KINDS = ("Secret", "ConfigMap")
# The fields of each, and whether they contain base64. Later ones take precedence, as in the API
# server.
_FIELDS = {
    "Secret": (("data", True), ("stringData", False)),
    "ConfigMap": (("data", False), ("binaryData", True)),
}
_FOLDERS = {"Secret": "secrets", "ConfigMap": "configmaps"}


class Held(NamedTuple):
    """A Secret or ConfigMap of a manifest, by key."""

    kind: str
    namespace: str
    name: str
    data: Mapping[str, bytes]


def parse_held(document: Mapping[str, Any]) -> tuple[Held, list[Problem]]:
    """The contents of a Secret or ConfigMap, and its problems."""
    metadata = document.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    data: dict[str, bytes] = {}
    problems: list[Problem] = []
    for field, encoded in _FIELDS[document["kind"]]:
        for key, value in _mapping(document.get(field)).items():
            try:
                data[key] = _decoded(value) if encoded else _text(value)
            except ValueError as error:
                problems.append(Problem(field_path([field, str(key)]), str(error)))
    namespace, name = (metadata.get("namespace") or "default"), metadata.get("name")
    if not isinstance(name, str):
        problems.append(Problem("metadata.name", "this field is required"))
    return Held(document["kind"], str(namespace), str(name), data), problems


def find_values(
    test: PerfTest, held: Iterable[Held], folder: Path | None, beside: Path | None = None
) -> tuple[FoundValues, list[str]]:
    """The values that a test names, and a sentence for each that is missing.

    ``beside`` is the folder of its manifest: a script's files may be there.
    """
    given = {
        (one.kind, one.name, key): value
        for one in held
        if one.namespace == test.metadata.namespace
        for key, value in one.data.items()
    }
    found: dict[ValueRef, Path | bytes] = {}
    missing: list[str] = []
    for ref in sorted({*value_refs(test.spec), *_files(test, given, folder, beside)}):
        file = folder.resolve() / ref.name / ref.key if folder is not None else None
        if file is not None and file.is_file():
            found[ref] = file
        elif ref in given:
            found[ref] = given[ref]
        else:
            missing.append(_missing(ref, folder))
    return found, missing


def _files(
    test: PerfTest,
    given: Iterable[tuple[str, str, str]],
    folder: Path | None,
    beside: Path | None,
) -> Iterator[ValueRef]:
    """The keys of the ConfigMap with a script's files: all that it has here, and the script; none
    if it is not here, and the script is beside the manifest.
    """
    script = test.spec.target.script
    if script is None or script.files is None or script.files.config_map is None:
        return
    name = script.files.config_map.name
    here = folder / name if folder is not None else None
    keys = {key for kind, holder, key in given if (kind, holder) == ("ConfigMap", name)}
    if here is not None and here.is_dir():
        keys |= {file.name for file in here.iterdir() if file.is_file()}
    entry = script.entry.removeprefix(f"{SCRIPTS_FOLDER}/")
    if keys or beside is None or not (beside / entry).is_file():
        yield from (ValueRef("ConfigMap", name, key) for key in {*keys, entry})


def lay_out(values: FoundValues, tree: Path) -> None:
    """Create the files that a worker reads: ``TREE/secrets/NAME/KEY`` and
    ``.../configmaps/...``.
    """
    for ref, value in values.items():
        file = tree / _FOLDERS[ref.kind] / ref.name / ref.key
        file.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(value, Path):
            file.symlink_to(value)
        else:
            file.touch(mode=0o600)
            file.write_bytes(value)


def _missing(ref: ValueRef, folder: Path | None) -> str:
    wanted = f"spec: takes a value from {ref.kind} {ref.name}, key {ref.key}"
    if folder is None:
        return (
            f"{wanted}: add that {ref.kind} to the manifests, or pass --secrets DIR with the "
            f"file DIR/{ref.name}/{ref.key}"
        )
    return (
        f"{wanted}: neither the file {folder / ref.name / ref.key} nor that {ref.kind} in the "
        "manifests exists"
    )


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: object) -> bytes:
    if not isinstance(value, str):
        raise ValueError("must be a string: put it in quotes")
    return value.encode()


def _decoded(value: object) -> bytes:
    try:
        return base64.b64decode(b"".join(_text(value).split()), validate=True)
    except binascii.Error:
        raise ValueError("is not base64: write plain text under stringData") from None
