"""The watches, by kopf: events in, names out.

Only ``on.event`` handlers: kopf then keeps no state on the objects, adds no finalizers (they would
wedge a namespace while the operator is gone), and a handler does nothing but remember and queue.
"""

import ssl
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import kopf
from pydantic import ValidationError

from perfrun.api import GROUP, VERSION
from perfrun.api.run.perfrun import PerfRun, Phase
from perfrun.controller.metrics import Metrics
from perfrun.controller.objects.policies import policy_record
from perfrun.controller.objects.store import Key, RunRecord, Store, run_record
from perfrun.controller.run.reconciler import RunReconciler
from perfrun.controller.watch.queue import WorkQueue
from perfrun.kube.client import METADATA_LIST, Json
from perfrun.kube.decoding import decode, flattened

# The server ends a watch after this; kopf then lists anew.
SERVER_TIMEOUT_S = 300
CLIENT_TIMEOUT_S = 330
CONNECT_TIMEOUT_S = 10
NEXT_ONES = 20
# Lists come in pages, and what reads an event ends soon after it: all of ten thousand objects in
# memory at once, for a moment only, cost more than 100 MiB for good. An object may have 1.5 MiB.
LIST_PAGE = 50
METADATA = METADATA_LIST.replace("List", "")
WORKER_IDLE_S = 0.5
LOOK_AFTER_S, MAX_LOOK_AFTER_S = 0.001, 10.0
"""How long news of a run may wait until its test is looked at, for each run of that test: a look
goes through all of them, and news of thousands would cost as many looks at thousands."""


class LenientConnection(kopf.ConnectionInfo):
    """A connection that takes the certificates that clusters have.

    From Python 3.13 the default is to refuse certificates without the extensions that RFC 5280
    asks for, which many clusters' are. Chain and host name are verified all the same.
    """

    def as_ssl_context(self) -> ssl.SSLContext:
        """The context as kopf makes it, without the strictness."""
        context = super().as_ssl_context()
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        return context


class Response(aiohttp.ClientResponse):
    """An answer whose JSON may be nested as deep as somebody likes."""

    async def start(self, connection: Any) -> aiohttp.ClientResponse:
        """As before; a watch is read line by line, and each line is made flat."""
        started = await super().start(connection)
        if self.url.query.get("watch") == "true":
            self.content = FlatLines(self.content)  # type: ignore[assignment]
        return started

    async def json(self, **_: Any) -> Any:
        """The value of the whole body. An empty list is one, also where it is written as null."""
        value = decode(await self.read())
        if isinstance(value, dict) and value.get("items", ()) is None:
            value["items"] = []
        return value


class FlatLines:
    """The stream of a watch, in whole lines of JSON that Python can read."""

    def __init__(self, stream: aiohttp.StreamReader) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    async def iter_chunked(self, size: int) -> AsyncIterator[bytes]:
        """As of the stream, each chunk one line."""
        parts: list[bytes] = []
        async for chunk in self._stream.iter_chunked(size):
            *ends, rest = chunk.split(b"\n")
            for end in ends:
                yield flattened(b"".join([*parts, end])) + b"\n"
                parts = []
            parts.append(rest)
        if any(parts):
            yield flattened(b"".join(parts))


async def ask_for_metadata(
    request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    """Watch PerfTests without their contents: of those, only their names are of use here."""
    if request.url.path.endswith("/perftests"):
        watching = request.url.query.get("watch") == "true"
        request.headers["Accept"] = METADATA if watching else METADATA_LIST
    return await handler(request)


def session_of(found: kopf.ConnectionInfo) -> kopf.AiohttpSession:
    """What kopf would have made of these credentials, with all of the above."""
    info = LenientConnection(**vars(found))
    return kopf.AiohttpSession(
        server=info.server,
        default_namespace=info.default_namespace,
        priority=info.priority,
        expiration=info.expiration,
        aiohttp_session=aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, ssl=info.as_ssl_context()),
            headers=info.as_http_headers(),
            proxy=info.proxy_url,
            trust_env=info.trust_env,
            response_class=Response,
            middlewares=[ask_for_metadata],
        ),
    )


