"""Which kind a target is of. A new kind is a module of its own, and a line here."""

from perfrun.engine.errors import DataError
from perfrun.engine.http_kind import HttpKind
from perfrun.engine.kind import Kind
from perfrun.measure.plan import RunPlan
from perfrun.reach.values import Values


def kind_of(plan: RunPlan, values: Values, index: int) -> Kind:
    """The kind of a plan's target, for a worker. Raises DataError for what it cannot resolve."""
    if plan.target.sql is not None:
        # Only here: drivers are an extra, and take time to load.
        from perfrun.engine.sql.kind import SqlKind

        try:
            return SqlKind(plan, values, index)
        except ModuleNotFoundError as error:
            raise DataError(
                f"spec.target.sql needs {error.name}, which is not installed here: "
                f"pip install 'perfrun[sql]'"
            ) from error
    if plan.target.extension is not None:
        # Only here as well: it has the packages of this machine listed.
        from perfrun.engine.extension.kind import ExtensionKind

        return ExtensionKind(plan, values)
    if plan.target.benchmark is not None:
        from perfrun.engine.benchmark.kind import BenchmarkKind

        return BenchmarkKind(plan, values)
    return HttpKind(plan, values)
