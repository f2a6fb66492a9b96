"""How the response time of a step is divided: one stacked bar for each step."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from perfrun.api.quantities import format_duration
from perfrun.api.run.perfrun import StepStatus
from perfrun.measure.record import Outcome, StepRecord, Timing, timing_key
from perfrun.report.html.drawing import sample
from perfrun.report.html.svg import clean, element, percent
from perfrun.report.steps import named

MAX_BARS = 30
_PARTS = {
    Timing.DNS: "DNS",
    Timing.CONNECT: "connect",
    Timing.TLS: "TLS",
    Timing.TTFB: "first byte",
    Timing.BODY: "body",
}
_CONNECTING = (Timing.DNS, Timing.CONNECT, Timing.TLS)
WAITED = "waited"
NAMES = (WAITED, *_PARTS.values())
"""In the order of a request."""


@dataclass(frozen=True, slots=True)
class PhaseBar:
    """The average of each part for one step, ns."""

    step: str
    parts: dict[str, float]
    """The measured parts, by :data:`NAMES`."""

    @property
    def total(self) -> float:
        """The average response time of successful requests."""
        return sum(self.parts.values())

    @property
    def total_text(self) -> str:
        """The same, written like other durations."""
        return format_duration(self.total)

    @property
    def texts(self) -> list[str]:
        """Each of :data:`NAMES` for a table; empty where it was not measured."""
        return [format_duration(self.parts[n]) if n in self.parts else "" for n in NAMES]

    def draw(self, longest: float) -> Markup:
        """The bar; a bar of ``longest`` takes the whole width."""
        return element(
            "svg",
            *self._rectangles(longest),
            width="100%",
            height=18,
            role="img",
            aria_label=f"{self.step}: {self.words}",
        )

    @property
    def words(self) -> str:
        """``waited 1ms, first byte 20ms``."""
        return ", ".join(f"{name} {format_duration(ns)}" for name, ns in self.parts.items())

    def _rectangles(self, longest: float) -> Iterator[Markup]:
        left = 0.0
        for name, ns in self.parts.items():
            share = ns / longest if longest else 0.0
            yield element(
                "rect",
                element("title", f"{name} {format_duration(ns)}"),
                class_=f"area stripe-{NAMES.index(name)}",
                x=percent(left),
                y=0,
                width=percent(share),
                height=18,
            )
            left += share


def phase_bars(records: Sequence[StepRecord], steps: Sequence[StepStatus]) -> list[PhaseBar]:
    """The bars of the worst steps, as far as their parts were measured; all have a first byte."""
    found = {(record.scenario, record.step): record for record in records}
    return [
        PhaseBar(clean(name, 60), parts)
        for name, step in named(steps)[:MAX_BARS]
        if (parts := _parts(found.get((step.scenario, step.name))))
    ]


def legend() -> list[tuple[Markup, str]]:
    """A sample and the name of each part."""
    return [(sample("area", f"stripe-{index}"), name) for index, name in enumerate(NAMES)]


def _parts(record: StepRecord | None) -> dict[str, float]:
    """Averages over all requests: a connection that only few of them had to open counts for all.

    What is neither connecting nor the exchange itself was waiting.
    """
    if record is None or not record.succeeded:
        return {}

    def average(timing: Timing) -> float | None:
        histogram = record.timings.get(timing_key(timing, Outcome.SUCCESS))
        # Connections are also opened for requests that fail.
        whole = record.sent if timing in _CONNECTING else record.succeeded
        return histogram.total / whole if histogram is not None else None

    latency, first_byte = average(Timing.LATENCY), average(Timing.TTFB)
    if latency is None or not first_byte:
        return {}
    parts = {name: it for timing, name in _PARTS.items() if (it := average(timing)) is not None}
    return {WAITED: max(0.0, latency - sum(parts.values())), **parts}
