"""One API server, as the commands speak to it: plain JSON, and one sentence where it refuses."""

import json
import os
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import yaml
from kubernetes import client, config
from kubernetes.client.exceptions import ApiException
from kubernetes.config import incluster_config, kube_config
from kubernetes.watch.watch import iter_resp_lines
from urllib3.exceptions import HTTPError
from urllib3.util.ssl_ import create_urllib3_context

from perfrun.api import FIELD_MANAGER
from perfrun.api.sentence import printable
from perfrun.cli.cluster.errors import Asked, AwayError, ClusterError, NoSuchError, refusal
from perfrun.cli.cluster.resources import NAMESPACES, PODS, Json, Resource

TIMEOUT_S = 10.0
PAGE = 500
WATCH_S = 50
"""The server ends a watch after this, so that a connection that died is noticed soon."""
SILENCE_S = 60.0
_LOG = "log"
# What the client library raises for a kubeconfig of another form.
_MALFORMED = (AttributeError, KeyError, TypeError, ValueError)


class Cluster:
    """Our objects in one namespace, or in all."""

    def __init__(
        self, context: str | None, namespace: str | None, *, timeout: float = TIMEOUT_S
    ) -> None:
        """By KUBECONFIG or ``~/.kube/config``, and in a pod without them by its service account.

        None is what that says. Raises ClusterError.
        """
        api, home = _connected(context)
        self.namespace: str = namespace or home or "default"
        self.host: str = api.configuration.host
        self._api = api
        self._timeout = timeout

    def find(self, resource: Resource, name: str) -> Json | None:
        """The object; None where there is none. Raises ClusterError."""
        try:
            return self._get(Asked("get", resource, self.namespace, name), {})
        except NoSuchError:
            return None

    def list(
        self,
        resource: Resource,
        *,
        labels: str = "",
        fields: str = "",
        everywhere: bool = False,
    ) -> tuple[list[Json], str]:
        """All objects, and the version to watch from. Raises ClusterError."""
        asked = Asked("list", resource, None if everywhere else self.namespace)
        query = _given(limit=str(PAGE), labelSelector=labels, fieldSelector=fields)
        items: list[Json] = []
        while True:
            page = self._get(asked, query)
            items += page.get("items") or []
            metadata = page.get("metadata") or {}
            if not metadata.get("continue"):
                return items, str(metadata.get("resourceVersion", ""))
            query["continue"] = str(metadata["continue"])

    def watch(self, resource: Resource, version: str, *, fields: str = "") -> Iterator[Json]:
        """Events after ``version``, until the server ends it. Raises ClusterError, GoneError."""
        asked = Asked("watch", resource, self.namespace)
        query = _given(
            watch="true",
            allowWatchBookmarks="true",
            resourceVersion=version,
            timeoutSeconds=str(WATCH_S),
            fieldSelector=fields,
        )
        for line in self._lines(asked, query):
            event = _event(line)
            if event.get("type") == "ERROR":
                problem = event.get("object") or {}
                raise refusal(self.host, asked, int(problem.get("code", 500)), json.dumps(problem))
            yield event

    def log(self, pod: str, container: str, *, follow: bool) -> Iterator[str]:
        """The lines of a container's log. Raises ClusterError, NoSuchError, NotYetError."""
        asked = Asked("get", PODS, self.namespace, pod, _LOG)
        yield from self._lines(
            asked, _given(container=container, follow="true" if follow else ""), silent=follow
        )

    def annotate(self, resource: Resource, name: str, annotation: str, value: str) -> None:
        """Set an annotation of an object that is there. Raises ClusterError."""
        asked = Asked("patch", resource, self.namespace, name)
        body = {"metadata": {"annotations": {annotation: value}}}
        with self._told():
            query = {"fieldManager": FIELD_MANAGER}
            response = self._request(asked, query, "PATCH", body, timeout=self._timeout)
            response.read()

    def has_namespace(self) -> bool:
        """Whether the namespace exists, as far as one may know. Raises AwayError."""
        try:
            self._get(Asked("get", NAMESPACES, None, self.namespace), {})
        except NoSuchError:
            return False
        except AwayError:
            raise
        except ClusterError:
            return True  # who may only work in namespaces may not ask
        return True

    def close(self) -> None:
        """Close the connections."""
        self._api.close()

    # --- requests ------------------------------------------------------------------------------

    def _get(self, asked: Asked, query: dict[str, str]) -> Json:
        with self._told():
            response = self._request(asked, query, timeout=self._timeout)
            data = response.read()
        try:
            body = json.loads(data)
        except ValueError as error:
            raise ClusterError(f"{self.host} answers with no JSON: is it an API server?") from error
        return body if isinstance(body, dict) else {}

    def _lines(self, asked: Asked, query: dict[str, str], *, silent: bool = False) -> Iterator[str]:
        """The lines of an answer as they come; a ``silent`` one may say nothing for long."""
        with self._told():
            timeout = (self._timeout, None if silent else SILENCE_S)
            response = self._request(asked, query, timeout=timeout).response
            try:
                yield from iter_resp_lines(response)  # type: ignore[no-untyped-call]
            finally:
                response.close()

    def _request(
        self,
        asked: Asked,
        query: dict[str, str],
        method: str = "GET",
        body: Json | None = None,
        *,
        timeout: Any,
    ) -> Any:
        headers = {"Accept": "application/json, */*"}
        if body is not None:
            headers["Content-Type"] = "application/merge-patch+json"
        path = asked.resource.path(asked.namespace, asked.name, asked.sub)
        self._api.update_params_for_auth(headers, [], ["BearerToken"], path, method, body)
        url = self.host + path + (f"?{urlencode(query)}" if query else "")
        response = self._api.call_api(method, url, headers, body=body, _request_timeout=timeout)
        if response.status >= 400:
            raise refusal(self.host, asked, response.status, response.read())
        return response

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except config.ConfigException as error:  # a login that runs a command
            raise ClusterError(f"{self.host}: no credentials: {printable(str(error))}") from error
        except (ApiException, HTTPError, OSError) as error:
            # Answers are judged in _request: an ApiException that comes here is about TLS.
            if (refused := _refused_certificate(error)) is not None:
                raise ClusterError(
                    f"{self.host}: its certificate is not accepted: {refused}. Is "
                    "certificate-authority-data of the kubeconfig that of this cluster?"
                ) from error
            why = error.reason if isinstance(error, ApiException) else _reason(error)
            raise AwayError(f"{self.host} does not answer: {why}") from error


