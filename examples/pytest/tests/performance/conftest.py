"""A small shop to be tested, so that this example runs anywhere. Yours has the address of a test
environment here, as from an environment variable."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest


class Shop(BaseHTTPRequestHandler):
    """Answers at once, whatever is asked."""

    protocol_version = "HTTP/1.1"
    # Head and body in one segment: else each answer waits for an acknowledgement.
    wbufsize = -1

    def do_GET(self) -> None:
        """A list of items, or whatever else is read."""
        self._answer(200, {"items": [{"id": 1}], "state": "ok"})

    def do_POST(self) -> None:
        """An order."""
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self._answer(201, {"id": 1, "state": "new"})

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: there are thousands of requests."""

    def _answer(self, status: int, body: object) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


class Server(ThreadingHTTPServer):
    """Takes many connections at once, as a burst makes them."""

    request_queue_size = 1024
    daemon_threads = True


@pytest.fixture(scope="session")
def shop() -> Iterator[str]:
    """The address of the shop."""
    server = Server(("127.0.0.1", 0), Shop)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()
