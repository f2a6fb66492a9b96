"""The thresholds of a k6 script: its language, as k6 reads it.

A threshold is a metric, perhaps with a selector of tags (``http_req_duration{name:checkout}``), and
an expression (``p(95)<500``) over all of its samples, in the unit of the metric. What is accepted
and refused here is what k6 accepts and refuses; ``logic/verdict/scripts.py`` judges.
"""

import math
import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from perfrun.api.quantities import (
    NS_PER_MS,
    NS_PER_S,
    format_exact_duration,
    format_exact_percent,
)
from perfrun.api.test.load import StopCondition
from perfrun.api.test.metric import ERROR_RATE, LATENCY, QUANTILES
from perfrun.measure.script import ToolThreshold

_USUAL_DELAY = 10 * NS_PER_S
_MAX_MS = 3_600_000
_ALL_REQUESTS = ((), (("expected_response", "true"),))
_STATISTICS: Mapping[str | float, str] = {
    **{name: name for name in ("avg", "min", "max")},
    "med": "p50",
    **{round(share * 100, 6): name for name, share in QUANTILES.items()},
}
"""perfrun's names, by method, or by percentile."""
METHODS: Mapping[str, tuple[str, ...]] = {
    "Counter": ("count", "rate"),
    "Gauge": ("value",),
    "Rate": ("rate",),
    "Trend": ("avg", "min", "max", "med", "p"),
}
"""What may be asked of each kind of metric; ``p`` is any percentile."""
_METHOD = re.compile(r"(?P<name>avg|min|max|med|rate|count|value)\Z|p\((?P<percentile>.*)\)\Z")
_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?\Z")
_Comparison = Callable[[float, float], bool]
OPERATORS: Mapping[str, _Comparison] = {
    "<=": operator.le,
    "<": operator.lt,
    ">=": operator.ge,
    ">": operator.gt,
    "===": operator.eq,
    "==": operator.eq,
    "!=": operator.ne,
}
"""In the order in which k6 looks for them."""


@dataclass(frozen=True, slots=True)
class MetricSelector:
    """A metric, or those of its samples that have some tags."""

    metric: str
    tags: tuple[tuple[str, str], ...] = ()

    def selects(self, tags: Mapping[str, str]) -> bool:
        """Whether a sample of the metric with these tags is one of them."""
        return all(tags.get(name) == value for name, value in self.tags)

    @property
    def selects_requests(self) -> bool:
        """Whether it selects what an objective of a whole run is about: all, or those that did not
        fail."""
        return self.tags in _ALL_REQUESTS

    @property
    def shown(self) -> str:
        """The tags, as in ``name:checkout,status:200``; empty without any."""
        return ",".join(f"{name}:{value}" for name, value in self.tags)


@dataclass(frozen=True, slots=True)
class Expression:
    """What has to be true of a metric."""

    method: str
    """One of :data:`METHODS`."""
    percentile: float | None
    """With the method ``p``: 0 to 100."""
    operator: str
    """One of :data:`OPERATORS`."""
    limit: float
    written: str
    """Its left side, as in ``p(95)``."""

    def may_hold(self, low: float, high: float) -> bool:
        """Whether it is true for one of the values from ``low`` to ``high``."""
        if self.operator in ("==", "==="):
            return low <= self.limit <= high
        return self._holds(low) or self._holds(high)

    def must_hold(self, low: float, high: float) -> bool:
        """Whether it is true for all values from ``low`` to ``high``."""
        if self.operator == "!=":
            return not low <= self.limit <= high
        return self._holds(low) and self._holds(high)

    def _holds(self, value: float) -> bool:
        return OPERATORS[self.operator](value, self.limit)

    @property
    def quantile(self) -> float | None:
        """0 to 1; None for what is no percentile."""
        if self.method == "med":
            return 0.5
        return None if self.percentile is None else self.percentile / 100

    @property
    def statistic(self) -> str | None:
        """What metrics of perfrun call it, as in ``p95``; None where they have none."""
        return _STATISTICS.get(self.method if self.percentile is None else self.percentile)

    @property
    def upper(self) -> float | None:
        """The limit if it is the highest value allowed."""
        return self.limit if self.operator in ("<", "<=", "==", "===") else None

    @property
    def lower(self) -> float | None:
        """The limit if it is the lowest value allowed."""
        return self.limit if self.operator in (">", ">=", "==", "===") else None


def stop_condition(threshold: ToolThreshold) -> StopCondition | None:
    """What ends a load where a threshold has ``abortOnFail``; None where no condition of
    ``stopWhen`` is about the same. It looks at each second of all workers, k6 at all samples so
    far."""
    try:
        selector, read = parse_selector(threshold.metric), parse_expression(threshold.source)
    except ValueError:
        return None
    if read.operator not in ("<", "<=") or read.limit <= 0 or not selector.selects_requests:
        return None
    lasting = format_exact_duration(-(-threshold.delay // NS_PER_S) * NS_PER_S or _USUAL_DELAY)
    if (selector.metric, read.method) == ("http_req_failed", "rate") and read.limit < 1:
        return _condition(ERROR_RATE, format_exact_percent(read.limit), lasting)
    if selector.metric != "http_req_duration" or not read.statistic or read.limit > _MAX_MS:
        return None
    above = format_exact_duration(round(read.limit * NS_PER_MS))
    return _condition(f"{LATENCY}.{read.statistic}", above, lasting)


def _condition(metric: str, above: str, lasting: str) -> StopCondition:
    return StopCondition.model_validate({"metric": metric, "above": above, "for": lasting})


def parse_selector(name: str) -> MetricSelector:
    """The metric and the tags of a threshold's key. Raises ValueError where k6 does."""
    opened, closed = name.find("{"), name.rfind("}")
    if opened < 0 and closed < 0:
        return MetricSelector(name)
    if opened < 0 or closed < opened:
        raise ValueError(f"{name!r} has an unmatched brace")
    if closed != len(name) - 1:
        raise ValueError(f"{name!r} has text after its closing brace")
    tags: dict[str, str] = {}
    for part in name[opened + 1 : closed].split(","):
        tag, _, value = part.partition(":")
        if not value:
            raise ValueError(f"{part.strip()!r} is not a tag with a value, as in name:checkout")
        tags[_bare(tag)] = _bare(value)
    return MetricSelector(name[:opened], tuple(sorted(tags.items())))


def parse_expression(text: str) -> Expression:
    """The expression of a threshold. Raises ValueError where k6 does."""
    for sign in OPERATORS:
        left, _, right = text.partition(sign)
        if right:
            break
    else:
        raise ValueError(f"{text!r} is not a statistic, a comparison and a number")
    written = left.strip()
    found = _METHOD.match(written)
    if found is None:
        raise ValueError(
            f"{written!r} is not a statistic: avg, min, max, med, p(N), rate, count, value"
        )
    percentile = None if found["percentile"] is None else _number(found["percentile"])
    if percentile is not None and not 0 <= percentile <= 100:
        raise ValueError(f"{written!r} is not a percentile from 0 to 100")
    return Expression(found["name"] or "p", percentile, sign, _number(right.strip()), written)


def _bare(text: str) -> str:
    return text.strip().strip("\"'")


def _number(text: str) -> float:
    value = float(text) if _NUMBER.match(text) else math.nan
    if not math.isfinite(value):
        raise ValueError(f"{text!r} is not a number")
    return value
