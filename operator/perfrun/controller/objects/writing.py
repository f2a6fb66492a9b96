"""Objects that are written once, and found again after a kill: never over another's."""

from collections.abc import Collection

from perfrun.api import Json
from perfrun.controller.objects.manifests import SHA_ANNOTATION
from perfrun.coordinator.errors import Conflict
from perfrun.kube.client import Kube, owned_by
from perfrun.kube.errors import AlreadyExistsError, ConflictError
from perfrun.kube.resources import CONFIG_MAPS, Resource

MAX_DELETED = 60_000
"""Objects of one run or test: the largest reports of 5,000 workers and more."""


async def create_once(kube: Kube, resource: Resource, body: Json, uid: str) -> None:
    """Create an object that ``uid`` owns; what is there already and its own is as good.

    Raises ConflictError where one of its name belongs to somebody else.
    """
    try:
        await kube.create(resource, body["metadata"]["namespace"], body)
    except AlreadyExistsError:
        await _ours(kube, resource, body, uid)


async def find_or_create(kube: Kube, resource: Resource, body: Json, uid: str) -> None:
    """The same, for an object that is there more often than not."""
    standing = await kube.find(resource, body["metadata"]["namespace"], body["metadata"]["name"])
    if standing is None:
        await create_once(kube, resource, body, uid)
    else:
        _insist_on_owner(standing, resource, uid)


async def store_config_map(kube: Kube, body: Json, uid: str) -> None:
    """Write a ConfigMap of the run ``uid``, also over one that was written before a kill.

    Raises ConflictError where one of its name belongs to somebody else, or is changed meanwhile.
    """
    try:
        await kube.create(CONFIG_MAPS, body["metadata"]["namespace"], body)
    except AlreadyExistsError:
        await _replace(kube, await _ours(kube, CONFIG_MAPS, body, uid), body)


async def store_report(kube: Kube, pieces: list[Json], uid: str) -> None:
    """Write the ConfigMaps of a worker's report; it is there when this returns.

    The first piece comes last: where it is, all are. Raises Conflict where another report of this
    worker is there; ConflictError as above.
    """
    for body in reversed(pieces):
        try:
            await kube.create(CONFIG_MAPS, body["metadata"]["namespace"], body)
        except AlreadyExistsError:
            standing = await _ours(kube, CONFIG_MAPS, body, uid)
            if sha_of(standing) == sha_of(body):
                continue
            if await _is_whole(kube, pieces[0], standing):
                raise Conflict("a different report of this worker is already stored") from None
            # Left by a report that was never acknowledged.
            await _replace(kube, standing, body)


async def delete_owned(
    kube: Kube,
    resource: Resource,
    namespace: str,
    labels: str,
    uid: str,
    *,
    but: Collection[str] = (),
) -> None:
    """Delete the objects with ``labels`` that ``uid`` owns, except those of the names ``but``.

    At most :data:`MAX_DELETED`: of more, somebody else has written most. They go with their owner.
    """
    deleted = 0
    async for page in kube.pages(resource, namespace, labels=labels, only_metadata=True):
        for body in page:
            about = body["metadata"]
            if about["name"] in but or not owned_by(body, uid):
                continue
            if deleted == MAX_DELETED:
                return
            deleted += 1
            await kube.delete(resource, namespace, about["name"], uid=about["uid"])


def sha_of(body: Json) -> str:
    """The hash of the whole that a ConfigMap is a piece of."""
    return str(body["metadata"].get("annotations", {}).get(SHA_ANNOTATION, ""))


async def _is_whole(kube: Kube, first: Json, standing: Json) -> bool:
    """Whether the report that a standing piece belongs to has its first piece."""
    about = first["metadata"]
    if standing["metadata"]["name"] == about["name"]:
        return True
    found = await kube.find(CONFIG_MAPS, about["namespace"], about["name"])
    return found is not None and sha_of(found) == sha_of(standing)


async def _ours(kube: Kube, resource: Resource, body: Json, uid: str) -> Json:
    """What stands under the name of ``body``. Raises ConflictError unless ``uid`` owns it."""
    about = body["metadata"]
    standing = await kube.get(resource, about["namespace"], about["name"])
    _insist_on_owner(standing, resource, uid)
    return standing


def _insist_on_owner(standing: Json, resource: Resource, uid: str) -> None:
    if not owned_by(standing, uid):
        raise ConflictError(
            409,
            f"{resource.kind} {standing['metadata']['name']} already exists and belongs to "
            "something else: delete it, unless it disappears by itself",
        )


async def _replace(kube: Kube, standing: Json, body: Json) -> None:
    """Write over what was just read, and over nothing else."""
    seen = {key: standing["metadata"][key] for key in ("uid", "resourceVersion")}
    metadata = {**body["metadata"], **seen}
    await kube.patch(
        CONFIG_MAPS, metadata["namespace"], metadata["name"], {**body, "metadata": metadata}
    )
