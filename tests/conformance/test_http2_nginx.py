"""HTTP/2 with nginx, in clear text and over TLS: what the other peer of the tests is too polite for."""

import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.tools import program
from tests.unit.engine.conftest import Run
from tests.unit.engine.http.tls.test_settings import certificate, server_context
from tests.unit.engine.server import burst, plan, step

CONFIG = """
daemon off; master_process off; worker_processes 1;
pid {folder}/pid; error_log {folder}/log;
events {{ worker_connections 256; }}
http {{
  access_log off; default_type text/plain; client_max_body_size 4m;
  client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;
  uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  ssl_certificate {folder}/tls.crt; ssl_certificate_key {folder}/tls.key;
  server {{
    listen 127.0.0.1:{clear} http2; listen 127.0.0.1:{secure} ssl http2;
    root {folder}; keepalive_requests 100;
    location /few {{ return 200 'ok'; }}
    location /upload {{ proxy_pass http://127.0.0.1:{behind}/few; }}
  }}
  server {{ listen 127.0.0.1:{behind}; location / {{ return 200 'ok'; }} }}
}}
"""


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture(scope="module")
def urls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Where nginx listens: in clear text and with TLS. A connection carries 100 requests."""
    folder: Path = tmp_path_factory.mktemp("nginx")
    server_context(folder, certificate("localhost"))
    (folder / "large").write_bytes(b"x" * 300_000)
    ports = {name: _free_port() for name in ("clear", "secure", "behind")}
    (folder / "conf").write_text(CONFIG.format(folder=folder, **ports))
    process = subprocess.Popen([str(program("nginx")), "-c", str(folder / "conf")])
    deadline = time.monotonic() + 10
    try:
        while not (folder / "pid").exists():
            assert process.poll() is None, (folder / "log").read_text()
            assert time.monotonic() < deadline, "nginx does not come up"
            time.sleep(0.01)
        yield {
            "clear": f"http://127.0.0.1:{ports['clear']}",
            "secure": f"https://127.0.0.1:{ports['secure']}",
        }
    finally:
        process.terminate()
        process.wait()


@pytest.mark.parametrize("way", ["clear", "secure"])
async def test_no_request_is_lost_when_nginx_recycles_connections(
    run: Run, urls: dict[str, str], way: str
) -> None:
    tls = {"tls": {"insecureSkipVerify": True}} if way == "secure" else {}
    asked = plan(urls[way], burst(1000, 5), step("/few"), protocol="HTTP/2", **tls)
    report = await run(asked)
    (got,) = report.window.steps
    assert (got.succeeded, got.attempts, got.errors) == (1000, 1000, {})
    assert report.generator.connections >= 10


@pytest.mark.parametrize("way", ["clear", "secure"])
async def test_large_bodies_go_both_ways(run: Run, urls: dict[str, str], way: str) -> None:
    tls = {"tls": {"insecureSkipVerify": True}} if way == "secure" else {}
    steps = [
        step("/upload", "up", method="POST", body="x" * 250_000),
        step("/large", "down", expect={"maxBytes": 400_000}),
    ]
    report = await run(plan(urls[way], burst(8, 4), *steps, protocol="HTTP/2", **tls))
    up, down = report.window.steps
    assert (up.succeeded, down.succeeded) == (8, 8), (up.errors, down.errors)
    assert down.bytes_received >= 8 * 300_000
