"""What an API server refuses, in one sentence that says what to do."""

import json
import re
from dataclasses import dataclass

from perfrun.api.sentence import printable
from perfrun.cli.cluster.resources import Json, Resource

_USER = re.compile(r'User "([^"]*)" cannot')
_SAFE = re.compile(r"[A-Za-z0-9._@:/+-]+")
_ACCOUNT = "system:serviceaccount:"
_MAX_LENGTH = 1000
_READING = ("get", "list", "watch")
_INSTALL = "perfrun is not installed there: helm install, see docs/how-to/install.md"


class ClusterError(Exception):
    """The cluster cannot be spoken to, or does not want it; the text is for the user."""


class AwayError(ClusterError):
    """The API server does not answer, or not now: it may later."""


class GoneError(ClusterError):
    """What a watch was to go on from is no longer known: list again."""


class NoSuchError(ClusterError):
    """There is no such object."""


class NotYetError(ClusterError):
    """It cannot be given now (the log of a container that has not started)."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked of the API server."""

    verb: str
    resource: Resource
    namespace: str | None
    name: str = ""
    sub: str = ""

    @property
    def what(self) -> str:
        """``perfruns.perfrun.dev``, or ``pods/log``."""
        return self.resource.full_name + (f"/{self.sub}" if self.sub else "")

    @property
    def where(self) -> str:
        """The namespace, in words."""
        return f"namespace {self.namespace}" if self.namespace else "all namespaces"


def refusal(host: str, asked: Asked, status: int, body: object) -> ClusterError:
    """The error for an answer that is no success."""
    answer = _parsed(body)
    said = printable(str(answer.get("message") or f"status {status}"))[:_MAX_LENGTH]
    if status == 410:
        return GoneError(said)
    if status == 404 and (asked.name or asked.sub) and answer.get("reason") == "NotFound":
        return NoSuchError(said)
    if status == 404:
        return ClusterError(f"{host} does not know {asked.what}: {_INSTALL}")
    if status == 403:
        return ClusterError(_forbidden(asked, said))
    if status == 401:
        return ClusterError(
            f"{host} does not accept these credentials (401 Unauthorized): log in again, or choose "
            f"another --context"
        )
    if status == 429 or status >= 500:
        return AwayError(f"{host}: {said}")
    if status == 400 and asked.sub == "log":
        return NotYetError(said)
    return ClusterError(f"{host}: {said}")


def _parsed(body: object) -> Json:
    try:
        answer = json.loads(body) if isinstance(body, str | bytes) else None
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) else {}


def _forbidden(asked: Asked, said: str) -> str:
    found = _USER.search(said)
    if found is None:
        return said  # an admission's refusal, not one of RBAC
    user = found[1]
    role = "view" if asked.verb in _READING else "edit"
    sentence = (
        f"{user or 'you'} may not {asked.verb} {asked.what} in {asked.where}: "
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
