"""Where the API server is and with which identity to connect: a pod with its service account, a
user with a kubeconfig.

A kubeconfig is read by the synchronous half of the client library, because the other half does not
renew the credentials of a login command, and takes no certificates from it. While such a command
runs, the event loop stands still.
"""

import os
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import yaml
from kubernetes import config
from kubernetes.aio import client
from kubernetes.config import incluster_config, kube_config

from perfrun.api.sentence import printable
from perfrun.kube.errors import KubeError

# The library's exceptions for a kubeconfig of another form.
_MALFORMED = (AttributeError, KeyError, TypeError, ValueError)


class Login(NamedTuple):
    """A configuration of the client library, and its default namespace."""

    configuration: client.Configuration
    namespace: str | None


def login_of_pod() -> Login | None:
    """With the service account of this pod; None outside a pod."""
    configuration = client.Configuration()
    try:
        config.load_incluster_config(  # type: ignore[no-untyped-call]
            client_configuration=configuration
        )
    except config.ConfigException:
        return None
    try:
        file = Path(incluster_config.SERVICE_TOKEN_FILENAME).with_name("namespace")
        namespace = file.read_text().strip() or None
    except OSError:
        namespace = None
    return Login(_completed(configuration), namespace)


def login_of_user(context: str | None) -> Login:
    """With KUBECONFIG, otherwise ``~/.kube/config``; None: its current context. Raises
    KubeError.
    """
    configuration = client.Configuration()
    try:
        contexts, current = config.list_kube_config_contexts()  # type: ignore[no-untyped-call]
        chosen = next((one for one in contexts if one["name"] == context), current)
        if context is not None and chosen["name"] != context:
            names = ", ".join(one["name"] for one in contexts)
            raise KubeError(0, f"there is no context {context}; there are: {names}")
        config.load_kube_config(  # type: ignore[no-untyped-call]
            context=chosen["name"], client_configuration=configuration
        )
        namespace = chosen["context"].get("namespace")
    except (config.ConfigException, yaml.YAMLError, OSError, *_MALFORMED) as error:
        raise KubeError(
            0,
            f"no cluster found ({_why(error)}): set KUBECONFIG, write ~/.kube/config, or run "
            "in a pod with a service account",
        ) from error
    return Login(_completed(configuration), namespace if isinstance(namespace, str) else None)


def has_kubeconfig() -> bool:
    """Whether there is a kubeconfig for this user."""
    files = kube_config.KUBE_CONFIG_DEFAULT_LOCATION.split(os.pathsep)
    return any(Path(file).expanduser().is_file() for file in files if file)


def _why(error: Exception) -> str:
    """What is wrong with the kubeconfig; the client library does not name missing files."""
    where = printable(kube_config.KUBE_CONFIG_DEFAULT_LOCATION)
    if not has_kubeconfig():
        return f"there is no {where}"
    if isinstance(error, _MALFORMED):
        return f"{where} is malformed"
    return printable(str(error))


def _completed(configuration: client.Configuration) -> client.Configuration:
    """With the settings that are the same for everybody. Raises KubeError."""
    # Many clusters' certificates lack extensions that Python 3.13 requires by default; chain and
    # host name are still verified (docs/decisions/lenient-certificates.md).
    configuration.disable_strict_ssl_verification = True
    # The proxy of the environment, read once: the library would read ~/.netrc for each request.
    configuration.client_session_kwargs = {"trust_env": False}
    where = urlsplit(configuration.host)
    if configuration.proxy is None and not proxy_bypass(where.hostname or ""):
        proxies = getproxies()
        # ALL_PROXY is often a SOCKS proxy, and kubectl ignores it.
        for_all = proxies.get("all", "")
        proxy = proxies.get(where.scheme) or (for_all if for_all.startswith("http") else None)
        configuration.proxy = proxy
    scheme = urlsplit(configuration.proxy or "http:").scheme
    if scheme not in ("http", "https"):
        raise KubeError(
            0,
            f"{configuration.host}: its proxy has the scheme {scheme}, but only http and https are "
            "supported",
        )
    return configuration
