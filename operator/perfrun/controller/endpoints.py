"""The EndpointSlice by which the Service of the coordinator leads to the operator that acts.

The Service has no selector: a standby is ready, but knows nothing of what workers have to tell.
"""

from ipaddress import ip_address

from perfrun.controller.kube import ENDPOINT_SLICES, LEASES, Json, Kube
from perfrun.controller.settings import Settings


async def lead_workers_here(kube: Kube, settings: Settings, lease_uid: str) -> None:
    """Write the slice where it says something else. It goes when the Lease goes.

    Outside of a pod, where there is no Service either, nothing is written.
    """
    if not settings.pod_ip or not settings.coordinator_service:
        return
    body = _slice(settings, lease_uid)
    name = body["metadata"]["name"]
    standing = await kube.find(ENDPOINT_SLICES, settings.namespace, name)
    if standing is None:
        await kube.create(ENDPOINT_SLICES, settings.namespace, body)
    elif not _says(standing, body):
        version = standing["metadata"]["resourceVersion"]
        metadata = {**body["metadata"], "resourceVersion": version}
        await kube.patch(ENDPOINT_SLICES, settings.namespace, name, {**body, "metadata": metadata})


def _slice(settings: Settings, lease_uid: str) -> Json:
    family = f"IPv{ip_address(settings.pod_ip).version}"
    service = settings.coordinator_service
    return {
        "metadata": {
            # The type of the addresses never changes, so each family has a slice of its own.
            "name": f"{service}-{family.lower()}",
            "labels": {
                "kubernetes.io/service-name": service,
                "endpointslice.kubernetes.io/managed-by": "perfrun.dev",
            },
            "ownerReferences": [
                {
                    "apiVersion": LEASES.api_version,
                    "kind": LEASES.kind,
                    "name": settings.lease,
                    "uid": lease_uid,
                }
            ],
        },
        "addressType": family,
        "endpoints": [{"addresses": [settings.pod_ip], "conditions": {"ready": True}}],
        "ports": [{"name": "coordinator", "port": settings.coordinator_port, "protocol": "TCP"}],
    }


def _says(standing: Json, body: Json) -> bool:
    owners = [owner.get("uid") for owner in standing["metadata"].get("ownerReferences", [])]
    addresses = [end.get("addresses") for end in standing.get("endpoints") or []]
    wanted = [end["addresses"] for end in body["endpoints"]]
    owner = body["metadata"]["ownerReferences"][0]["uid"]
    ports = [port.get("port") for port in standing.get("ports") or []]
    return (
        owners == [owner]
        and addresses == wanted
        and ports == [port["port"] for port in body["ports"]]
    )
