"""What is looked at besides the target's answers."""

from typing import Literal

from perfrun.api.base import ApiModel, NotBuiltObject, Rule
from perfrun.api.names import ObjectName, PartName


class Workload(ApiModel):
    """A workload of the test's own namespace."""

    kind: Literal["Deployment", "StatefulSet"]
    name: ObjectName


class Observed(ApiModel):
    """One thing, by the name that objectives will use for it."""

    name: PartName
    workload: Workload | None = None
    sql: NotBuiltObject = None
    prometheus: NotBuiltObject = None

    rules = (
        Rule(
            cel="has(self.workload)",
            holds=lambda observed: observed.workload is not None,
            message="what is observed has to be a workload in this version of perfrun",
        ),
    )
