"""The kinds of targets. A new kind is a new module and a line here."""

from perfrun.engine.errors import DataError
from perfrun.engine.http.kind import HttpKind
from perfrun.engine.load.kind import Kind
from perfrun.measure.plan import RunPlan
from perfrun.reach.values import Values

_IN_A_CLUSTER = {"browser": "; in a cluster, set the chart's value worker.browserImage"}


def kind_of(plan: RunPlan, values: Values, index: int) -> Kind:
    """The kind of a plan's target, for a worker. Raises DataError if something cannot be
    resolved."""
    if plan.target.kind in ("sql", "browser"):
        try:
            return _of_an_extra(plan, values, index)
        except ModuleNotFoundError as error:
            extra, missing = plan.target.kind, str(error.name).partition(".")[0]
            raise DataError(
                f"spec.target.{extra} needs {missing}, which is not installed here: "
                f"pip install '.[{extra}]' in a clone of perfrun{_IN_A_CLUSTER.get(extra, '')}"
            ) from error
    if plan.target.extension is not None:
        # Imported here as well, because it lists the packages of this machine.
        from perfrun.engine.extension.kind import ExtensionKind

        return ExtensionKind(plan, values)
    if plan.target.benchmark is not None:
        from perfrun.engine.benchmark.kind import BenchmarkKind

        return BenchmarkKind(plan, values)
    return HttpKind(plan, values)


def _of_an_extra(plan: RunPlan, values: Values, index: int) -> Kind:
    # Imported here, because drivers are an extra, and take time to load.
    if plan.target.sql is not None:
        from perfrun.engine.sql.kind import SqlKind

        return SqlKind(plan, values, index)
    from perfrun.engine.browser.kind import BrowserKind

    return BrowserKind(plan, values)
