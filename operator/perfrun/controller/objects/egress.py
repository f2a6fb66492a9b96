"""The NetworkPolicy of a script's run: its pods may connect to its targets, and to nothing else.

A worker checks every connection that it opens itself, but not those of a foreign tool. So the
cluster's network has to, if its plugin enforces NetworkPolicies. The policy belongs to the plan of
the run, so it is deleted with it, and the operator needs no right to delete anybody's policies.
"""

import asyncio
import ipaddress
import socket
from collections.abc import Iterator
from urllib.parse import urlsplit

from perfrun.api import Json
from perfrun.api.names import port_of
from perfrun.controller.objects.manifests import (
    MANAGED_BY,
    RUN_LABEL,
    owner_reference,
    run_labels,
)
from perfrun.controller.objects.store import Key
from perfrun.controller.objects.writing import create_once
from perfrun.controller.settings import Settings
from perfrun.kube.client import Kube, owned_by
from perfrun.kube.errors import AwayError, RefusedError
from perfrun.kube.resources import CONFIG_MAPS, NETWORK_POLICIES, SERVICES
from perfrun.logic.plan.names import job_name
from perfrun.logic.plan.network import Fence, NotAllowedError, service_of
from perfrun.measure.plan import RunPlan

DNS_PORTS = (53, 5353)
"""5353: where the name servers of OpenShift listen, behind their Service."""
LOOKUP_S = 5.0
MAX_ADDRESSES = 64
_NAMESPACE_NAME = "kubernetes.io/metadata.name"
"""The label that the API server gives each namespace."""


async def ensure_egress(
    kube: Kube, settings: Settings, run: Key, plan: RunPlan, plan_map: Json
) -> None:
    """Make sure that the policy of a script's run exists; other runs have none.

    ``plan_map`` is the ConfigMap that it is to belong to. Raises RefusedError for a target that
    does not exist as it is written or that a policy refuses, other KubeErrors if trying again may
    help.
    """
    script, owner = plan.target.script, plan_map["metadata"]
    if script is None:
        return
    standing = await kube.find(NETWORK_POLICIES, run.namespace, _policy_name(plan))
    if standing is not None and owned_by(standing, owner["uid"]):
        return  # its targets are not looked up again
    fence = Fence(plan.network, plan.namespace)
    targets = [await _allowed(kube, fence, plan.namespace, one) for one in script.targets]
    body = egress_policy(run, plan, targets, settings, owner)
    await create_once(kube, NETWORK_POLICIES, body, owner["uid"])


def egress_policy(
    run: Key, plan: RunPlan, targets: list[Json], settings: Settings, owner: Json
) -> Json:
    """The policy; ``targets`` are egress rules, ``owner`` is the metadata of a ConfigMap."""
    labels = run_labels(run, plan.test)
    pods = {"matchLabels": {key: labels[key] for key in (MANAGED_BY, RUN_LABEL)}}
    dns = [{"protocol": way, "port": port} for port in DNS_PORTS for way in ("UDP", "TCP")]
    rules = [*targets, {"ports": dns}, _coordinator(settings)]
    if plan.target.the_script.divided == "Distributed":
        rules.append({"to": [{"podSelector": pods}]})  # the tool's own workers and their master
    owned = owner_reference(
        CONFIG_MAPS.kind, owner["name"], owner["uid"], api_version=CONFIG_MAPS.api_version
    )
    return {
        "metadata": {
            "name": _policy_name(plan),
            "namespace": run.namespace,
            "labels": labels,
            "ownerReferences": [owned],
        },
        "spec": {"podSelector": pods, "policyTypes": ["Egress"], "egress": rules},
    }


def _policy_name(plan: RunPlan) -> str:
    return f"{job_name(plan.uid)}-egress"


def _coordinator(settings: Settings) -> Json:
    """Where workers report: the operator's pods, or the address of an operator outside of pods."""
    operator = {"namespaceSelector": {"matchLabels": {_NAMESPACE_NAME: settings.namespace}}}
    parts = urlsplit(settings.coordinator_url)
    ports = {settings.coordinator_port, parts.port or settings.coordinator_port}
    try:
        peers = [operator, *_blocks([parts.hostname or ""])]
    except ValueError:
        peers = [operator]  # a name: that of its Service
    return {"to": peers, "ports": [_tcp(port) for port in sorted(ports)]}


