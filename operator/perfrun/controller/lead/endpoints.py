"""The EndpointSlices through which Services lead to the leader.

The Services of the coordinator and of the metrics have no selector: a standby is ready, but knows
nothing about workers, and shows no tests.
"""

from ipaddress import ip_address

from perfrun.api import Json
from perfrun.controller.settings import Settings
from perfrun.kube.client import Kube
from perfrun.kube.resources import ENDPOINT_SLICES, LEASES


async def lead_here(kube: Kube, settings: Settings, lease_uid: str) -> None:
    """Write the slices if they differ. They are deleted with the Lease.

    Outside a pod, where there are no Services either, nothing is written.
    """
    if not settings.pod_ip:
        return
    for service, name, port in (
        (settings.coordinator_service, "coordinator", settings.coordinator_port),
        (settings.metrics_service, "metrics", settings.metrics_port),
    ):
        if service:
            await _write(kube, settings, _slice(settings, lease_uid, service, name, port))


async def _write(kube: Kube, settings: Settings, body: Json) -> None:
    name = body["metadata"]["name"]
    standing = await kube.find(ENDPOINT_SLICES, settings.namespace, name)
    if standing is None:
        await kube.create(ENDPOINT_SLICES, settings.namespace, body)
    elif not _is_current(standing, body):
        version = standing["metadata"]["resourceVersion"]
        metadata = {**body["metadata"], "resourceVersion": version}
        await kube.patch(ENDPOINT_SLICES, settings.namespace, name, {**body, "metadata": metadata})


def _slice(settings: Settings, lease_uid: str, service: str, port_name: str, port: int) -> Json:
    family = f"IPv{ip_address(settings.pod_ip).version}"
    return {
        "metadata": {
            # The type of the addresses never changes, so each family has a separate slice.
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
        "ports": [{"name": port_name, "port": port, "protocol": "TCP"}],
    }


def _is_current(standing: Json, body: Json) -> bool:
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
