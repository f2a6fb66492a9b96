"""JSON of the API server as Python reads it, however deep somebody has nested it.

An API server takes ten thousand levels, and repeats them in ``managedFields``. Python's reader
gives up at a thousand (3.11) to ten thousand (3.13), and whatever walks over it long before.
What lies deeper than any object that can be used is null here: an object that had it is refused by
its check, and none is ever a reason to stop.
"""

import gc
import json
from decimal import Decimal
from typing import Any

MAX_LEVELS = 200
"""Of a whole document. A spec may have ``examine.MAX_DEPTH``; the rest is for lists around it."""
_OPEN, _CLOSE, _QUOTE = b"[{", b"]}", ord('"')


def decode(data: bytes) -> Any:
    """The value of a JSON text. Raises ValueError for what is none."""
    if data.count(b"[") + data.count(b"{") > MAX_LEVELS:
        data = flattened(data)
    collects = gc.isenabled()
    # Of a text of brackets alone, the search for cycles, of which there are none, takes nine tenths
    # of the time.
    gc.disable()
    try:
        return json.loads(data)
    finally:
        if collects:
            gc.enable()


def quantity(text: object) -> Decimal:
    """The number of ``250m`` or ``1Gi``. Raises ValueError for what is none."""
    from kubernetes.utils.quantity import parse_quantity

    number: Decimal = parse_quantity(text)  # type: ignore[no-untyped-call]
    return number


def flattened(data: bytes) -> bytes:
    """The same JSON with null for each value that is nested more than ``MAX_LEVELS`` deep."""
    import numpy as np  # a command that reads some small objects has no use for it

    plain = data.replace(b"\\\\", b"..").replace(b'\\"', b"..")  # what ends no text
    text = np.frombuffer(plain, dtype=np.uint8)
    outside = (np.cumsum(text == _QUOTE, dtype=np.int32) & 1) == 0
    steps = np.zeros(len(text), dtype=np.int8)
    for bracket in _OPEN:
        steps[(text == bracket) & outside] = 1
    for bracket in _CLOSE:
        steps[(text == bracket) & outside] = -1
    depth = np.cumsum(steps, dtype=np.int32)
    # The bracket that closes the first level too many stands at the depth outside of it.
    deep = (depth > MAX_LEVELS) | ((depth == MAX_LEVELS) & (steps == -1))
    if not deep.any():
        return data
    edges = np.flatnonzero(np.diff(deep.astype(np.int8), prepend=0, append=0))
    kept, at = [], 0
    for begin, end in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
        kept += [data[at:begin], b"null"]
        at = end
    return b"".join([*kept, data[at:]])
