"""Reads JSON of the API server, however deeply somebody has nested it.

An API server accepts ten thousand levels, and repeats them in ``managedFields``. Python's reader
gives up at a thousand (3.11) to ten thousand (3.13), and code that walks over the result fails long
before. Values deeper than in any usable object become null here: the check refuses an object that
had them, and none can stop the operator.
"""

import gc
import json
from decimal import Decimal
from typing import Any

MAX_LEVELS = 200
"""For a whole document. A spec may have ``examine.MAX_DEPTH``; the rest is for lists around it."""
_OPEN, _CLOSE, _QUOTE = b"[{", b"]}", ord('"')


def decode(data: bytes) -> Any:
    """The value of a JSON text. Raises ValueError for invalid JSON."""
    if data.count(b"[") + data.count(b"{") > MAX_LEVELS:
        data = flattened(data)
    collects = gc.isenabled()
    # In a text of brackets alone, the search for cycles, of which there are none, takes nine tenths
    # of the time.
    gc.disable()
    try:
        return json.loads(data)
    finally:
        if collects:
            gc.enable()


def quantity(text: object) -> Decimal:
    """The number of ``250m`` or ``1Gi``. Raises ValueError for anything else."""
    from kubernetes.utils.quantity import parse_quantity

    number: Decimal = parse_quantity(text)  # type: ignore[no-untyped-call]
    return number


def flattened(data: bytes) -> bytes:
    """The same JSON with null for each value that is nested more than ``MAX_LEVELS`` deep."""
    import numpy as np  # a command that reads a few small objects does not need it

    plain = data.replace(b"\\\\", b"..").replace(b'\\"', b"..")  # what does not end a string
    text = np.frombuffer(plain, dtype=np.uint8)
    outside = (np.cumsum(text == _QUOTE, dtype=np.int32) & 1) == 0
    steps = np.zeros(len(text), dtype=np.int8)
    for bracket in _OPEN:
        steps[(text == bracket) & outside] = 1
    for bracket in _CLOSE:
        steps[(text == bracket) & outside] = -1
    depth = np.cumsum(steps, dtype=np.int32)
    # The bracket that closes the first excess level is at the depth outside it.
    deep = (depth > MAX_LEVELS) | ((depth == MAX_LEVELS) & (steps == -1))
    if not deep.any():
        return data
    edges = np.flatnonzero(np.diff(deep.astype(np.int8), prepend=0, append=0))
    kept, at = [], 0
    for begin, end in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
        kept += [data[at:begin], b"null"]
        at = end
    return b"".join([*kept, data[at:]])
