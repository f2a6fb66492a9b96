"""The part of a worker's pod that a test may shape: a closed subset of the pod's own fields."""

from typing import Annotated, Any, Literal

from pydantic import Field, WithJsonSchema

from perfrun.api.base import ApiModel, NotBuiltList, Rule
from perfrun.api.names import ObjectName

Labels = Annotated[
    dict[Annotated[str, Field(max_length=317)], Annotated[str, Field(max_length=63)]],
    Field(max_length=32),
]
Annotations = Annotated[
    dict[Annotated[str, Field(max_length=317)], Annotated[str, Field(max_length=4096)]],
    Field(max_length=32),
]
ResourceQuantity = Annotated[
    str | int | float,
    WithJsonSchema(
        {
            "x-kubernetes-int-or-string": True,
            "maxLength": 30,
            "pattern": r"^[0-9]+(\.[0-9]+)?(m|k|M|G|T|Ki|Mi|Gi|Ti)?$",
        }
    ),
]
Untyped = Annotated[
    dict[str, Any],
    WithJsonSchema({"type": "object", "x-kubernetes-preserve-unknown-fields": True}),
]


APPARMOR = "container.apparmor.security.beta.kubernetes.io/"
"""With annotations of this kind Kubernetes fills a field of the security context."""


class Resources(ApiModel):
    """CPU and memory of a worker."""

    requests: Annotated[dict[str, ResourceQuantity], Field(max_length=8)] = {}
    limits: Annotated[dict[str, ResourceQuantity], Field(max_length=8)] = {}


class Toleration(ApiModel):
    """A taint that a worker may stand."""

    key: Annotated[str, Field(max_length=317)] | None = None
    operator: Literal["Exists", "Equal"] | None = None
    value: Annotated[str, Field(max_length=63)] | None = None
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = None
    toleration_seconds: int | None = None


class LocalObjectReference(ApiModel):
    """An object of the test's own namespace."""

    name: ObjectName


class PodTemplate(ApiModel):
    """What a test may set on the pods of its workers; everything else is perfrun's."""

    labels: Labels = {}
    annotations: Annotations = {}
    resources: Resources | None = None
    node_selector: Labels = {}
    affinity: Untyped | None = None
    tolerations: Annotated[list[Toleration], Field(max_length=16)] = []
    topology_spread_constraints: Annotated[list[Untyped], Field(max_length=8)] = []
    priority_class_name: ObjectName | None = None
    image_pull_secrets: Annotated[list[LocalObjectReference], Field(max_length=8)] = []
    sidecars: NotBuiltList = None

    rules = (
        Rule(
            cel="!has(self.priorityClassName) || !self.priorityClassName.startsWith('system-')",
            holds=lambda pod: not (pod.priority_class_name or "").startswith("system-"),
            message="classes that begin with system- are for the cluster's own pods, which workers "
            "would push from their nodes",
            field=".priorityClassName",
        ),
        Rule(
            cel="!has(self.annotations) ||"
            f" !self.annotations.exists(key, key.startsWith('{APPARMOR}'))",
            holds=lambda pod: not any(key.startswith(APPARMOR) for key in pod.annotations),
            message="AppArmor profiles are a part of the security context, which is perfrun's",
            field=".annotations",
        ),
    )
