"""Reading what a user names as a source: bounded, and with a sentence for whatever is wrong."""

import json
import sys
from pathlib import Path
from typing import Any

from perfrun.cli.init.draft import SourceError
from perfrun.local.files.strictyaml import YamlError, load_foreign

MIB = 1024 * 1024
MAX_YAML = 16 * MIB
MAX_JSON = 256 * MIB


def read_document(file: str) -> Any:
    """A JSON or YAML document, ``-`` is standard input. Raises SourceError."""
    data = _bytes(file)
    try:
        # Shells of Windows write UTF-16 into files.
        wide = data[:2] in (b"\xff\xfe", b"\xfe\xff")
        text = data.decode("utf-16" if wide else "utf-8-sig")
    except UnicodeDecodeError:
        raise SourceError(f"{file}: not UTF-8 text") from None
    if text.lstrip()[:1] in ("{", "["):
        try:
            return json.loads(text)
        except RecursionError:
            raise SourceError(f"{file}: nested too deeply") from None
        except ValueError as error:
            # YAML may begin with a brace too, but not a large file of it.
            wrong = f"{file}: not JSON: {error}"
    else:
        wrong = f"{file}: more than {MAX_YAML // MIB} MiB of YAML: convert it to JSON"
    if len(data) > MAX_YAML:
        raise SourceError(wrong)
    try:
        return load_foreign(text)
    except YamlError as error:
        raise SourceError(f"{file}: {error}") from None


def _bytes(file: str) -> bytes:
    try:
        if file == "-":
            data = sys.stdin.buffer.read(MAX_JSON + 1)
        else:
            with Path(file).open("rb") as stream:
                data = stream.read(MAX_JSON + 1)
    except OSError as error:
        raise SourceError(f"{file}: cannot be read: {error.strerror}") from None
    if len(data) > MAX_JSON:
        raise SourceError(f"{file}: more than {MAX_JSON // MIB} MiB: take a smaller part of it")
    return data


def table(value: object) -> dict[str, Any]:
    """The object that is expected there, or an empty one."""
    return value if isinstance(value, dict) else {}


def rows(value: object) -> list[Any]:
    """The list that is expected there, or an empty one."""
    return value if isinstance(value, list) else []


def text_of(value: object) -> str:
    """The text that is expected there, or an empty one."""
    return value if isinstance(value, str) else ""


def number_of(value: object) -> float:
    """The finite number that is expected there, or 0."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return 0.0
    return float(value) if abs(value) < 1e15 else 0.0
