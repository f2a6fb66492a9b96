"""perfrun's client of the API server: plain JSON, few verbs, one tree of errors.

The generated classes of the client library are not used: creating them costs more than the
requests, and they drop fields that they do not know.
"""

import json
import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from typing import Self
from urllib.parse import urlencode

import aiohttp
from kubernetes.aio import client
from kubernetes.aio.client.exceptions import ApiException
from kubernetes.config import ConfigException

from perfrun.api import FIELD_MANAGER, Json
from perfrun.api.sentence import printable
from perfrun.kube.decoding import decode
from perfrun.kube.errors import (
    Asked,
    AwayError,
    ConflictError,
    KubeError,
    NotFoundError,
    TooLargeError,
    refusal,
)
from perfrun.kube.login import has_kubeconfig, login_of_pod, login_of_user
from perfrun.kube.resources import PODS, Resource

REQUEST_TIMEOUT_S = 30.0
WATCH_S = 50
"""The server ends a watch after this, so that a dead connection is noticed soon."""
SILENCE_S = 60.0
"""How long a watch may be silent: it has bookmarks."""
PAGE = 500
METADATA_PAGE = 100
"""Anybody may write 256 KiB of annotations into each object."""
MAX_ANSWER = 16 * 1024 * 1024
"""Bytes of JSON. If a page of a list has more, it is requested again with fewer objects: each may
have 1.5 MiB, and six times that if its text has to be escaped.
"""
MAX_ANNOTATION = 1024
"""Length limit of annotations in objects that are read without their contents."""
JSON = "application/json"
METADATA_LIST = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
_METHODS = {"create": "POST", "patch": "PATCH", "delete": "DELETE"}
"""Methods of the verbs that write. All others use GET."""


