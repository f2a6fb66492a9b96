"""Writing status: merge patches that name the uid and the version that they were decided on."""

from dataclasses import fields
from typing import Any

from pydantic import BaseModel
from pydantic.alias_generators import to_camel

from perfrun.api import Json
from perfrun.api.metadata import Condition, Metadata
from perfrun.api.run.perfrun import PerfRunStatus
from perfrun.kube.client import Kube
from perfrun.kube.resources import Resource
from perfrun.logic.run.status import PASSING
from perfrun.logic.verdict.outcome import RunVerdict

MAX_CONDITION = 4096
"""Characters of a condition's message."""


async def write_status(kube: Kube, resource: Resource, about: Metadata, changes: Json) -> Json:
    """Change fields of a status; None removes one. Gives the object as it is then.

    Raises ConflictError where the object has changed since it was read, or is another one of the
    same name: the decision is then made anew, on what is true.
    """
    body = {
        "metadata": {"uid": about.uid, "resourceVersion": about.resource_version},
        "status": changes,
    }
    return await kube.patch(resource, about.namespace, about.name, body, sub="status")


def as_json(value: Any) -> Any:
    """A part of a status as JSON; absent fields stay absent."""
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json", by_alias=True, exclude_none=True)
    if isinstance(value, list):
        return [as_json(item) for item in value]
    return value


_END = {
    *(one.name for one in fields(RunVerdict)),
    "observed_generation",
    "phase",
    "completion_time",
    "conditions",
}
"""What the end of a run decides about its status."""


def end_as_json(done: PerfRunStatus) -> Json:
    """The changes by which a run ends; what it had while it was under way goes."""
    ends = done.model_dump(mode="json", by_alias=True, exclude_none=True, include=_END)
    return {**ends, **{to_camel(name): None for name in PASSING}}


def changed(old: Json, new: Json) -> Json:
    """Of ``new`` what differs from ``old``: nothing to write where nothing has changed.

    As a merge patch: in an object that is replaced, what was there and is no more is null.
    """
    return {
        name: _instead(old.get(name), value)
        for name, value in new.items()
        if old.get(name) != value
    }


def _instead(old: Any, new: Any) -> Any:
    if isinstance(old, dict) and isinstance(new, dict):
        return {**dict.fromkeys(old), **new}
    return new


def conditions_json(conditions: list[Condition]) -> list[Json]:
    """Conditions as they stand in a status."""
    return [condition.as_json() for condition in conditions]