class Watches:
    """What the watches feed: the store, and the two queues."""

    def __init__(
        self,
        store: Store,
        tests: WorkQueue[Key],
        runs: WorkQueue[Key],
        reconciler: RunReconciler,
        metrics: Metrics,
    ) -> None:
        self._store = store
        self._tests = tests
        self._runs = runs
        self._reconciler = reconciler
        self._metrics = metrics

    def test_event(self, kind: str | None, body: Json) -> None:
        """A PerfTest was listed, created, changed or deleted."""
        key = _key(body)
        if kind == "DELETED":
            self._store.tests.pop(key, None)
            self._store.forget_pulse("PerfTest", body)
            self._metrics.drop_test(key)
            return
        self._store.tests[key] = body["metadata"]["uid"]
        self._metrics.see_test(key, body["metadata"].get("labels") or {})
        self._store.pulse("PerfTest", body)
        self._tests.add(key)

    def run_event(self, kind: str | None, body: Json) -> None:
        """A PerfRun was listed, created, changed or deleted."""
        key = _key(body)
        known = self._store.delivered.pop(key, None)
        if kind == "DELETED":
            self._store.forget_pulse("PerfRun", body)
            self._reconciler.forget(key)
            self._drop(key, known)
            return
        self._store.pulse("PerfRun", body)
        if body["metadata"].get("deletionTimestamp"):
            # A finalizer may keep it for long; it holds no target and runs no more.
            self._drop(key, known)
            self._runs.add(key)
            return
        try:
            run = PerfRun.parse(body)
        except ValidationError:
            # Somebody else has written into it. It holds no target, and the reconciler ends it.
            self._drop(key, known)
            self._runs.add(key)
            return
        record = run_record(run)
        before = self._store.runs.get(key)
        self._store.put_run(record)
        self._store.delivered[key] = record
        if record.done:
            self._metrics.see_run(run)
        # Progress alone is no news, nor is the queue: the reconciler wrote it itself.
        queued = record.phase is Phase.QUEUED and record == before
        behind = record.done and run.status.observed_generation != run.metadata.generation
        if behind or (record != known and not (known is not None and queued)):
            self._runs.add(key)
        if known is None or known.phase is not record.phase:
            self._look_at_test(Key(key.namespace, record.test))
            if record.done or record.phase is Phase.STARTING:
                self._wake_queue()

    def policy_event(self, kind: str | None, body: Json) -> None:
        """A PerfPolicy was listed, created, changed or deleted."""
        name = body["metadata"]["name"]
        if kind == "DELETED":
            self._store.drop_policy(name)
            self._store.forget_pulse("PerfPolicy", body)
        else:
            self._store.put_policy(name, policy_record(body))
            self._store.pulse("PerfPolicy", body)
        self.policies_changed()

    def policies_changed(self) -> None:
        """Everything may be allowed now that was not, and the other way round."""
        for key in self._store.tests:
            self._tests.add(key)
        for run in self._store.unfinished():
            self._runs.add(run.key)

    def _drop(self, key: Key, known: RunRecord | None) -> None:
        """A run is gone, or as good as gone: who counted it or waited for it looks again."""
        self._store.drop_run(key)
        if known is not None:
            self._look_at_test(Key(key.namespace, known.test))
            self._wake_queue()

    def _look_at_test(self, test: Key) -> None:
        after = LOOK_AFTER_S * self._store.count_of(test)
        self._tests.add(test, min(after, MAX_LOOK_AFTER_S))

    def _wake_queue(self) -> None:
        """Whose turn it is now is looked at at once; all others may be thousands."""
        for waiting in self._store.admission().next_ones(NEXT_ONES):
            self._runs.add(Key(waiting.namespace, waiting.name))


def registry(watches: Watches, *, with_policies: bool) -> kopf.OperatorRegistry:
    """The handlers, as kopf wants them. Policies belong to the whole cluster."""
    handlers = kopf.OperatorRegistry()

    @kopf.on.startup(registry=handlers)
    def configure(settings: kopf.OperatorSettings, **_: Any) -> None:
        settings.watching.server_timeout = SERVER_TIMEOUT_S
        settings.watching.client_timeout = CLIENT_TIMEOUT_S
        settings.watching.connect_timeout = CONNECT_TIMEOUT_S
        settings.watching.chunk_size = LIST_PAGE
        settings.queueing.idle_timeout = WORKER_IDLE_S
        settings.posting.enabled = False
        settings.scanning.disabled = True

    @kopf.on.login(registry=handlers)
    async def login(**kwargs: Any) -> kopf.AiohttpSession | None:
        found = kopf.login_with_service_account(**kwargs) or kopf.login_with_kubeconfig(**kwargs)
        return session_of(found) if found is not None else None

    @kopf.on.event(GROUP, VERSION, "perftests", registry=handlers)
    async def test_event(type: str | None, body: kopf.Body, **_: Any) -> None:
        watches.test_event(type, dict(body))

    @kopf.on.event(GROUP, VERSION, "perfruns", registry=handlers)
    async def run_event(type: str | None, body: kopf.Body, **_: Any) -> None:
        watches.run_event(type, dict(body))

    if with_policies:

        @kopf.on.event(GROUP, VERSION, "perfpolicies", registry=handlers)
        async def policy_event(type: str | None, body: kopf.Body, **_: Any) -> None:
            watches.policy_event(type, dict(body))

    return handlers


def _key(body: Json) -> Key:
    return Key(body["metadata"]["namespace"], body["metadata"]["name"])
