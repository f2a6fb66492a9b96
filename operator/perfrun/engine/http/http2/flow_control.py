"""Request bodies over HTTP/2, as fast as the server's windows allow (RFC 9113, 5.2)."""

from perfrun.engine.http.http2.frames import (
    FIRST_WINDOW,
    MAX_FRAME,
    MAX_WINDOW,
    Flag,
    FrameError,
    FrameType,
    frame,
)


class _Upload:
    """A body, how much of it was sent, and how much more the server accepts (bytes)."""

    __slots__ = ("at", "body", "window")

    def __init__(self, body: bytes, window: int) -> None:
        self.at = 0
        self.body = body
        self.window = window


class FlowControl:
    """The bodies of one connection. The caller must send what each method returns at once."""

    __slots__ = ("_first_window", "_frame_size", "_window", "waiting")

    def __init__(self) -> None:
        self._window = self._first_window = FIRST_WINDOW
        self._frame_size = MAX_FRAME
        self.waiting: dict[int, _Upload] = {}
        """Unfinished bodies by stream, the oldest first."""

    def begin(self, number: int, body: bytes) -> bytes:
        """Send a body on a new stream."""
        upload = self.waiting[number] = _Upload(body, self._first_window)
        return self._advance(number, upload)

    def drop(self, number: int) -> bool:
        """Stop sending on a stream. Returns whether there was more to send."""
        return self.waiting.pop(number, None) is not None

    def widen(self, number: int, by: int) -> bytes:
        """A WINDOW_UPDATE; stream 0 is the connection. Raises FrameError."""
        if not by:
            raise FrameError("a WINDOW_UPDATE of 0")
        if number:
            upload = self.waiting.get(number)
            if upload is None:
                return b""
            upload.window = _widened(upload.window, by)
            return self._advance(number, upload)
        self._window = _widened(self._window, by)
        return self._advance_all()

    def resize(self, first_window: int) -> bytes:
        """SETTINGS_INITIAL_WINDOW_SIZE, which also changes open streams. Raises FrameError."""
        if first_window > MAX_WINDOW:
            raise FrameError("a window that is too large")
        by, self._first_window = first_window - self._first_window, first_window
        for upload in self.waiting.values():
            upload.window = _widened(upload.window, by)
        return self._advance_all()

    def reframe(self, size: int) -> None:
        """SETTINGS_MAX_FRAME_SIZE, bytes. Raises FrameError."""
        if not MAX_FRAME <= size < 1 << 24:
            raise FrameError("a frame size that is not allowed")
        self._frame_size = size

    def _advance_all(self) -> bytes:
        frames = []
        for number, upload in list(self.waiting.items()):
            if self._window <= 0:
                break
            frames.append(self._advance(number, upload))
        return b"".join(frames)

    def _advance(self, number: int, upload: _Upload) -> bytes:
        frames = []
        body, end = upload.body, len(upload.body)
        while upload.at < end:
            size = min(end - upload.at, self._window, upload.window, self._frame_size)
            if size <= 0:
                break
            stop = upload.at + size
            flags = Flag.END_STREAM if stop == end else 0
            frames.append(frame(FrameType.DATA, flags, number, body[upload.at : stop]))
            upload.at = stop
            upload.window -= size
            self._window -= size
        else:
            del self.waiting[number]
        return b"".join(frames)


def _widened(window: int, by: int) -> int:
    if window + by > MAX_WINDOW:
        raise FrameError("a window that is too large")
    return window + by
