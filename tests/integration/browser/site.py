"""A web site whose pages take known times, and that keeps what is asked and told of it."""

import contextlib
import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

DOCUMENT_S, IMAGE_S = 0.3, 0.25
TASK_MS = 200
"""How long the task of /timed keeps the page from answering, after it has loaded."""
SHIFT = 0.28125
"""A block of half the window's height that moves by 360 of 1280 pixels: 1 × 360 / 1280."""

_HEAD = "<!doctype html><link rel=icon href=data:,>"
_PICTURE = (
    '<svg xmlns="http://www.w3.org/2000/svg" width="200" height="100">'
    '<rect width="200" height="100" fill="teal"/></svg>'
)
TIMED = f"""{_HEAD}<title>timed</title>
<style>body {{ margin: 0 }} #block {{ height: 360px; width: 100vw; background: silver }}</style>
<div id=room></div><div id=block>something to see</div><img src=/picture width=200 height=100>
<script>
const told = {{ tasks: [], shift: 0, largest: 0 }};
const watch = (type, take) => new PerformanceObserver(
  (list) => list.getEntries().forEach(take)).observe({{ type, buffered: true }});
watch("longtask", (one) => told.tasks.push(one.duration));
watch("layout-shift", (one) => {{ told.shift += one.value; }});
watch("largest-contentful-paint", (one) => {{ told.largest = one.startTime; }});
addEventListener("load", () => setTimeout(() => {{
  const from = performance.now();
  while (performance.now() - from < {TASK_MS});
  told.busy = [from, performance.now()];
  room.style.height = "360px";
  console.error("one"); console.error("two"); console.warn("none");
  setTimeout(() => {{ throw new Error("three"); }}, 10);
  setTimeout(() => {{
    const [page] = performance.getEntriesByType("navigation");
    told.load = page.loadEventEnd;
    told.paint = performance.getEntriesByName("first-contentful-paint")[0].startTime;
    fetch("/told", {{ method: "POST", body: JSON.stringify(told) }});
  }}, 150);
}}, 150));
</script>"""
FORM = f"""{_HEAD}<title>shop</title><form action=/found><input id=q name=q>
<button id=go>go</button></form>"""
PAGES = {
    "/": FORM,
    "/timed": TIMED,
    "/plain": f"{_HEAD}<p>plain</p>",
    "/pictures": f"{_HEAD}<p>pictures</p><img src=/picture>",
    "/alert": f"{_HEAD}<p>alert</p><script>alert('who is there'); confirm('sure?')</script>",
    "/popup": f"{_HEAD}<p>popup</p><script>open('/plain')</script>",
    "/flood": f"{_HEAD}<p>flood</p><script>for (let n = 0; n < 5000; n++) console.log(n)</script>",
    "/restless": f"{_HEAD}<p>restless</p><script>setInterval(() => {{"
    "const from = performance.now(); while (performance.now() - from < 60); }, 80)</script>",
    "/blank": _HEAD,
}


class Site:
    """What is known of it."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self.asked: list[str] = []
        """Paths, in order."""
        self.agents: set[str] = set()
        self.told: list[dict[str, Any]] = []
        """What pages have measured themselves."""
        self.forever = threading.Event()

    def count(self, path: str) -> int:
        """How often a path was asked for."""
        return self.asked.count(path)


class Handler(BaseHTTPRequestHandler):
    """Answers, and keeps book in the :class:`Site` of its server."""

    protocol_version = "HTTP/1.1"
    server: "Server"

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        site = self.server.site
        site.asked.append(parts.path)
        site.agents.add(self.headers["User-Agent"])
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        answer = getattr(self, "at_" + parts.path[1:].replace("-", "_"), None)
        if answer is not None:
            answer(query)
        elif parts.path in PAGES:
            self._send(200, PAGES[parts.path])
        else:
            self._send(404, f"{_HEAD}<p>not here</p>")

    def do_POST(self) -> None:
        self.server.site.asked.append(self.path)
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.site.told.append(json.loads(body))
        self._send(204, "")

    def at_never(self, _: dict[str, str]) -> None:
        self.server.site.forever.wait(30)
        self.close_connection = True

    def at_timed(self, _: dict[str, str]) -> None:
        time.sleep(DOCUMENT_S)
        self._send(200, TIMED)

    def at_picture(self, _: dict[str, str]) -> None:
        time.sleep(IMAGE_S)
        self._send(200, _PICTURE, "image/svg+xml", ("Cache-Control", "max-age=600"))

    def at_found(self, query: dict[str, str]) -> None:
        self._send(200, f"{_HEAD}<p id=results>nothing like {len(query['q'])} letters</p>")

    def at_round(self, _: dict[str, str]) -> None:
        self._send(302, "", "text/html", ("Location", "/round"))

    def at_to(self, query: dict[str, str]) -> None:
        self._send(302, "", "text/html", ("Location", query["url"]))

    def at_with(self, query: dict[str, str]) -> None:
        self._send(200, f"{_HEAD}<p>parts</p><script>{query['script']}</script>")

    def at_file(self, _: dict[str, str]) -> None:
        self._send(200, "x" * 1000, "application/x-thing")

    def at_broken(self, _: dict[str, str]) -> None:
        self._send(500, f"{_HEAD}<p>broken</p>")

    def at_hang_up(self, _: dict[str, str]) -> None:
        self.close_connection = True

    def _send(
        self, status: int, body: str, type_: str = "text/html", *headers: tuple[str, str]
    ) -> None:
        data = body.encode()
        # The page may be gone already.
        with contextlib.suppress(ConnectionError):
            self.send_response(status)
            for name, value in (("Content-Type", type_), *headers):
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)


class Server(ThreadingHTTPServer):
    """The site's server."""

    daemon_threads = True
    site: Site

    def handle_error(self, *_: object) -> None:
        pass


@contextlib.contextmanager
def site() -> Iterator[Site]:
    """The site, for as long as it is needed."""
    with Server(("127.0.0.1", 0), Handler) as server:
        known = server.site = Site(server.server_address[1])
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield known
        known.forever.set()
        server.shutdown()
        thread.join()
