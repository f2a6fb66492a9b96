"""How a request to the API server fails: one class for each way in which a caller can react."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from perfrun.api import Json
from perfrun.api.sentence import printable
from perfrun.kube.decoding import decode

if TYPE_CHECKING:
    from perfrun.kube.resources import Resource


@dataclass(frozen=True, slots=True)
class Asked:
    """The request to an API server."""

    host: str
    verb: str
    """The verb as in roles: get, list, watch, create, patch or delete."""
    resource: "Resource"
    namespace: str | None
    name: str | None = None
    sub: str = ""

    @property
    def path(self) -> str:
        """Raises NotFoundError if no object can have that name."""
        return self.resource.path(self.namespace, self.name, self.sub)


class KubeError(Exception):
    """The API server refused the request, or could not be reached."""

    def __init__(self, status: int, message: str, asked: Asked | None = None) -> None:
        """``status`` is that of HTTP; 0 if there was no answer."""
        super().__init__(message)
        self.status = status
        self.asked = asked


class NotFoundError(KubeError):
    """No such object."""


class UnknownKindError(NotFoundError):
    """The API server keeps no objects of that kind: its CustomResourceDefinition is missing."""


class ConflictError(KubeError):
    """The object has changed since it was read, or is a different one with the same name."""


class AlreadyExistsError(ConflictError):
    """An object with that name exists."""


class RefusedError(KubeError):
    """Trying again will not help: invalid, forbidden, over quota."""


class NotYetError(RefusedError):
    """The log of a container that has not started."""


class TerminatingError(KubeError):
    """The namespace is being deleted: nothing can be created in it."""


class GoneError(KubeError):
    """The version to continue a watch from is no longer available: list again."""


class TooLargeError(KubeError):
    """A response that is larger than the limit."""


class AwayError(KubeError):
    """The API server does not answer, or not now: it may later."""


def refusal(asked: Asked, status: int, body: bytes) -> KubeError:
    """The error for a response that is not a success."""
    try:
        answer = decode(body or b"{}")
    except ValueError:
        answer = {}
    if not isinstance(answer, dict):
        answer = {}
    # It contains a webhook's message, and text that a tenant wrote.
    message = printable(str(answer.get("message") or f"the API server answered {status}"))
    return _class(asked, status, answer)(status, message, asked)


def _class(asked: Asked, status: int, answer: Json) -> type[KubeError]:
    reason = answer.get("reason", "")
    if status == 404:
        of_objects = asked.verb not in ("list", "watch") and reason == "NotFound"
        return NotFoundError if of_objects else UnknownKindError
    if status == 409:
        return AlreadyExistsError if reason == "AlreadyExists" else ConflictError
    if status == 410:
        return GoneError
    causes = (answer.get("details") or {}).get("causes") or []
    if any(cause.get("reason") == "NamespaceTerminating" for cause in causes):
        return TerminatingError
    if status == 400 and asked.sub == "log":
        return NotYetError
    if status in (400, 403, 413, 422):
        return RefusedError
    return AwayError if status == 429 or status >= 500 else KubeError
