"""The part of a worker's pod that a test may change: a closed subset of the pod's own fields."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, WithJsonSchema

from perfrun.api.base import ApiModel, NotBuiltList, Rule, Unique
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
"""From annotations of this kind Kubernetes fills in a field of the security context."""


class Resources(ApiModel):
    """CPU and memory of each worker."""

    requests: Annotated[dict[str, ResourceQuantity], Field(max_length=8)] = Field(
        default={},
        description="Resources to request for a worker. Default: those of the Helm chart. "
        'Example: `{cpu: "1", memory: 256Mi}`.',
    )
    limits: Annotated[dict[str, ResourceQuantity], Field(max_length=8)] = Field(
        default={},
        description="Maximum resources of a worker. A CPU limit that throttles it distorts the "
        "measurements.",
    )


class Toleration(ApiModel):
    """A toleration, as in the spec of a pod."""

    key: Annotated[str, Field(max_length=317)] | None = Field(
        default=None, description="Key of the taint. Default: all keys."
    )
    operator: Literal["Exists", "Equal"] | None = Field(
        default=None, description="How the value is compared. Default: Equal."
    )
    value: Annotated[str, Field(max_length=63)] | None = Field(
        default=None, description="Value of the taint, for the operator Equal."
    )
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = Field(
        default=None, description="Effect of the taint. Default: all effects."
    )
    toleration_seconds: int | None = Field(
        default=None,
        description="Seconds that the pod stays on a node with a NoExecute taint. Default: "
        "forever.",
    )


class LocalObjectReference(ApiModel):
    """An object in the namespace of the test."""

    name: ObjectName = Field(description="Name of the object.")


class PodTemplate(ApiModel):
    """Settings of the worker pods. perfrun controls all other fields of the pods."""

    labels: Labels = Field(default={}, description="Labels to add to the pods.")
    annotations: Annotations = Field(default={}, description="Annotations to add to the pods.")
    resources: Resources | None = None
    node_selector: Labels = Field(
        default={}, description="Labels that a node must have to run the pods."
    )
    affinity: Untyped | None = Field(
        default=None, description="Affinity of the pods, as in the spec of a pod."
    )
    tolerations: Annotated[list[Toleration], Field(max_length=16)] = Field(
        default=[], description="Tolerations of the pods."
    )
    topology_spread_constraints: Annotated[list[Untyped], Field(max_length=8)] = Field(
        default=[], description="Topology spread constraints, as in the spec of a pod."
    )
    priority_class_name: ObjectName | None = Field(
        default=None,
        description="PriorityClass of the pods. Names that begin with `system-` are refused.",
    )
    image_pull_secrets: Annotated[
        list[LocalObjectReference], Field(max_length=8), Unique("name")
    ] = Field(default=[], description="Secrets with credentials for pulling images.")
    sidecars: NotBuiltList = Field(default=None, description="Not implemented; must not be set.")

    def extended_by(self, own: Self | None) -> Self:
        """These settings of all pods, with a test's own.

        Labels, annotations and node selectors of all pods take precedence, so that a test cannot
        leave the nodes that are meant for workers; for fields with a single value, the test's is
        used.
        """
        if own is None:
            return self
        return own.model_copy(
            update={
                "labels": {**own.labels, **self.labels},
                "annotations": {**own.annotations, **self.annotations},
                "node_selector": {**own.node_selector, **self.node_selector},
                "tolerations": [*self.tolerations, *own.tolerations],
                "affinity": own.affinity or self.affinity,
                "topology_spread_constraints": (
                    own.topology_spread_constraints or self.topology_spread_constraints
                ),
                "priority_class_name": own.priority_class_name or self.priority_class_name,
                "resources": own.resources or self.resources,
                "image_pull_secrets": [*self.image_pull_secrets, *own.image_pull_secrets],
            }
        )

    rules = (
        Rule(
            cel="!has(self.priorityClassName) || !self.priorityClassName.startsWith('system-')",
            holds=lambda pod: not (pod.priority_class_name or "").startswith("system-"),
            message=(
                "classes that begin with system- are reserved for pods of the cluster, which "
                "workers could preempt: use another class"
            ),
            field=".priorityClassName",
        ),
        Rule(
            cel="!has(self.annotations) ||"
            f" !self.annotations.exists(key, key.startsWith('{APPARMOR}'))",
            holds=lambda pod: not any(key.startswith(APPARMOR) for key in pod.annotations),
            message=(
                "AppArmor profiles belong to the security context, which perfrun controls: remove "
                "it"
            ),
            field=".annotations",
        ),
    )
