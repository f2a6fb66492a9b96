"""A server with moods, so that a report has something to show: it stalls, and it fails."""

import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Moods:
    """What the server does, and when; seconds after its first request."""

    stall: tuple[float, float] = (0.0, 0.0)
    """It sleeps through most of what is left of this time."""
    errors: tuple[float, float] = (0.0, 0.0)
    """Each sixth answer is a 503."""
    slow: float = 1.0
    """All answers take this many times as long."""
    began: float | None = None
    luck: random.Random = field(default_factory=lambda: random.Random(7))

    def pause(self, path: str) -> float:
        """How long the next answer takes."""
        typical = 0.002 if path.endswith("list") else 0.008
        pause = self.luck.lognormvariate(0, 0.6) * typical * self.slow
        if self._within(self.stall):
            pause += (self.stall[1] - self._now()) * 0.2
        return pause + (1.5 if self.luck.random() < 0.004 else 0.0)

    def status(self) -> int:
        """Of the next answer."""
        return 503 if self._within(self.errors) and self.luck.random() < 1 / 6 else 200

    def _within(self, when: tuple[float, float]) -> bool:
        return when[0] <= self._now() < when[1]

    def _now(self) -> float:
        if self.began is None:
            self.began = time.monotonic()
        return time.monotonic() - self.began


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Headers and body in one segment: without it each answer waits 40 ms for an acknowledgement.
    wbufsize = -1
    moods: Moods

    def _answer(self) -> None:
        time.sleep(self.moods.pause(self.path))
        self.send_response(self.moods.status())
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    do_GET = do_POST = _answer

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 512


@contextmanager
def moody(moods: Moods) -> Iterator[str]:
    """The URL of such a server on 127.0.0.1."""
    server = _Server(("127.0.0.1", 0), type("Handler", (_Handler,), {"moods": moods}))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
