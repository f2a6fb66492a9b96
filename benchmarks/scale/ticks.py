"""From the tick to the object: when each PerfRun, or each Job of a CronJob, was there."""

import contextlib
import http.client
import json
import ssl
import threading
import time
import urllib.parse
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from tests.cluster.handle import ApiServer

Json = dict[str, Any]
NAMESPACE = "scale"
SLIM = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
CREATORS = 8


class Http:
    """Requests to the API server as its administrator, over one connection a thread."""

    def __init__(self, server: ApiServer, context: ssl.SSLContext) -> None:
        where = urllib.parse.urlsplit(server.url)
        self._host, self._port, self._context = where.hostname or "", where.port or 443, context
        self._local = threading.local()

    def call(self, method: str, path: str, body: Json | None = None) -> Json:
        """The answer. Raises RuntimeError where the API server refuses."""
        connection = self._connection()
        text = json.dumps(body) if body is not None else None
        connection.request(method, path, text, {"Content-Type": "application/json"})
        response = connection.getresponse()
        content = response.read()
        if response.status >= 400:
            raise RuntimeError(f"{method} {path}: {response.status} {content[:300]!r}")
        answer: Json = json.loads(content)
        return answer

    def watch(self, path: str) -> Iterator[tuple[float, str, str]]:
        """(time of day, event, name) of each change of a collection.

        Begun anew where the API server ends it, which it does when a CRD was just established.
        """
        while True:
            connection = self._new()
            connection.request("GET", f"{path}?watch=1", headers={"Accept": SLIM})
            response = connection.getresponse()
            while line := response.readline():
                event = json.loads(line)
                if event["type"] == "ERROR":
                    break
                yield time.time(), event["type"], event["object"]["metadata"]["name"]
            time.sleep(0.5)

    def _connection(self) -> http.client.HTTPSConnection:
        if not hasattr(self._local, "connection"):
            self._local.connection = self._new()
        connection: http.client.HTTPSConnection = self._local.connection
        return connection

    def _new(self) -> http.client.HTTPSConnection:
        return http.client.HTTPSConnection(self._host, self._port, context=self._context)


@dataclass(frozen=True)
class Kind:
    """What is due, and what comes of it."""

    name: str
    due: str
    """The collection of what is scheduled."""
    made: str
    """The collection of what has to be there after the tick."""

    def body(self, number: int, cron: str) -> Json:
        """One scheduled object."""
        return _perf_test(number, cron) if self.name == "PerfTest" else _cron_job(number, cron)


def _perf_test(number: int, cron: str) -> Json:
    # A target each: of one target's tests all but one would wait.
    url = f"http://shop-{number}:8000/api/v1/health"
    return {
        "apiVersion": "perfrun.dev/v1alpha1",
        "kind": "PerfTest",
        "metadata": {"name": f"test-{number}"},
        "spec": {
            "schedule": {"cron": cron},
            "target": {"http": {"url": url}},
            "load": {"open": {"rate": "100/s", "duration": "1m"}},
            "slos": [{"metric": "latency.p95", "max": "500ms"}],
        },
    }


def _cron_job(number: int, cron: str) -> Json:
    container = {"name": "job", "image": "none"}
    pod = {"spec": {"restartPolicy": "Never", "containers": [container]}}
    spec = {"schedule": cron, "jobTemplate": {"spec": {"template": pod}}}
    return {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": {"name": f"cron-{number}"},
        "spec": {**spec, "timeZone": "Etc/UTC"},
    }


_OURS = f"/apis/perfrun.dev/v1alpha1/namespaces/{NAMESPACE}"
_BATCH = f"/apis/batch/v1/namespaces/{NAMESPACE}"
PERF_TEST = Kind("PerfTest", f"{_OURS}/perftests", f"{_OURS}/perfruns")
CRON_JOB = Kind("CronJob", f"{_BATCH}/cronjobs", f"{_BATCH}/jobs")


class Arrivals(threading.Thread):
    """Notes when each object of a collection was there, by a watch."""

    def __init__(self, http_: Http, path: str) -> None:
        super().__init__(daemon=True)
        self._http, self._path = http_, path
        self.at: dict[str, float] = {}

    def run(self) -> None:
        # An API server that is gone was ended with its round.
        with contextlib.suppress(OSError):
            for at, event, name in self._http.watch(self._path):
                if event == "ADDED":
                    self.at.setdefault(name, at)


def create(http_: Http, kind: Kind, count: int, cron: str) -> None:
    """Create ``count`` objects that are due at ``cron``."""

    def one(number: int) -> None:
        http_.call("POST", kind.due, kind.body(number, cron))

    with ThreadPoolExecutor(CREATORS) as pool:
        for _ in pool.map(one, range(count)):
            pass
