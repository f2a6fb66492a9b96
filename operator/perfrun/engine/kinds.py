"""Which kind a target is of. A new kind is a module of its own, and a line here."""

from perfrun.engine.http_kind import HttpKind
from perfrun.engine.kind import Kind
from perfrun.engine.values import Values
from perfrun.measure.plan import RunPlan


def kind_of(plan: RunPlan, values: Values) -> Kind:
    """The kind of a plan's target. Raises DataError for what it cannot resolve."""
    return HttpKind(plan, values)
