"""HTTP/2 by the tables of others: frames right and wrong, and header blocks of 14 encoders."""

import json
import lzma
from pathlib import Path
from typing import Any

import hpack
import pytest

from perfrun.engine.errors import ErrorClass
from perfrun.engine.http.http2.frames import (
    HEAD,
    HEAD_LENGTH,
    Blocks,
    FrameError,
    FrameType,
    number,
    read_settings,
    unpadded,
)
from tests.unit.engine.http.http2.test_connection import opened, outcomes

DATA = Path(__file__).parents[4] / "data"
FRAMES: list[dict[str, Any]] = json.loads(
    (DATA / "http2-frame-test-case" / "frames.json").read_text()
)
WRONG = [case for case in FRAMES if case["error"]]
RIGHT = [case for case in FRAMES if not case["error"]]


def _name(case: dict[str, Any]) -> str:
    return str(case["name"])


@pytest.mark.parametrize("case", WRONG, ids=_name)
async def test_a_wrong_frame_fails_what_waits_for_a_response(case: dict[str, Any]) -> None:
    connection, wire, waiting = opened()
    connection.data_received(bytes.fromhex(case["wire"]))
    failed = outcomes(waiting)
    assert failed
    assert set(failed) == {ErrorClass.PROTOCOL}
    assert wire.sent  # the peer is told


@pytest.mark.parametrize("case", RIGHT, ids=_name)
def test_a_right_frame_is_read_for_what_it_says(case: dict[str, Any]) -> None:
    wire, said = bytes.fromhex(case["wire"]), case["frame"]
    high, low, kind, flags, stream = HEAD.unpack_from(wire)
    payload, expected = wire[HEAD_LENGTH:], said["frame_payload"]
    assert (high << 8 | low, kind, flags, stream) == (
        said["length"],
        said["type"],
        said["flags"],
        said["stream_identifier"],
    )
    match kind:
        case FrameType.DATA:
            assert unpadded(flags, payload, headers=False).decode() == expected["data"]
        case FrameType.HEADERS:
            read = unpadded(flags, payload, headers=True).decode()
            assert read == expected["header_block_fragment"]
        case FrameType.SETTINGS:
            assert [list(one) for one in read_settings(payload)] == expected["settings"]
        case FrameType.RST_STREAM:
            assert number(payload) == expected["error_code"]
        case FrameType.WINDOW_UPDATE:
            assert number(payload) == expected["window_size_increment"]
        case FrameType.GOAWAY:
            assert number(payload[:4]) == expected["last_stream_id"]


@pytest.mark.parametrize(
    "name", ["ping/normal", "priority/normal", "goaway/normal", "settings/normal"]
)
async def test_a_right_frame_ends_no_connection(name: str) -> None:
    (case,) = (case for case in RIGHT if case["name"] == name)
    connection, wire, waiting = opened(asked=8)
    connection.data_received(bytes.fromhex(case["wire"]))
    assert ErrorClass.PROTOCOL not in outcomes(waiting)
    assert not wire.closed


ENCODERS: dict[str, list[dict[str, Any]]] = json.loads(
    lzma.decompress((DATA / "hpack-test-case" / "encoders.json.xz").read_bytes())
)


@pytest.mark.parametrize("name", sorted(ENCODERS))
def test_what_an_encoder_has_written_is_read(name: str) -> None:
    read = 0
    for story in ENCODERS[name]:
        decoder = hpack.Decoder()
        decoder.max_allowed_table_size = 1 << 16
        # Ours has no table of what came before, and says so to the peer: one that needs it is an
        # error, and never another header.
        blocks = Blocks()
        for size, wire, headers in story["cases"]:
            if size is not None and decoder.header_table_size != size:
                decoder.header_table_size = size
            expected = [(key.encode(), value.encode()) for key, value in headers]
            found = decoder.decode(bytes.fromhex(wire), raw=True)
            assert [(bytes(key), bytes(value)) for key, value in found] == expected
            try:
                assert blocks.read(bytes.fromhex(wire)).fields == expected
            except FrameError:
                continue
            read += 1
    total = sum(len(story["cases"]) for story in ENCODERS[name])
    assert total == 135
    uses_no_table = name == "go-hpack" or "-naive" in name or "-static" in name
    assert (read == total) is uses_no_table