def _connected(context: str | None) -> tuple[Any, str | None]:
    """A client, and the namespace that it is at home in: by a kubeconfig, else as a pod."""
    configuration = client.Configuration()
    # One that is away is told, and asked again, by those who know how long to wait.
    configuration.retries = 0
    if context is None and not _has_kubeconfig():
        with suppress(config.ConfigException):
            config.load_incluster_config(  # type: ignore[no-untyped-call]
                client_configuration=configuration
            )
            return _client(configuration), _namespace_of_pod()
    namespace = _load_kubeconfig(context, configuration)
    return _client(configuration), namespace


def _client(configuration: Any) -> Any:
    """A client that takes the certificates that clusters have (docs/decisions)."""
    api = client.ApiClient(configuration)
    context = create_urllib3_context()
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    api.rest_client.pool_manager.connection_pool_kw["ssl_context"] = context
    return api


def _has_kubeconfig() -> bool:
    files = kube_config.KUBE_CONFIG_DEFAULT_LOCATION.split(os.pathsep)
    return any(Path(file).expanduser().is_file() for file in files if file)


def _namespace_of_pod() -> str | None:
    file = Path(incluster_config.SERVICE_TOKEN_FILENAME).with_name("namespace")
    try:
        return file.read_text().strip() or None
    except OSError:
        return None


def _load_kubeconfig(context: str | None, configuration: Any) -> str | None:
    """Fill ``configuration``; gives the namespace of the context. Raises ClusterError."""
    try:
        contexts, current = config.list_kube_config_contexts()  # type: ignore[no-untyped-call]
        chosen = next((one for one in contexts if one["name"] == context), current)
        if context is not None and chosen["name"] != context:
            names = ", ".join(one["name"] for one in contexts)
            raise ClusterError(f"there is no context {context}; there are: {names}")
        config.load_kube_config(  # type: ignore[no-untyped-call]
            context=chosen["name"], client_configuration=configuration
        )
        namespace = chosen["context"].get("namespace")
    except (config.ConfigException, yaml.YAMLError, OSError, *_MALFORMED) as error:
        raise ClusterError(
            f"no cluster to speak to ({_why(error)}): set KUBECONFIG, write ~/.kube/config, or run "
            "in a pod with a service account"
        ) from error
    return namespace if isinstance(namespace, str) else None


def _why(error: Exception) -> str:
    """What is wrong with the kubeconfig; the client library names no file that is not there."""
    where = printable(kube_config.KUBE_CONFIG_DEFAULT_LOCATION)
    if not _has_kubeconfig():
        return f"there is no {where}"
    if isinstance(error, _MALFORMED):
        return f"{where} is malformed"
    return printable(str(error))


def _given(**query: str) -> dict[str, str]:
    return {name: value for name, value in query.items() if value}


def _event(line: str) -> Json:
    """One event of a watch; what is none is passed over."""
    try:
        event = json.loads(line) if line.strip() else {}
    except ValueError:
        return {}
    if not isinstance(event, dict) or not isinstance(event.get("object"), dict):
        return {}
    return event


def _refused_certificate(error: BaseException) -> str | None:
    """Why the server's certificate is not accepted, if that is the cause."""
    cause: object = error
    for _ in range(8):  # a chain of wrappers, each with the next as its reason, argument or cause
        if isinstance(cause, ssl.SSLCertVerificationError):
            return cause.verify_message
        if not isinstance(cause, BaseException):
            return None
        wrapped = (getattr(cause, "reason", None), *cause.args[:2], cause.__cause__)
        cause = next((one for one in wrapped if isinstance(one, BaseException)), cause.__context__)
    return None


def _reason(error: BaseException) -> str:
    """The innermost cause: urllib3 wraps it in the names of its classes."""
    reason = getattr(error, "reason", None) or error
    text = str(reason)
    return text.rpartition(": ")[2] if isinstance(reason, HTTPError) and ": " in text else text
