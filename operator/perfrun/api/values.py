"""Values that a test takes from Secrets and ConfigMaps of its namespace."""

from typing import Literal, NamedTuple

from perfrun.api.base import ApiModel, exactly_one_of
from perfrun.api.names import DataKey, ObjectName


class KeyRef(ApiModel):
    """A key of a Secret or ConfigMap in the test's own namespace."""

    name: ObjectName
    key: DataKey


class SecretValue(ApiModel):
    """A value that is kept in a Secret."""

    secret_key_ref: KeyRef


class ValueSource(ApiModel):
    """A value that is kept in a Secret or a ConfigMap."""

    secret_key_ref: KeyRef | None = None
    config_map_key_ref: KeyRef | None = None

    rules = (exactly_one_of("secretKeyRef", "configMapKeyRef", what="a value source"),)


class TlsSecretRef(ApiModel):
    """The name of a Secret of type kubernetes.io/tls."""

    name: ObjectName


class ClientCertificate(ApiModel):
    """A client certificate and its key."""

    secret_ref: TlsSecretRef


class ValueRef(NamedTuple):
    """One value that a test takes from the cluster: read by its workers only, never by perfrun."""

    kind: Literal["Secret", "ConfigMap"]
    name: str
    key: str


def value_refs(node: object) -> set[ValueRef]:
    """All values that a part of a spec takes from Secrets and ConfigMaps."""
    if isinstance(node, ClientCertificate):
        return {ValueRef("Secret", node.secret_ref.name, key) for key in ("tls.crt", "tls.key")}
    if isinstance(node, dict):
        node = list(node.values())
    if isinstance(node, list | tuple):
        return set().union(*(value_refs(item) for item in node))
    if not isinstance(node, ApiModel):
        return set()
    refs: set[ValueRef] = set()
    for field in type(node).model_fields:
        value = getattr(node, field)
        if isinstance(value, KeyRef):
            kind: Literal["Secret", "ConfigMap"] = (
                "ConfigMap" if field == "config_map_key_ref" else "Secret"
            )
            refs.add(ValueRef(kind, value.name, value.key))
        else:
            refs |= value_refs(value)
    return refs