class Kube:
    """A client of one API server; tokens are reloaded as in the library."""

    def __init__(
        self,
        api: client.ApiClient,
        time_to_write: Callable[[], float] = lambda: REQUEST_TIMEOUT_S,
        patience: float = REQUEST_TIMEOUT_S,
    ) -> None:
        """``patience``: seconds that a request may take. ``time_to_write``: seconds that a write
        may take, called before each; it may raise.
        """
        self._api = api
        self._time_to_write = time_to_write
        self._patience = patience

    @classmethod
    async def connect(cls) -> Self:
        """Connect with the pod's service account, or else with a kubeconfig. Raises KubeError that
        says what to do.
        """
        return cls(client.ApiClient((login_of_pod() or login_of_user(None)).configuration))

    @classmethod
    async def connect_as_user(cls, context: str | None, patience: float) -> tuple[Self, str | None]:
        """Connect with a kubeconfig, and in a pod without one with its service account, as kubectl
        does.

        ``context`` None: the current context. Returns its namespace too. Raises KubeError.
        """
        pod = login_of_pod() if context is None and not has_kubeconfig() else None
        login = pod or login_of_user(context)
        # none: each worker's log is followed for as long as it lasts
        login.configuration.connection_pool_maxsize = 0
        return cls(client.ApiClient(login.configuration), patience=patience), login.namespace

    @property
    def host(self) -> str:
        """The address of the API server."""
        host: str = self._api.configuration.host
        return host

    def fenced(self, time_to_write: Callable[[], float]) -> "Kube":
        """The same connections, for a client that may write only for a limited time (a leader)."""
        return Kube(self._api, time_to_write, self._patience)

    async def own_token(self) -> str:
        """The bearer token that identifies this client; empty if it uses another credential."""
        headers: dict[str, str] = {}
        await self._api.update_params_for_auth(headers, [], ["BearerToken"], "", "GET", None)
        found = {name.lower(): value for name, value in headers.items()}.get("authorization", "")
        scheme, _, token = found.partition(" ")
        # The library writes it in lower case for a pod, and in upper case for a user.
        return token.strip() if scheme.lower() == "bearer" else ""

    async def close(self) -> None:
        """Close the connections."""
        await self._api.close()  # type: ignore[no-untyped-call]

    async def get(self, resource: Resource, namespace: str | None, name: str) -> Json:
        """The object. Raises NotFoundError."""
        return await self._request(Asked(self.host, "get", resource, namespace, name))

    async def find(self, resource: Resource, namespace: str, name: str) -> Json | None:
        """The object, or None if it does not exist."""
        try:
            return await self.get(resource, namespace, name)
        except NotFoundError:
            return None

    async def pages(
        self,
        resource: Resource,
        namespace: str | None = None,
        *,
        labels: str = "",
        fields: str = "",
        only_metadata: bool = False,
    ) -> AsyncIterator[list[Json]]:
        """The objects of one namespace or of the cluster, page by page.

        With ``only_metadata``, without the parts that may be large. There may be any number of
        objects: callers that keep little of each use this; those that need them all use
        :meth:`list`.
        """
        pages = self._pages(resource, namespace, labels, fields, only_metadata=only_metadata)
        async for page in pages:
            found = page.get("items") or []
            yield [_slim(body) for body in found] if only_metadata else found

    async def list_to_watch(
        self, resource: Resource, namespace: str, *, fields: str = ""
    ) -> tuple[list[Json], str]:
        """All objects, and the version to watch from."""
        found: list[Json] = []
        version = ""
        async for page in self._pages(resource, namespace, "", fields):
            found += page.get("items") or []
            version = str(page.get("metadata", {}).get("resourceVersion", ""))
        return found, version

    async def list(
        self,
        resource: Resource,
        namespace: str | None = None,
        *,
        labels: str = "",
        fields: str = "",
        only_metadata: bool = False,
    ) -> list[Json]:
        """All of :meth:`pages`."""
        pages = self.pages(
            resource, namespace, labels=labels, fields=fields, only_metadata=only_metadata
        )
        return [body async for page in pages for body in page]

    async def watch(
        self, resource: Resource, namespace: str, version: str, *, fields: str = ""
    ) -> AsyncIterator[Json]:
        """The events after ``version``, until the server ends the watch. Raises GoneError,
        AwayError.
        """
        asked = Asked(self.host, "watch", resource, namespace)
        query = {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": version,
            "timeoutSeconds": str(WATCH_S),
            **({"fieldSelector": fields} if fields else {}),
        }
        async for line in self._lines(asked, query, SILENCE_S):
            event = _event(line)
            if event.get("type") == "ERROR":
                problem = event["object"]
                raise refusal(asked, int(problem.get("code", 500)), json.dumps(problem).encode())
            if event:
                yield event

    async def log(
        self, namespace: str, pod: str, container: str, *, follow: bool
    ) -> AsyncIterator[str]:
        """The lines of a container's log; with ``follow``, until it ends. Raises NotYetError."""
        asked = Asked(self.host, "get", PODS, namespace, pod, "log")
        query = {"container": container, **({"follow": "true"} if follow else {})}
        async for line in self._lines(asked, query, None if follow else SILENCE_S):
            yield line.decode("utf-8", errors="replace")

    async def create(self, resource: Resource, namespace: str | None, body: Json) -> Json:
        """The object as created. Raises AlreadyExistsError, RefusedError."""
        body = {"apiVersion": resource.api_version, "kind": resource.kind, **body}
        return await self._request(Asked(self.host, "create", resource, namespace), body)

    async def patch(
        self, resource: Resource, namespace: str, name: str, body: Json, *, sub: str = ""
    ) -> Json:
        """A JSON merge patch. If it contains uid or resourceVersion, it may raise ConflictError."""
        asked = Asked(self.host, "patch", resource, namespace, name, sub)
        return await self._request(asked, body, content_type="application/merge-patch+json")

    async def delete(self, resource: Resource, namespace: str, name: str, *, uid: str) -> bool:
        """Delete in the background. False if it does not exist, or is a different object with that
        name."""
        body: Json = {"propagationPolicy": "Background", "preconditions": {"uid": uid}}
        try:
            await self._request(Asked(self.host, "delete", resource, namespace, name), body)
        except (NotFoundError, ConflictError):
            return False
        return True

    async def _pages(
        self,
        resource: Resource,
        namespace: str | None,
        labels: str,
        fields: str,
        *,
        only_metadata: bool = False,
    ) -> AsyncIterator[Json]:
        asked = Asked(self.host, "list", resource, namespace)
        accept = METADATA_LIST if only_metadata else JSON
        limit, token = METADATA_PAGE if only_metadata else PAGE, ""
        while True:
            query = {"limit": str(limit)}
            if labels:
                query["labelSelector"] = labels
            if fields:
                query["fieldSelector"] = fields
            if token:
                query["continue"] = token
            try:
                page = await self._request(asked, query=query, accept=accept)
            except TooLargeError:
                if limit == 1:
                    raise
                limit = max(1, limit // 5)
                continue
            yield page
            token = page.get("metadata", {}).get("continue", "")
            if not token:
                return

    async def _request(
        self,
        asked: Asked,
        body: Json | None = None,
        *,
        query: dict[str, str] | None = None,
        content_type: str = JSON,
        accept: str = JSON,
    ) -> Json:
        patience = self._patience
        if asked.verb in _METHODS:
            patience = min(patience, self._time_to_write())
        headers = {"Accept": accept}
        if body is not None:
            headers["Content-Type"] = content_type
        if asked.verb in ("create", "patch"):
            query = {"fieldManager": FIELD_MANAGER, "fieldValidation": "Strict", **(query or {})}
        with self._reached(asked):
            limits = aiohttp.ClientTimeout(total=patience)
            data = await _read(await self._send(asked, headers, query or {}, limits, body))
        try:
            value = decode(data) if data else {}
        except ValueError:
            value = None
        if not isinstance(value, dict):
            raise KubeError(
                0, f"{self.host} does not answer with JSON: is it an API server?", asked
            )
        return value

    async def _lines(
        self, asked: Asked, query: dict[str, str], silence: float | None
    ) -> AsyncIterator[bytes]:
        """The lines of an answer as they arrive, with at most ``silence`` seconds between two of
        them.
        """
        limits = aiohttp.ClientTimeout(sock_connect=self._patience, sock_read=silence)
        with self._reached(asked):
            response = await self._send(asked, {"Accept": "*/*"}, query, limits)
            try:
                begun: list[bytes] = []
                async for chunk in response.content.iter_any():
                    *ends, rest = chunk.split(b"\n")
                    for end in ends:
                        yield b"".join([*begun, end])
                        begun = []
                    begun.append(rest)
                if any(begun):
                    yield b"".join(begun)
            finally:
                response.close()

    async def _send(
        self,
        asked: Asked,
        headers: dict[str, str],
        query: dict[str, str],
        limits: aiohttp.ClientTimeout,
        body: Json | None = None,
    ) -> aiohttp.ClientResponse:
        """The answer, once its head has arrived. Raises KubeError unless it is a success."""
        method, path = _METHODS.get(asked.verb, "GET"), asked.path
        await self._api.update_params_for_auth(headers, [], ["BearerToken"], path, method, body)
        url = self.host + path + (f"?{urlencode(query)}" if query else "")
        answer = await self._api.call_api(method, url, headers, body=body, _request_timeout=limits)
        response: aiohttp.ClientResponse = answer.response
        if response.status >= 400:
            raise refusal(asked, response.status, await _read(response))
        return response

    @contextmanager
    def _reached(self, asked: Asked) -> Iterator[None]:
        """Convert other failures to a KubeError."""
        try:
            yield
        except ConfigException as error:  # a login that runs a command
            why = printable(str(error))
            raise KubeError(0, f"{self.host}: no credentials: {why}", asked) from error
        except aiohttp.ClientConnectorCertificateError as error:
            why = getattr(error.certificate_error, "verify_message", "") or str(error)
            raise KubeError(
                0,
                f"{self.host}: its certificate is not trusted: {why}. Does "
                "certificate-authority-data in the kubeconfig belong to this cluster?",
                asked,
            ) from error
        except (ApiException, OSError, TimeoutError, aiohttp.ClientError) as error:
            raise AwayError(0, f"{self.host} does not answer: {_why(error)}", asked) from error


def _event(line: bytes) -> Json:
    """One event of a watch; anything else is skipped."""
    try:
        event = decode(line) if line.strip() else {}
    except ValueError:
        return {}
    if not isinstance(event, dict) or not isinstance(event.get("object"), dict):
        return {}
    return event


def _why(error: Exception) -> str:
    """What is wrong with a connection, because asyncio's message is only the address."""
    if isinstance(error, OSError) and error.errno and error.strerror:
        told = "Connect call failed" not in error.strerror
        return f"[Errno {error.errno}] {error.strerror if told else os.strerror(error.errno)}"
    if isinstance(error, TimeoutError):
        return "no data arrived in time"
    return printable(str(error) or type(error).__name__)


async def _read(response: aiohttp.ClientResponse) -> bytes:
    """The body. Raises TooLargeError, with little more than ``MAX_ANSWER`` bytes in memory."""
    data = bytearray()
    async for chunk in response.content.iter_any():
        data += chunk
        if len(data) > MAX_ANSWER:
            response.close()
            raise TooLargeError(
                0, f"the response of the API server is larger than {MAX_ANSWER // 1024**2} MiB"
            )
    return bytes(data)


def _slim(body: Json) -> Json:
    """An object without its managed fields, and with small annotations only."""
    annotations = body["metadata"].get("annotations") or {}
    small = {name: text for name, text in annotations.items() if len(text) <= MAX_ANNOTATION}
    kept = {name: part for name, part in body["metadata"].items() if name != "managedFields"}
    return {**body, "metadata": {**kept, "annotations": small}}


def owned_by(body: Json, uid: str) -> bool:
    """Whether the object has an owner with that uid."""
    owners = body.get("metadata", {}).get("ownerReferences", [])
    return any(owner.get("uid") == uid for owner in owners)
