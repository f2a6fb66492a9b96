"""The API server, as this operator speaks to it: plain JSON, few verbs, one error tree.

The generated classes of the client library are not used: they cost more to build than the
requests, and they drop fields that they do not know.
"""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import quote, urlencode, urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp
from kubernetes.aio import client, config
from kubernetes.aio.client.exceptions import ApiException

from perfrun.api import API_VERSION, FIELD_MANAGER
from perfrun.api.sentence import printable
from perfrun.kube.decoding import decode

Json = dict[str, Any]

REQUEST_TIMEOUT_S = 30.0
PAGE = 500
METADATA_PAGE = 100
"""Anybody may write 256 KiB of annotations into each object."""
MAX_ANSWER = 16 * 1024 * 1024
"""Bytes of JSON. A page of a list that has more is asked for again with fewer objects: each may
have 1.5 MiB, and six times that where its text has to be escaped."""
MAX_ANNOTATION = 1024
"""Characters of one that is read of objects without their contents."""
JSON = "application/json"
METADATA_LIST = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"


class KubeError(Exception):
    """The API server refused, or could not be reached."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class NotFoundError(KubeError):
    """No such object."""


class ConflictError(KubeError):
    """The object has changed since it was read, or is another one of the same name."""


class AlreadyExistsError(ConflictError):
    """An object of that name exists."""


class RefusedError(KubeError):
    """Trying again will not help: invalid, forbidden, over quota."""


class TooLargeError(KubeError):
    """An answer with more bytes than are read."""


class TerminatingError(KubeError):
    """The namespace is going away: nothing can be created in it, and nothing need be."""


def _segment(name: str) -> str:
    # The API server decodes %2F before it splits the path: the rest would be a subresource.
    if name in ("", ".", "..") or "/" in name or "%" in name:
        raise NotFoundError(404, f"no object can have the name {name[:64]!r}")
    return quote(name, safe="")


@dataclass(frozen=True)
class Resource:
    """A kind of object and where the API server keeps it."""

    api_version: str
    kind: str
    plural: str

    def path(self, namespace: str | None, name: str | None = None, sub: str = "") -> str:
        """The path of the collection, the object or its subresource.

        Raises NotFoundError where no object can have that name.
        """
        root = "/api" if "/" not in self.api_version else "/apis"
        parts = [root, self.api_version]
        if namespace is not None:
            parts += ["namespaces", _segment(namespace)]
        parts.append(self.plural)
        if name is not None:
            parts.append(_segment(name))
        if sub:
            parts.append(sub)
        return "/".join(parts)


PERF_TESTS = Resource(API_VERSION, "PerfTest", "perftests")
PERF_RUNS = Resource(API_VERSION, "PerfRun", "perfruns")
PERF_POLICIES = Resource(API_VERSION, "PerfPolicy", "perfpolicies")
JOBS = Resource("batch/v1", "Job", "jobs")
PODS = Resource("v1", "Pod", "pods")
CONFIG_MAPS = Resource("v1", "ConfigMap", "configmaps")
SECRETS = Resource("v1", "Secret", "secrets")
WORKLOADS = {
    "Deployment": Resource("apps/v1", "Deployment", "deployments"),
    "StatefulSet": Resource("apps/v1", "StatefulSet", "statefulsets"),
}
REVISIONS = Resource("apps/v1", "ControllerRevision", "controllerrevisions")
EVENTS = Resource("events.k8s.io/v1", "Event", "events")
LEASES = Resource("coordination.k8s.io/v1", "Lease", "leases")
ENDPOINT_SLICES = Resource("discovery.k8s.io/v1", "EndpointSlice", "endpointslices")
ACCOUNTS = Resource("v1", "ServiceAccount", "serviceaccounts")
TOKEN_REVIEWS = Resource("authentication.k8s.io/v1", "TokenReview", "tokenreviews")
ACCESS_REVIEWS = Resource("authorization.k8s.io/v1", "SubjectAccessReview", "subjectaccessreviews")


class Kube:
    """A client of one API server; tokens are reloaded as the library does."""

    def __init__(
        self, api: client.ApiClient, time_to_write: Callable[[], float] = lambda: REQUEST_TIMEOUT_S
    ) -> None:
        """``time_to_write``: the seconds a write may take, asked before each; it may raise."""
        self._api = api
        self._time_to_write = time_to_write

    @classmethod
    async def connect(cls) -> Self:
        """By the pod's service account, else by KUBECONFIG. Raises KubeError with what to do."""
        configuration = client.Configuration()
        try:
            config.load_incluster_config(  # type: ignore[no-untyped-call]
                client_configuration=configuration
            )
        except config.ConfigException:
            try:
                await config.load_kube_config(  # type: ignore[no-untyped-call]
                    client_configuration=configuration
                )
            except (config.ConfigException, OSError) as error:
                raise KubeError(
                    0,
                    f"no cluster to work with ({error}): run in a pod with a "
                    f"service account, or set KUBECONFIG",
                ) from error
        # Many clusters' certificates lack extensions that Python 3.13 asks for by default; chain
        # and host name are verified all the same.
        configuration.disable_strict_ssl_verification = True
        # The proxy of the environment, once: the library would read ~/.netrc for each request.
        configuration.client_session_kwargs = {"trust_env": False}
        where = urlsplit(configuration.host)
        if configuration.proxy is None and not proxy_bypass(where.hostname or ""):
            configuration.proxy = getproxies().get(where.scheme)
        return cls(client.ApiClient(configuration))

    def fenced(self, time_to_write: Callable[[], float]) -> "Kube":
        """The same connections, for one that may write for a while only (a leader)."""
        return Kube(self._api, time_to_write)

    async def own_token(self) -> str:
        """The bearer token by which this client is known; empty where it has another credential."""
        headers: dict[str, str] = {}
        await self._api.update_params_for_auth(headers, [], ["BearerToken"], "", "GET", None)
        found = {name.lower(): value for name, value in headers.items()}.get("authorization", "")
        return found.removeprefix("Bearer ") if found.startswith("Bearer ") else ""

    async def close(self) -> None:
        """Close the connections."""
        await self._api.close()  # type: ignore[no-untyped-call]

    async def get(self, resource: Resource, namespace: str, name: str) -> Json:
        """The object. Raises NotFoundError."""
        return await self._request("GET", resource.path(namespace, name))

    async def find(self, resource: Resource, namespace: str, name: str) -> Json | None:
        """The object, or None where there is none."""
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

        With ``only_metadata`` without what may be large in it. Others may have written any number:
        who may keep little of each takes them so, who needs them all uses :meth:`list`.
        """
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
                page = await self._request(
                    "GET", resource.path(namespace), query=query, accept=accept
                )
            except TooLargeError:
                if limit == 1:
                    raise
                limit = max(1, limit // 5)
                continue
            found = page.get("items") or []
            yield [_slim(body) for body in found] if only_metadata else found
            token = page.get("metadata", {}).get("continue", "")
            if not token:
                return

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

    async def create(self, resource: Resource, namespace: str | None, body: Json) -> Json:
        """The object as created. Raises AlreadyExistsError, RefusedError."""
        body = {"apiVersion": resource.api_version, "kind": resource.kind, **body}
        return await self._request("POST", resource.path(namespace), body)

    async def patch(
        self, resource: Resource, namespace: str, name: str, body: Json, *, sub: str = ""
    ) -> Json:
        """A JSON merge patch. With uid and resourceVersion in it, raises ConflictError."""
        return await self._request(
            "PATCH",
            resource.path(namespace, name, sub),
            body,
            content_type="application/merge-patch+json",
        )

    async def delete(self, resource: Resource, namespace: str, name: str, *, uid: str) -> bool:
        """Delete in the background. False where there was none, or another one of that name."""
        body: Json = {"propagationPolicy": "Background", "preconditions": {"uid": uid}}
        try:
            await self._request("DELETE", resource.path(namespace, name), body)
        except (NotFoundError, ConflictError):
            return False
        return True

    async def _request(
        self,
        method: str,
        path: str,
        body: Json | None = None,
        *,
        query: dict[str, str] | None = None,
        content_type: str = JSON,
        accept: str = JSON,
    ) -> Json:
        patience = REQUEST_TIMEOUT_S
        if method != "GET":
            patience = min(patience, self._time_to_write())
        headers = {"Accept": accept}
        if body is not None:
            headers["Content-Type"] = content_type
        await self._api.update_params_for_auth(headers, [], ["BearerToken"], path, method, body)
        if method in ("POST", "PATCH"):
            query = {"fieldManager": FIELD_MANAGER, "fieldValidation": "Strict", **(query or {})}
        url = self._api.configuration.host + path + (f"?{urlencode(query)}" if query else "")
        try:
            response = await self._api.call_api(
                method, url, headers, body=body, _request_timeout=patience
            )
            data = await _read(response.response)
        except ApiException as error:
            raise _error(error.status or 0, error.body) from error
        except (OSError, TimeoutError, aiohttp.ClientError) as error:
            raise KubeError(0, f"the API server did not answer: {error!r}") from error
        if response.status >= 400:
            raise _error(response.status, data)
        return decode(data) if data else {}


async def _read(response: aiohttp.ClientResponse) -> bytes:
    """The body. Raises TooLargeError, with little more than ``MAX_ANSWER`` bytes in memory."""
    data = bytearray()
    async for chunk in response.content.iter_any():
        data += chunk
        if len(data) > MAX_ANSWER:
            response.close()
            raise TooLargeError(
                0, f"the API server sends more than {MAX_ANSWER // 1024**2} MiB at once"
            )
    return bytes(data)


def _slim(body: Json) -> Json:
    """An object without its managed fields, and with small annotations only."""
    annotations = body["metadata"].get("annotations") or {}
    small = {name: text for name, text in annotations.items() if len(text) <= MAX_ANNOTATION}
    kept = {name: part for name, part in body["metadata"].items() if name != "managedFields"}
    return {**body, "metadata": {**kept, "annotations": small}}


def owned_by(body: Json, uid: str) -> bool:
    """Whether the object has an owner of that uid."""
    owners = body.get("metadata", {}).get("ownerReferences", [])
    return any(owner.get("uid") == uid for owner in owners)


def _error(status: int, body: str | bytes | None) -> KubeError:
    try:
        answer = decode(body.encode() if isinstance(body, str) else body or b"{}")
    except ValueError:
        answer = {}
    # A webhook's words, and what a tenant wrote, are in it.
    message = printable(str(answer.get("message") or f"the API server answered {status}"))
    reason = answer.get("reason", "")
    if status == 404:
        return NotFoundError(status, message)
    if status == 409:
        kind = AlreadyExistsError if reason == "AlreadyExists" else ConflictError
        return kind(status, message)
    causes = (answer.get("details") or {}).get("causes") or []
    if any(cause.get("reason") == "NamespaceTerminating" for cause in causes):
        return TerminatingError(status, message)
    if status in (400, 403, 413, 422):
        return RefusedError(status, message)
    return KubeError(status, message)
