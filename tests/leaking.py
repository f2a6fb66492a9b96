"""A server that answers, and keeps one MiB more each second: ``python leaking.py PORT``."""

import http.server
import sys
import threading
import time

KEPT: list[bytearray] = []


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers ok."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *_: object) -> None:
        """Nothing: its output is nobody's."""


def leak() -> None:
    """Never ends."""
    while True:
        KEPT.append(bytearray(b"x") * (1024 * 1024 // 10))
        time.sleep(0.1)


if __name__ == "__main__":
    threading.Thread(target=leak, daemon=True).start()
    http.server.ThreadingHTTPServer(("", int(sys.argv[1])), Handler).serve_forever()
