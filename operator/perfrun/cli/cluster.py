"""The cluster that kubectl would speak to, for the commands that need one."""

import json
from typing import Any, cast

from kubernetes import client, config
from kubernetes.client.exceptions import ApiException
from urllib3.exceptions import HTTPError

from perfrun.api import GROUP, VERSION

Json = dict[str, Any]
TIMEOUT_S = 10.0


class ClusterError(Exception):
    """The cluster cannot be spoken to, or does not want it; the text is for the user."""


class Cluster:
    """Our objects in one namespace."""

    def __init__(self, context: str | None, namespace: str | None) -> None:
        """By KUBECONFIG or ``~/.kube/config``; None is what that says. Raises ClusterError."""
        try:
            contexts, current = config.list_kube_config_contexts()  # type: ignore[no-untyped-call]
            chosen = next((one for one in contexts if one["name"] == context), current)
            if context is not None and chosen["name"] != context:
                names = ", ".join(one["name"] for one in contexts)
                raise ClusterError(f"there is no context {context}; there are: {names}")
            api = config.new_client_from_config(  # type: ignore[no-untyped-call]
                context=chosen["name"]
            )
        except (config.ConfigException, OSError) as error:
            raise ClusterError(
                f"no cluster to speak to ({error}): set KUBECONFIG, or write ~/.kube/config"
            ) from error
        api.configuration.retries = 0
        self.namespace: str = namespace or chosen["context"].get("namespace") or "default"
        self._api = client.CustomObjectsApi(api)
        self._host = api.configuration.host

    def find(self, plural: str, name: str) -> Json | None:
        """The object; None where there is none. Raises ClusterError."""
        try:
            body = self._api.get_namespaced_custom_object(
                GROUP, VERSION, self.namespace, plural, name, _request_timeout=TIMEOUT_S
            )
        except ApiException as error:
            if error.status == 404:
                return None
            raise self._told(error) from error
        except HTTPError as error:
            raise self._away(error) from error
        return cast(Json, body)

    def annotate(self, plural: str, name: str, annotation: str, value: str) -> None:
        """Set an annotation of an object that is there. Raises ClusterError."""
        body = {"metadata": {"annotations": {annotation: value}}}
        try:
            self._api.patch_namespaced_custom_object(
                GROUP, VERSION, self.namespace, plural, name, body, _request_timeout=TIMEOUT_S
            )
        except ApiException as error:
            raise self._told(error) from error
        except HTTPError as error:
            raise self._away(error) from error

    def _told(self, error: ApiException) -> ClusterError:
        try:
            said = json.loads(error.body or "")["message"]
        except (TypeError, ValueError, KeyError):
            said = error.reason
        return ClusterError(f"{self._host}: {said}")

    def _away(self, error: HTTPError) -> ClusterError:
        return ClusterError(f"{self._host} does not answer: {error}")
