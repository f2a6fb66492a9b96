"""Values that a test takes from Secrets and ConfigMaps of its namespace."""

from typing import Literal, NamedTuple

from pydantic import Field

from perfrun.api.base import ApiModel, exactly_one_of
from perfrun.api.names import DataKey, ObjectName


class KeyRef(ApiModel):
    """A key of a Secret or ConfigMap in the namespace of the test."""

    name: ObjectName = Field(description="Name of the object.")
    key: DataKey = Field(description="Key in the object.")


class SecretValue(ApiModel):
    """A value from a Secret."""

    secret_key_ref: KeyRef = Field(description="A key of a Secret in the namespace of the test.")


class ValueSource(ApiModel):
    """A value from a Secret or a ConfigMap."""

    secret_key_ref: KeyRef | None = Field(
        default=None, description="A key of a Secret in the namespace of the test."
    )
    config_map_key_ref: KeyRef | None = Field(
        default=None, description="A key of a ConfigMap in the namespace of the test."
    )

    rules = (exactly_one_of("secretKeyRef", "configMapKeyRef", what="a value source"),)


class TlsSecretRef(ApiModel):
    """A Secret of type kubernetes.io/tls in the namespace of the test."""

    name: ObjectName = Field(description="Name of the Secret.")


class ClientCertificate(ApiModel):
    """A client certificate and its private key."""

    secret_ref: TlsSecretRef


class ValueRef(NamedTuple):
    """One value that a test takes from the cluster: only its workers read it, never perfrun."""

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
