"""An API server in memory: objects by kind and name, versions, owners by label; and refusals."""

import copy
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

from perfrun.api import Json
from perfrun.kube.errors import AlreadyExistsError, ConflictError, KubeError, NotFoundError
from perfrun.kube.resources import Resource
from tests.unit.controller.build import CREATED


class FakeKube:
    """What :class:`perfrun.kube.client.Kube` does, without a network."""

    def __init__(self) -> None:
        self.objects: dict[tuple[str, str | None, str], Json] = {}
        self.failing: dict[tuple[str, str], KubeError] = {}
        """By verb (create, patch) and plural."""
        self.asked: Counter[tuple[str, str]] = Counter()
        self._version = 100

    def put(self, resource: Resource, body: Json) -> Json:
        meta = body["metadata"]
        self._version += 1
        meta["resourceVersion"] = str(self._version)
        meta.setdefault("creationTimestamp", CREATED)
        meta.setdefault("uid", f"uid-{resource.plural}-{meta['name']}")
        self.objects[resource.plural, meta.get("namespace"), meta["name"]] = body
        return copy.deepcopy(body)

    def all(self, resource: Resource) -> list[Json]:
        return [body for (plural, _, _), body in self.objects.items() if plural == resource.plural]

    async def get(self, resource: Resource, namespace: str, name: str) -> Json:
        self._ask("get", resource)
        found = self.objects.get((resource.plural, namespace, name))
        if found is None:
            raise NotFoundError(404, f'{resource.plural} "{name}" not found')
        return copy.deepcopy(found)

    async def find(self, resource: Resource, namespace: str, name: str) -> Json | None:
        try:
            return await self.get(resource, namespace, name)
        except NotFoundError:
            return None

    async def pages(self, *args: Any, **named: Any) -> AsyncIterator[list[Json]]:
        found = await self.list(*args, **named)
        for at in range(0, len(found), 100):
            yield found[at : at + 100]

    async def list(
        self,
        resource: Resource,
        namespace: str | None = None,
        *,
        labels: str = "",
        fields: str = "",
        only_metadata: bool = False,
    ) -> list[Json]:
        self._ask("list", resource)
        named = [part.split("=") for part in fields.split(",") if part]
        wanted = [part.split("=") for part in labels.split(",") if part.count("=") == 1]
        found = []
        for (plural, where, _), body in self.objects.items():
            marks = body["metadata"].get("labels", {})
            if plural != resource.plural or (namespace is not None and where != namespace):
                continue
            if not all(_field(body, path) == value for path, value in named):
                continue
            if all(marks.get(key) == value for key, value in wanted):
                shown = {"metadata": body["metadata"]} if only_metadata else body
                found.append(copy.deepcopy(shown))
        return found

    async def create(self, resource: Resource, namespace: str | None, body: Json) -> Json:
        self._ask("create", resource)
        name = body["metadata"]["name"]
        if (resource.plural, namespace, name) in self.objects:
            raise AlreadyExistsError(409, f'{resource.plural} "{name}" already exists')
        made = copy.deepcopy(body)
        if namespace is not None:
            made["metadata"]["namespace"] = namespace
        return self.put(resource, made)

    async def patch(
        self, resource: Resource, namespace: str, name: str, body: Json, *, sub: str = ""
    ) -> Json:
        self._ask("patch", resource)
        standing = await self.get(resource, namespace, name)
        version = body.get("metadata", {}).get("resourceVersion")
        if version and version != standing["metadata"]["resourceVersion"]:
            raise ConflictError(409, "the object has been modified")
        uid = body.get("metadata", {}).get("uid")
        if uid and uid != standing["metadata"].get("uid"):
            raise ConflictError(409, "the object is another one of that name")
        return self.put(resource, _merged(standing, body))

    async def delete(self, resource: Resource, namespace: str, name: str, *, uid: str) -> bool:
        self._ask("delete", resource)
        standing = self.objects.get((resource.plural, namespace, name))
        if standing is None or standing["metadata"]["uid"] != uid:
            return False
        del self.objects[resource.plural, namespace, name]
        return True

    async def close(self) -> None:
        """Nothing is open."""

    def fenced(self, time_to_write: object) -> "FakeKube":
        return self

    def _ask(self, verb: str, resource: Resource) -> None:
        self.asked[verb, resource.plural] += 1
        if error := self.failing.get((verb, resource.plural)):
            raise error


def _field(body: Json, path: str) -> Any:
    for part in path.split("."):
        body = body.get(part, {})
    return body


def _merged(old: Any, new: Any) -> Any:
    """RFC 7386."""
    if not isinstance(new, dict):
        return new
    whole = dict(old) if isinstance(old, dict) else {}
    for key, value in new.items():
        if value is None:
            whole.pop(key, None)
        else:
            whole[key] = _merged(whole.get(key), value)
    return whole
