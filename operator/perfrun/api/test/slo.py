"""Service level objectives: a metric, what it is about, and its limits."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo, WithJsonSchema

from perfrun.api import quantities as q
from perfrun.api.base import ApiModel, Rule
from perfrun.api.test.metric import (
    MAX_METRIC,
    METRICS,
    MetricSource,
    Notation,
    nearest_metrics,
    row_of,
)

_PATTERNS = {
    Notation.DURATION: q.DURATION_PATTERN,
    Notation.RATE: q.RATE_PATTERN,
    Notation.PERCENT: q.PERCENT_PATTERN,
    Notation.BYTES: q.BYTES_PATTERN,
    Notation.COUNT: q.COUNT_PATTERN,
    Notation.CORES: q.CORES_PATTERN,
    Notation.NUMBER: q.NUMBER_PATTERN,
}


# Notations that include bare whole numbers; CEL checks their sign too.
_WHOLE = {
    Notation.COUNT: " && self.{} >= 0",
    Notation.BYTES: " && self.{} >= 0",
    Notation.CORES: " && self.{} >= 0",
    Notation.NUMBER: "",
}


def parse_limit(metric: str, text: str | int) -> float:
    """A limit of ``metric`` in the unit of its measurements. Raises ValueError with an example."""
    match row_of(metric).kind:
        case Notation.DURATION:
            return q.parse_duration(text)
        case Notation.RATE:
            return q.parse_rate(text)
        case Notation.PERCENT:
            return q.parse_percent(text)
        case Notation.BYTES:
            return q.parse_bytes(text)
        case Notation.COUNT:
            if isinstance(text, int) and text >= 0:
                return text
            raise ValueError(f"{text!r} is not a whole number")
        case Notation.CORES:
            return q.parse_cores(text)
        case Notation.NUMBER:
            return q.parse_number(text)


def parse_measured(metric: str, text: str) -> float:
    """The reverse of :func:`format_measured`. Raises ValueError for a bound, and if there is no
    figure.
    """
    if text.startswith("-"):
        return -parse_measured(metric, text[1:])
    return parse_limit(metric, int(text) if text.isdecimal() else text)


def format_measured(metric: str, value: float, limits: list[float]) -> str:
    """A measurement in the notation of its limits, never rounded across one of them."""
    match row_of(metric).kind:
        case Notation.DURATION:
            if METRICS[metric].source is MetricSource.BENCHMARK:
                return q.format_short_duration(value, limits)
            return q.format_duration(value, limits)
        case Notation.RATE:
            return q.format_rate(value, limits)
        case Notation.PERCENT:
            return q.format_percent(value, limits)
        case Notation.BYTES:
            return q.format_bytes(round(value), limits)
        case Notation.COUNT:
            return str(round(value))
        case Notation.CORES:
            return q.format_cores(value, limits)
        case Notation.NUMBER:
            return q.format_number(value, limits)


def _limit(value: object, info: ValidationInfo) -> object:
    if isinstance(value, bool) or not isinstance(value, int | str):
        row = METRICS.get(info.data.get("metric", ""))
        kind = None if row is None else row.kind
        how = f"the limit of this metric must be {kind}" if kind is not None else _OF_ANY
        quoted = f'; put it in quotes: "{value}"' if isinstance(value, float) else ""
        raise ValueError(how + (quoted if kind in (Notation.CORES, Notation.NUMBER) else ""))
    return value


_OF_ANY = "write the limit as a string with its unit, as in 500ms, 100/s or 1%"


Limit = Annotated[
    Any,
    BeforeValidator(_limit),
    WithJsonSchema({"x-kubernetes-int-or-string": True, "maxLength": 48}),
]


def _known_metric(name: str) -> str:
    if name in METRICS:
        return name
    raise ValueError(f"unknown metric; {nearest_metrics(name, METRICS)}")


def _notation_rules() -> tuple[Rule, ...]:
    rules = []
    for kind in Notation:
        names = [name for name, its in METRICS.items() if its.kind is kind]
        listed = ", ".join(f"'{name}'" for name in names)
        for field in ("max", "min"):
            matches = f"type(self.{field}) == string && self.{field}.matches(r'{_PATTERNS[kind]}')"
            if kind in _WHOLE:
                whole = f"type(self.{field}) == int{_WHOLE[kind].format(field)}"
                matches = whole if kind is Notation.COUNT else f"({whole}) || ({matches})"
            rules.append(
                Rule(
                    cel=f"!has(self.{field}) || !(self.metric in [{listed}]) || ({matches})",
                    holds=_notation_check(kind, field),
                    message=f"the limit of this metric must be {kind}",
                    field=f".{field}",
                )
            )
    return tuple(rules)


def _notation_check(kind: Notation, field: str) -> Any:
    def holds(slo: "Slo") -> bool:
        value = getattr(slo, field)
        if value is None or slo.metric not in METRICS or METRICS[slo.metric].kind is not kind:
            return True
        try:
            parse_limit(slo.metric, value)
        except ValueError:
            return False
        return True

    return holds


class Slo(ApiModel):
    """A limit for a metric. At least one of max and min is required."""

    metric: Annotated[
        str,
        Field(max_length=MAX_METRIC, json_schema_extra={"enum": list(METRICS)}),
        AfterValidator(_known_metric),  # the enum of the schema, in words
    ] = Field(description="Name of the metric. Example: latency.p95.")
    of: Annotated[str, Field(max_length=200)] = Field(
        default="",
        description="What the metric is about: the name of a step, a scenario, an entry of "
        "spec.observe or a benchmark, or class/NAME for all steps of a class. Default: everything.",
    )
    max: Limit = Field(
        default=None,
        description="The highest value that meets the objective, with the unit of the metric. "
        "Examples: 500ms, 1%, 512Mi.",
    )
    min: Limit = Field(
        default=None,
        description="The lowest value that meets the objective, with the unit of the metric. "
        "Example: 100/s.",
    )
    on_breach: Literal["Warn", "Fail"] = Field(
        default="Warn", description="Verdict when the objective is missed."
    )

    rules = (
        Rule(
            cel="has(self.max) || has(self.min)",
            holds=lambda slo: slo.max is not None or slo.min is not None,
            message="an objective needs max, min or both",
        ),
        *_notation_rules(),
    )

    @property
    def upper(self) -> float | None:
        """The maximum allowed, in the unit of the measurement (ns, 1/s, ratio, bytes)."""
        return None if self.max is None else parse_limit(self.metric, self.max)

    @property
    def lower(self) -> float | None:
        """The minimum allowed, in the unit of the measurement."""
        return None if self.min is None else parse_limit(self.metric, self.min)
