"""A token service that repeats what it was sent: nothing of it comes out of perfrun."""

import base64
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest

from tests.integration.test_local_run import Cli, cli

__all__ = ["cli"]

CLIENT, SECRET = "perf/run", "s@fe & p4ssw0rd/ö"
FORGED = "\x1b[2J\x1b]0;owned\x07\nevent=done attempts=1\n::error::forged\n##[error]forged\u202e"


class Echo(BaseHTTPRequestHandler):
    """Refuses every request with all that was in it, in every form, and more."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1

    def _refuse(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        said = " ".join([
            FORGED, SECRET, quote(SECRET), quote(SECRET, safe=""), quote_plus(SECRET),
            json.dumps(SECRET), self.headers.get("Authorization", ""), body, FORGED,
        ])  # fmt: skip
        code = "invalid_client" if self.path == "/token" else f"{said} is no code"
        answer = json.dumps({"error": code, "error_description": said}).encode()
        self.send_response(401)
        self.send_header("Content-Length", str(len(answer)))
        self.send_header("X-Said", "yes")
        self.end_headers()
        self.wfile.write(answer)

    do_GET = do_POST = _refuse

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


@pytest.fixture
def echo() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def auth(url: str, path: str) -> str:
    ref = "secretKeyRef: {name: client, key: secret}"
    return (
        f", auth: {{oauth2: {{tokenUrl: {url}{path}, clientId: {CLIENT}, "
        f"clientSecretFrom: {{{ref}}}}}}}"
    )


def forms() -> list[str]:
    """The secret, as the service has it and as others may write it."""
    basic = f"{quote_plus(CLIENT)}:{quote_plus(SECRET)}"
    return [
        SECRET, quote(SECRET), quote(SECRET, safe=""), quote_plus(SECRET), json.dumps(SECRET)[1:-1],
        *(base64.b64encode(text.encode()).decode().rstrip("=") for text in (SECRET, basic)),
    ]  # fmt: skip


def assert_clean(texts: dict[str, str]) -> None:
    assert texts
    for where, text in texts.items():
        assert [form for form in forms() if form in text] == [], where
        assert "\x1b" not in text, where
        assert "\u202e" not in text, where
        assert [line for line in text.splitlines() if line.lstrip().startswith("::")] == [], where
        assert "##[" not in text, where
        assert "event=done attempts=1" not in text.splitlines(), where


@pytest.mark.parametrize(
    ("path", "code"), [("/token", "invalid_client"), ("/odd", "HTTP status 401")]
)
def test_echo_of_a_token_service_is_in_nothing_that_a_run_writes(
    cli: Cli, echo: str, tmp_path: Path, path: str, code: str
) -> None:
    folder = tmp_path / "secrets" / "client"
    folder.mkdir(parents=True)
    (folder / "secret").write_text(f"{SECRET}\n")
    load = "{burst: {requests: 1, concurrency: 1}, startTimeout: 10s}"
    file = cli.manifest("api", echo, load, more=auth(echo, path))
    outputs = [f"--{kind}={tmp_path / f'out.{kind}'}" for kind in ("json", "html", "junit", "md")]
    exit_code, out, err = cli.run(file, "--secrets", folder.parent, *outputs)
    assert exit_code == 3, out + err
    assert f"returned no token: {code}" in out
    written = {path.name: path.read_text() for path in tmp_path.glob("out.*")}
    assert_clean({"stdout": out, "stderr": err, **written})


def test_keys_and_names_of_a_manifest_start_no_command_of_a_ci_system(cli: Cli) -> None:
    """A pull request may bring the file, and its name."""
    file = cli.folder / "::error::name.yaml"
    key = '"\\n::error file=x::key\\u001b[2J ##[error]key\\u202e"'
    file.write_text(
        "apiVersion: perfrun.dev/v1alpha1\nkind: PerfTest\nmetadata: {name: api}\n"
        f"spec: {{target: {{http: {{url: 'http://x'}}}}, {key}: 1, variables: {{{key}: x}}}}\n"
    )
    with cli.start("validate", file.name) as process:
        out, err = process.communicate(timeout=40)
    assert process.returncode == 2
    assert "unknown field" in out
    assert_clean({"stdout": out, "stderr": err})
