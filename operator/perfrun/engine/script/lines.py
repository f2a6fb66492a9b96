"""What decoders share: lines, whose length has a bound, what an unreadable one raises, and requests
that ended alike.
"""

MAX_LINE = 64 * 1024
"""Bytes of a line; a longer one is not kept."""
UNREADABLE = (
    *(ValueError, TypeError, LookupError, AttributeError),
    *(RecursionError, OverflowError),
)
"""What reading JSON of any content may raise, if it is not what was expected."""


class LineBuffer:
    """Complete lines of data that may be cut anywhere."""

    def __init__(self) -> None:
        self._rest = b""
        self._skips = False
        """Whether a line that is too long has not ended yet."""

    def feed(self, data: bytes) -> tuple[list[bytes], int]:
        """The lines that are complete now, without their ends, and how many were too long."""
        lines = (self._rest + data).split(b"\n")
        self._rest = lines.pop()
        if self._skips and lines:
            del lines[0]
            self._skips = False
        too_long = 0
        if len(self._rest) > MAX_LINE:
            too_long = int(not self._skips)
            self._skips, self._rest = True, b""
        return lines, too_long

    def end(self) -> bytes:
        """What is left without an end; nothing of a line that was too long."""
        rest, self._rest = b"" if self._skips else self._rest, b""
        return rest


class Alike:
    """Requests of one chunk that ended alike."""

    __slots__ = ("at", "durations", "message", "received")

    def __init__(self, message: str) -> None:
        """``message``: the reason of the first, if they failed."""
        self.durations: list[int] = []
        self.at = self.received = 0
        self.message = message
