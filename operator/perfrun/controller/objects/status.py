"""The only module that writes the status of a PerfTest or PerfRun.

``logic.run.status`` decides its content. Merge patches carry the uid and the version on which they
were decided.
"""

from typing import Any, TypeVar

from pydantic import ValidationError

from perfrun.api import Json
from perfrun.api.base import StatusModel
from perfrun.api.metadata import Metadata
from perfrun.kube.client import Kube
from perfrun.kube.resources import Resource

S = TypeVar("S", bound=StatusModel)


def read_status(model: type[S], body: Json) -> S | None:
    """The status of an object; None if somebody has written something unreadable into it."""
    try:
        return model.model_validate(body.get("status") or {})
    except ValidationError:
        return None


async def write_status(
    kube: Kube,
    resource: Resource,
    about: Metadata,
    changes: StatusModel,
    *,
    any_version: bool = False,
) -> Json:
    """Change the fields that are set in ``changes``. Returns the object after the change.

    Raises ConflictError if it is a different object with the same name, or has changed since it was
    read (unless ``any_version``); the decision is then made again, from the current state.
    """
    return await _write(kube, resource, about, changes.as_patch(), any_version=any_version)


async def correct_status(kube: Kube, resource: Resource, body: Json, changes: StatusModel) -> Json:
    """The same for an object as it was read: nothing is written if it already says so.

    An unreadable status is replaced, because nobody could use it.
    """
    standing: Json = body.get("status") or {}
    wanted = changes.as_patch()
    if read_status(type(changes), body) is None:
        wanted = {**dict.fromkeys(standing), **wanted}
    patch = {
        name: merge_patch(standing.get(name), value)
        for name, value in wanted.items()
        if standing.get(name) != value
    }
    if not patch:
        return body
    return await _write(kube, resource, Metadata.model_validate(body["metadata"]), patch)


def merge_patch(old: Any, new: Any) -> Any:
    """The JSON merge patch (RFC 7386) that turns ``old`` into ``new``: null for removed fields."""
    if not isinstance(old, dict) or not isinstance(new, dict):
        return new
    changed = {n: merge_patch(old.get(n), value) for n, value in new.items() if old.get(n) != value}
    return {**dict.fromkeys(old.keys() - new.keys()), **changed}


async def _write(
    kube: Kube, resource: Resource, about: Metadata, patch: Json, *, any_version: bool = False
) -> Json:
    version = {} if any_version else {"resourceVersion": about.resource_version}
    body = {"metadata": {"uid": about.uid, **version}, "status": patch}
    return await kube.patch(resource, about.namespace, about.name, body, sub="status")
