"""Objects that are written once and found again after a kill, without overwriting others'."""

from collections.abc import Collection

from perfrun.api import Json
from perfrun.controller.objects.manifests import SHA_ANNOTATION
from perfrun.coordinator.errors import Conflict
from perfrun.kube.client import Kube, owned_by
from perfrun.kube.errors import AlreadyExistsError, ConflictError
from perfrun.kube.resources import CONFIG_MAPS, Resource

MAX_DELETED = 60_000
"""Objects of one run or test: enough for the largest reports of more than 5,000 workers."""


async def create_once(kube: Kube, resource: Resource, body: Json, uid: str) -> Json:
    """Create an object that ``uid`` owns; an existing one with the same owner is accepted.

    Returns the object as it is now. Raises ConflictError if an object with its name belongs to
    something else.
    """
    try:
        return await kube.create(resource, body["metadata"]["namespace"], body)
    except AlreadyExistsError:
        return await _ours(kube, resource, body, uid)


async def find_or_create(kube: Kube, resource: Resource, body: Json, uid: str) -> None:
    """The same, for an object that usually exists already."""
    standing = await kube.find(resource, body["metadata"]["namespace"], body["metadata"]["name"])
    if standing is None:
        await create_once(kube, resource, body, uid)
    else:
        _insist_on_owner(standing, resource, uid)


async def store_config_map(kube: Kube, body: Json, uid: str) -> None:
    """Write a ConfigMap of the run ``uid``, replacing one that was written before a kill.

    Raises ConflictError if one with its name belongs to something else, or changes meanwhile.
    """
    try:
        await kube.create(CONFIG_MAPS, body["metadata"]["namespace"], body)
    except AlreadyExistsError:
        await _replace(kube, await _ours(kube, CONFIG_MAPS, body, uid), body)


async def store_report(kube: Kube, pieces: list[Json], uid: str) -> None:
    """Write the ConfigMaps of a worker's report; it is stored when this returns.

    The first piece is written last: if it exists, all do. Raises Conflict if there is a different
    report of this worker; ConflictError as above.
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
    """Delete the objects with ``labels`` that ``uid`` owns, except those named in ``but``.

    At most :data:`MAX_DELETED`: if there are more, somebody else has written most of them. They are
    deleted with their owner.
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
    """The hash of the whole of which a ConfigMap is a piece."""
    return str(body["metadata"].get("annotations", {}).get(SHA_ANNOTATION, ""))


async def _is_whole(kube: Kube, first: Json, standing: Json) -> bool:
    """Whether the report of an existing piece has its first piece."""
    about = first["metadata"]
    if standing["metadata"]["name"] == about["name"]:
        return True
    found = await kube.find(CONFIG_MAPS, about["namespace"], about["name"])
    return found is not None and sha_of(found) == sha_of(standing)


async def _ours(kube: Kube, resource: Resource, body: Json, uid: str) -> Json:
    """The existing object with the name of ``body``. Raises ConflictError unless
    ``uid`` owns it.
    """
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
    """Overwrite the version that was just read, and no other."""
    seen = {key: standing["metadata"][key] for key in ("uid", "resourceVersion")}
    metadata = {**body["metadata"], **seen}
    await kube.patch(
        CONFIG_MAPS, metadata["namespace"], metadata["name"], {**body, "metadata": metadata}
    )
