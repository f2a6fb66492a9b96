"""A small API server over HTTP: lists with versions, watches that can expire, logs, refusals."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

Json = dict[str, Any]
CREATED = "2026-11-25T10:00:00Z"


def perftest_body(name: str = "api", **status: Any) -> Json:
    return {
        "apiVersion": "perfrun.dev/v1alpha1",
        "kind": "PerfTest",
        "metadata": {
            "name": name,
            "namespace": "shop",
            "creationTimestamp": CREATED,
            "managedFields": [{"manager": "kubectl"}],
        },
        "spec": {"schedule": {"cron": "0 2 * * *", "timeZone": "Europe/Berlin"}},
        "status": status,
    }


def run_body(name: str = "api-1", test: str = "api", created: str = CREATED, **status: Any) -> Json:
    return {
        "apiVersion": "perfrun.dev/v1alpha1",
        "kind": "PerfRun",
        "metadata": {
            "name": name,
            "namespace": "shop",
            "uid": f"uid-{name}",
            "creationTimestamp": created,
        },
        "spec": {"testRef": {"name": test}, "reason": "Requested"},
        "status": status,
    }


def pod_body(run: str, index: int) -> Json:
    label = "batch.kubernetes.io/job-completion-index"
    return {
        "metadata": {
            "name": f"pr-{run}-{index}",
            "namespace": "shop",
            "labels": {"perfrun.dev/run": run, label: str(index)},
            "annotations": {label: str(index)},
        }
    }


def status_body(code: int, message: str, reason: str = "", name: str = "") -> Json:
    details = {"name": name} if name else {}
    return {
        "kind": "Status",
        "code": code,
        "message": message,
        "reason": reason,
        "details": details,
    }


@dataclass
class FakeApi:
    """What it holds, and how it refuses."""

    objects: dict[str, list[Json]] = field(default_factory=dict)
    """By plural."""
    logs: dict[str, str | int] = field(default_factory=dict)
    """By pod; a number is the status of a refusal."""
    refusing: dict[tuple[str, str], Json | str | bytes] = field(default_factory=dict)
    """By method or "watch", and plural: a Status, a text that is none (404), or bytes (200)."""
    events: dict[str, list[list[Json]]] = field(default_factory=dict)
    """By plural: what each watch in turn says before it ends; the last one stays open."""
    asked: list[str] = field(default_factory=list)
    closed: threading.Event = field(default_factory=threading.Event)

    def answer(self, handler: BaseHTTPRequestHandler, method: str) -> None:
        url = urlsplit(handler.path)
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        self.asked.append(f"{method} {unquote(handler.path)}")
        parts = url.path.split("/")
        rest = parts[3:] if parts[1] == "api" else parts[4:]
        namespaced = rest[0] == "namespaces" and len(rest) > 2
        plural, *name = rest[2:] if namespaced else rest
        verb = "watch" if "watch" in query else method
        if (refused := self.refusing.get((verb, plural))) is not None:
            self._refuse(handler, refused)
        elif verb == "watch":
            self._watch(handler, plural)
        elif name[1:] == ["log"]:
            self._log(handler, name[0])
        elif name:
            self._one(handler, plural, name[0])
        else:
            self._list(handler, plural, query, rest[1] if namespaced else "")

    def _refuse(self, handler: BaseHTTPRequestHandler, refused: Json | str | bytes) -> None:
        if isinstance(refused, bytes):
            _send(handler, 200, refused)
        elif isinstance(refused, str):
            _send(handler, 404, refused.encode())
        else:
            _send(handler, refused["code"], json.dumps(refused).encode())

    def _watch(self, handler: BaseHTTPRequestHandler, plural: str) -> None:
        waiting = self.events.get(plural) or [[]]
        events = waiting.pop(0) if len(waiting) > 1 else waiting[0]
        stays = len(waiting) == 1 and events is waiting[0]
        handler.send_response(200)
        handler.end_headers()
        for event in events:
            handler.wfile.write(json.dumps(event).encode() + b"\n")
            handler.wfile.flush()
        if stays:
            self.closed.wait(20)

    def _log(self, handler: BaseHTTPRequestHandler, pod: str) -> None:
        log = self.logs.get(pod, 404)
        if isinstance(log, int):
            reason = "NotFound" if log == 404 else "BadRequest"
            self._refuse(handler, status_body(log, "ContainerCreating", reason, pod))
        else:
            _send(handler, 200, log.encode())

    def _one(self, handler: BaseHTTPRequestHandler, plural: str, name: str) -> None:
        for body in self.objects.get(plural, []):
            if body["metadata"]["name"] == name:
                return _send(handler, 200, json.dumps(body).encode())
        message = f'{plural} "{name}" not found'
        return self._refuse(handler, status_body(404, message, "NotFound", name))

    def _list(
        self, handler: BaseHTTPRequestHandler, plural: str, query: Json, namespace: str
    ) -> None:
        found = [
            body
            for body in self.objects.get(plural, [])
            if namespace in ("", body["metadata"]["namespace"]) and _selected(body, query)
        ]
        start = int(query.get("continue", 0))
        page = found[start : start + 2]
        metadata = {"resourceVersion": "7"}
        if start + 2 < len(found):
            metadata["continue"] = str(start + 2)
        _send(handler, 200, json.dumps({"metadata": metadata, "items": page}).encode())


def _selected(body: Json, query: Json) -> bool:
    labels = body["metadata"].get("labels", {})
    wanted = [part.split("=") for part in query.get("labelSelector", "").split(",") if part]
    fields = dict(part.split("=") for part in query.get("fieldSelector", "").split(",") if part)
    name = fields.get("metadata.name", body["metadata"]["name"])
    return all(labels.get(key) == value for key, value in wanted) and (
        name == body["metadata"]["name"]
    )


def _send(handler: BaseHTTPRequestHandler, status: int, body: bytes) -> None:
    handler.send_response(status)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)


@contextmanager
def serving(api: FakeApi, config: Path) -> Iterator[None]:
    """Serve it, and write a kubeconfig for it."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            api.answer(self, "GET")

        def do_PATCH(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            api.answer(self, "PATCH")

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    url = f"http://127.0.0.1:{server.server_port}"
    config.write_text(json.dumps(kubeconfig(url)))
    try:
        yield
    finally:
        api.closed.set()
        server.shutdown()
        thread.join()
        server.server_close()


def kubeconfig(url: str) -> Json:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "fake",
        "contexts": [
            {"name": "fake", "context": {"cluster": "c", "user": "u", "namespace": "shop"}}
        ],
        "clusters": [{"name": "c", "cluster": {"server": url}}],
        "users": [{"name": "u", "user": {}}],
    }
