"""Which objectives are drawn into charts of response times."""

from collections.abc import Sequence

from perfrun.api.quantities import parse_duration
from perfrun.api.run.perfrun import SloStatus
from perfrun.api.test.metric import LATENCY, QUANTILES
from perfrun.measure.plan import RunPlan


def latency_limits(slos: Sequence[SloStatus], plan: RunPlan) -> list[SloStatus]:
    """Objectives on the response time of all requests: of a test's only step as well."""
    of_all = {""}
    if sum(len(scenario.steps) for scenario in plan.scenarios) == 1:
        of_all |= {plan.scenarios[0].name, plan.scenarios[0].steps[0].name}
    return [slo for slo in slos if slo.of in of_all and is_latency_limit(slo)]


def is_latency_limit(slo: SloStatus) -> bool:
    """Whether an objective limits a percentile of the response time, or its maximum."""
    family, _, statistic = slo.metric.partition(".")
    if family != LATENCY or statistic not in (*QUANTILES, "max") or slo.max is None:
        return False
    try:
        return parse_duration(slo.max) > 0
    except ValueError:
        return False
