"""Refusals of an API server, in one sentence that says what to do."""

import re

from perfrun.kube.errors import (
    Asked,
    GoneError,
    KubeError,
    NotFoundError,
    NotYetError,
    UnknownKindError,
)

_USER = re.compile(r'User "([^"]*)" cannot')
_SAFE = re.compile(r"[A-Za-z0-9._@:/+-]+")
_ACCOUNT = "system:serviceaccount:"
_MOST = 1000
_READING = ("get", "list", "watch")
_INSTALL = "perfrun is not installed there: install the chart, see docs/how-to/install.md"


def sentence(error: KubeError) -> str:
    """The message for the user."""
    asked, message = error.asked, str(error)[:_MOST]
    if asked is None or error.status == 0:
        return message
    if isinstance(error, UnknownKindError):
        return f"{asked.host} does not know {_what(asked)}: {_INSTALL}"
    if error.status == 403:
        return _forbidden(asked, message)
    if error.status == 401:
        return (
            f"{asked.host} does not accept these credentials (401 Unauthorized): log in again, or "
            "choose another --context"
        )
    if isinstance(error, NotFoundError | NotYetError | GoneError):
        return message
    return f"{asked.host}: {message}"


def _what(asked: Asked) -> str:
    """``perfruns.perfrun.dev``, or ``pods/log``."""
    return asked.resource.full_name + (f"/{asked.sub}" if asked.sub else "")


def _forbidden(asked: Asked, message: str) -> str:
    found = _USER.search(message)
    if found is None:
        return message  # a refusal by admission, not by RBAC
    user = found[1]
    role = "view" if asked.verb in _READING else "edit"
    where = f"namespace {asked.namespace}" if asked.namespace else "all namespaces"
    sentence = (
        f"{user or 'you'} may not {asked.verb} {_what(asked)} in {where}: "
        f"the ClusterRole {role} grants it"
    )
    if not _SAFE.fullmatch(user):
        return sentence
    return f"{sentence}, so ask for: {_binding(user, role, asked.namespace)}"


def _binding(user: str, role: str, namespace: str | None) -> str:
    """The command that gives the right to that user."""
    if user.startswith(_ACCOUNT):
        account = user.removeprefix(_ACCOUNT)
        subject, name = f"--serviceaccount={account}", account.rpartition(":")[2]
    else:
        subject, name = f"--user={user}", re.sub(r"[^a-z0-9.-]+", "-", user.lower()).strip("-.")
    kind = "rolebinding" if namespace else "clusterrolebinding"
    scope = f" -n {namespace}" if namespace else ""
    return f"kubectl create {kind} {name}-{role} --clusterrole={role} {subject}{scope}"
