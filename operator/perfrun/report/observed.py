"""What was observed beside the load, in one line for each thing."""

from collections.abc import Sequence

from perfrun.api.test.observe import ObservedStatus


def observed_lines(observed: Sequence[ObservedStatus]) -> list[str]:
    """``api: cpu.max 420m, memory.max 210Mi``; without figures why there are none."""
    return [f"{one.name}: {_told(one)}" for one in observed]


def _told(one: ObservedStatus) -> str:
    figures = ", ".join(f"{metric} {text}" for metric, text in one.figures.items())
    if figures:
        return figures
    if one.message:
        return f"nothing was seen: {one.message}"
    return "too little was seen in the window for a figure"
