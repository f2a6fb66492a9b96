"""What objects carry packed is found, also where it lies in pieces of several."""

import base64
import gzip
import json

from perfrun.controller.objects.manifests import PIECE_LABEL
from tests.unpacked import unpacked


def config_map(name: str, data: bytes, **labels: str) -> dict[str, object]:
    packed = base64.b64encode(data).decode()
    about = {"name": name, "namespace": "shop", "labels": labels}
    return {"metadata": about, "binaryData": {"x": packed}}


def test_packed_values_are_opened_and_pieces_put_together():
    whole, plain = gzip.compress(b"planted in two pieces", mtime=0), b"planted as it is"
    items = [
        config_map("r-1", whole[20:], **{PIECE_LABEL: "1"}),
        config_map("r-0", whole[:20], **{PIECE_LABEL: "0"}),
        config_map("t", plain),
        {"metadata": {"name": "no-data", "namespace": "shop"}},
    ]
    text = unpacked(json.dumps({"items": items}))
    assert "planted in two pieces" in text
    assert "planted as it is" in text
    assert "no-data" in text
