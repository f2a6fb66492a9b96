"""Heads of HTTP/1.1 responses that the parser rejects, but that a client must accept by RFC
9112."""

import re

_END = re.compile(rb"\r?\n\r?\n")
_LINE = re.compile(rb"\r?\n")
_BLANK = b" \t"


def put_plainly(message: bytes) -> bytes | None:
    """A message with its head in the form that the parser accepts; None if the head is not
    complete.

    Folded lines are joined (5.2), spaces before a colon are removed (5.1), a line feed alone ends a
    line (2.2), equal lengths become one, and with Transfer-Encoding a length has no meaning (6.3).
    """
    if (end := _END.search(message)) is None:
        return None
    first, *lines = _LINE.split(message[: end.start()])
    fields: list[tuple[bytes, bytes]] = []
    for line in lines:
        if line[:1] in (b" ", b"\t") and fields:
            name, value = fields[-1]
            fields[-1] = name, value + b" " + line.strip(_BLANK)
        else:
            name, _, value = line.partition(b":")
            fields.append((name.rstrip(_BLANK), value.strip(_BLANK)))
    kept = b"".join(b"\r\n%s: %s" % field for field in _one_length(fields))
    return b"%s%s\r\n\r\n%s" % (first, kept, message[end.end() :])


def _one_length(fields: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """The fields with at most one Content-Length, unless the lengths differ."""
    others = [field for field in fields if field[0].lower() != b"content-length"]
    if any(name.lower() == b"transfer-encoding" for name, _ in others):
        return others
    lengths = {
        each.strip(_BLANK)
        for name, value in fields
        if name.lower() == b"content-length"
        for each in value.split(b",")
    }
    return [*others, (b"Content-Length", lengths.pop())] if len(lengths) == 1 else fields
