"""Objects as text, with what they carry packed: plans, reports, results and trends are gzip."""

import base64
import gzip
import json
from typing import Any

from perfrun.controller.objects.manifests import PIECE_LABEL

Json = dict[str, Any]
MAGIC = b"\x1f\x8b"


def unpacked(listed: str) -> str:
    """A list of objects (JSON) and, after it, all of their ``binaryData``, unpacked.

    What is larger than one object lies in pieces of several.
    """
    carriers = [item for item in json.loads(listed)["items"] if item.get("binaryData")]
    wholes: dict[tuple[str, str, str], bytes] = {}
    for item in sorted(carriers, key=_piece):
        about = item["metadata"]
        name = about["name"].rpartition("-")[0] if _is_piece(item) else about["name"]
        for key, value in item["binaryData"].items():
            of = (about["namespace"], name, key)
            wholes[of] = wholes.get(of, b"") + base64.b64decode(value)
    return "\n".join([listed, *(_inflated(data) for data in wholes.values())])


def _is_piece(item: Json) -> bool:
    return PIECE_LABEL in item["metadata"].get("labels", {})


def _piece(item: Json) -> int:
    return int(item["metadata"]["labels"][PIECE_LABEL]) if _is_piece(item) else 0


def _inflated(data: bytes) -> str:
    text = gzip.decompress(data) if data.startswith(MAGIC) else data
    return text.decode(errors="replace")
