"""The identity of a script's files: by it runs are comparable, and workers run the same script."""

import hashlib
from collections.abc import Mapping

from perfrun.logic.plan.names import short_hash


def files_hash(files: Mapping[str, bytes]) -> str:
    """SHA-256 (hex) of files by their relative paths, whatever order they were read in."""
    whole = hashlib.sha256()
    for name, content in sorted(files.items()):
        path = name.encode("utf-8", "surrogateescape")
        whole.update(b"%d:%s:%d:" % (len(path), path, len(content)))
        whole.update(content)
    return whole.hexdigest()


def key_with_files(comparison_key: str, files: str | None) -> str:
    """The comparison key of a run whose script has these files; None: they are not known."""
    return comparison_key if files is None else short_hash(f"{comparison_key}/{files}")