async def _allowed(kube: Kube, fence: Fence, namespace: str, target: str) -> Json:
    """The rule for one target."""
    parts = urlsplit(f"//{target}")
    host, port = parts.hostname or "", port_of(parts)
    found = await _service(kube, host, namespace)
    selector = found and found["spec"].get("selector")
    if not found or not selector or found["spec"].get("type") == "ExternalName":
        try:
            return await _addresses(fence, host, _name(fence, found, host, namespace), port)
        except NotAllowedError as error:
            raise RefusedError(403, f"spec.target.script.targets: {host}: {error}") from error
    pods = {
        "namespaceSelector": {"matchLabels": {_NAMESPACE_NAME: found["metadata"]["namespace"]}},
        "podSelector": {"matchLabels": selector},
    }
    return {"to": [pods], "ports": [_tcp(one) for one in _ports_behind(found, port, target)]}


async def _service(kube: Kube, host: str, namespace: str) -> Json | None:
    """The Service that a host names; None if there is none, or in a namespace that the operator may
    not read.
    """
    service = service_of(host, namespace)
    try:
        return None if service is None else await kube.find(SERVICES, *service)
    except RefusedError:
        return None


def _ports_behind(service: Json, port: int, target: str) -> list[int | str]:
    """The pods' ports behind a port of their Service. Raises RefusedError if it has no such port.

    Clients of a headless Service connect to the pods themselves.
    """
    spec, name = service["spec"], service["metadata"]["name"]
    of_pods = [one.get("targetPort", port) for one in spec.get("ports", []) if one["port"] == port]
    if spec.get("clusterIP") == "None":
        return list(dict.fromkeys([port, *of_pods]))
    if of_pods:
        return of_pods
    known = ", ".join(str(one["port"]) for one in spec.get("ports", [])) or "none"
    raise RefusedError(
        422,
        f"spec.target.script.targets: {target}: Service {name} has no port {port}; its ports: "
        f"{known}",
    )


def _name(fence: Fence, service: Json | None, host: str, namespace: str) -> str:
    """What to look up for a host, as the pods of the namespace would. Raises NotAllowedError.

    A name without a dot would be a Service in the operator's own namespace here.
    """
    if service is None:
        name = fence.name(host)
        own = "." not in name and service_of(name, namespace) is not None
        return f"{name}.{namespace}.svc" if own else name
    name = f"{service['metadata']['name']}.{service['metadata']['namespace']}.svc"
    if service["spec"].get("type") != "ExternalName":
        return name
    alias = str(service["spec"].get("externalName", ""))
    fence.canonical(name, alias, ())
    return alias


async def _addresses(fence: Fence, host: str, name: str, port: int) -> Json:
    """The rule for what ``name`` stands for now. Raises NotAllowedError for what policies
    refuse."""
    try:
        async with asyncio.timeout(LOOKUP_S):
            looked_up = await asyncio.get_running_loop().getaddrinfo(
                name, port, type=socket.SOCK_STREAM
            )
    except (OSError, TimeoutError) as error:
        why = f"spec.target.script.targets: {host} cannot be resolved: {str(error) or 'no answer'}"
        raise AwayError(0, why) from error
    found = list(dict.fromkeys(str(address[4][0]) for address in looked_up))[:MAX_ADDRESSES]
    for address in found:
        fence.address(address)
    return {"to": list(_blocks(found)), "ports": [_tcp(port)]}


def _blocks(addresses: list[str]) -> Iterator[Json]:
    """Peers for single addresses. Raises ValueError for a name."""
    for text in addresses:
        address = ipaddress.ip_address(text.partition("%")[0])
        yield {"ipBlock": {"cidr": f"{address}/{address.max_prefixlen}"}}


def _tcp(port: int | str) -> Json:
    return {"protocol": "TCP", "port": port}
