"""nginx as the target: one worker on a core of its own, from a folder of its own."""

import contextlib
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks import cores
from tests.cluster.commands import run
from tests.cluster.components import free_port
from tests.cluster.tools import program

_CONFIG = """
daemon off; master_process off; worker_processes 1;
pid {folder}/nginx.pid; error_log {folder}/error.log crit;
events {{ worker_connections 16384; }}
http {{
  access_log off; keepalive_requests 1000000000; keepalive_timeout 3600; client_body_timeout 600;
  http2_max_concurrent_streams 16;
  client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;
  uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  ssl_certificate {folder}/tls.crt; ssl_certificate_key {folder}/tls.key;
  ssl_protocols TLSv1.3;
  server {{ listen 127.0.0.1:{plain} backlog=16384; {places} }}
  server {{ listen 127.0.0.1:{tls} ssl backlog=16384; {places} }}
  server {{ listen 127.0.0.1:{http2} ssl http2; {places} }}
}}
"""
# Answered from memory: with a file, nginx would be busy before the clients are.
_PLACES = """
location = / {{ default_type text/plain; return 200 'ok\\n'; }}
location = /status {{ stub_status; }}
location = /orders {{ default_type application/json; {answer} }}
location = /large {{ default_type application/octet-stream; alias {folder}/large; }}
location /items {{ default_type application/json; return 200 '[{{"id": 1}}, {{"id": 2}}]'; }}
"""
_ORDER = """return 201 '{"id": "0b5ab7a2-8d3f-4f3a-9a53-3e8f0d0f6b3e", "state": "new"}';"""


@dataclass(frozen=True)
class Target:
    """Where nginx listens, by how it is spoken to."""

    plain: str
    tls: str
    http2: str


@contextlib.contextmanager
def serving() -> Iterator[Target]:
    """nginx, until the end of the block."""
    ports = {name: free_port() for name in ("plain", "tls", "http2")}
    with tempfile.TemporaryDirectory(prefix="perfrun-bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        _certificate(folder)
        places = _PLACES.format(answer=_ORDER, folder=folder)
        (folder / "large").write_bytes(bytes(64 * 1024))
        (folder / "nginx.conf").write_text(_CONFIG.format(folder=folder, places=places, **ports))
        argv = ["taskset", "-c", cores.SERVER, str(program("nginx")), "-c", f"{folder}/nginx.conf"]
        process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            _until_it_listens(process, folder)
            yield Target(
                plain=f"http://127.0.0.1:{ports['plain']}",
                tls=f"https://127.0.0.1:{ports['tls']}",
                http2=f"https://127.0.0.1:{ports['http2']}",
            )
        finally:
            process.terminate()
            process.wait()


def _until_it_listens(process: "subprocess.Popen[bytes]", folder: Path) -> None:
    deadline = time.monotonic() + 10
    while not (folder / "nginx.pid").exists():
        if process.poll() is not None or time.monotonic() > deadline:
            log = folder / "error.log"
            raise RuntimeError(f"nginx did not start: {log.read_text() if log.exists() else ''}")
        time.sleep(0.05)


def _certificate(folder: Path) -> None:
    subject = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    files = ["-keyout", f"{folder}/tls.key", "-out", f"{folder}/tls.crt", "-days", "2"]
    run(["openssl", "req", "-x509", *key, *files, *subject], what="openssl")
