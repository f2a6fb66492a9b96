"""Numbers as Grafana writes them, for the units that the dashboards use."""

from collections.abc import Sequence

_SHORT = ((1e9, " Bil"), (1e6, " Mil"), (1e3, " K"), (1, ""))
_BYTES = ((2**30, " GiB"), (2**20, " MiB"), (2**10, " KiB"), (1, " B"))
_SECONDS = ((3600, " h"), (60, " min"), (1, " s"), (1e-3, " ms"), (1e-6, " µs"))


def shown(value: float, unit: str, decimals: int | None = None) -> str:
    """A value with its unit."""
    match unit:
        case "s":
            return _scaled(value, _SECONDS, decimals)
        case "dtdurations":
            return _duration(value)
        case "bytes":
            return _scaled(value, _BYTES, decimals, zero="0 B")
        case "percentunit":
            return f"{_number(value * 100, decimals)}%"
        case "reqps":
            return f"{_scaled(value, _SHORT, decimals)} req/s"
    return _scaled(value, _SHORT, decimals)


def _scaled(
    value: float, scales: Sequence[tuple[float, str]], decimals: int | None, zero: str = "0"
) -> str:
    if value == 0:
        return zero
    size = abs(value)
    factor, name = next((one for one in scales if size >= one[0]), scales[-1])
    return f"{_number(value / factor, decimals)}{name}"


def _number(value: float, decimals: int | None) -> str:
    if decimals is not None:
        return f"{value:.{decimals}f}"
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"


def _duration(value: float) -> str:
    left, parts = round(abs(value)), []
    for name, size in (("d", 86400), ("h", 3600), ("m", 60), ("s", 1)):
        count, left = divmod(left, size)
        if count:
            parts.append(f"{count}{name}")
    text = " ".join(parts[:2]) or "0s"
    return f"-{text}" if value < -0.5 else text
