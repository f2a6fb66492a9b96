"""Durations, rates, percentages and byte sizes: one notation for specs, status and messages.

Inside perfrun a duration is an ``int`` of nanoseconds, a rate a ``float`` per second, a ratio a
``float`` from 0 to 1 and a size an ``int`` of bytes. All parsing and formatting happens here.
"""

import math
import re
from collections.abc import Iterable
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

NS_PER_US = 1_000
NS_PER_MS = 1_000_000
NS_PER_S = 1_000_000_000

AT_LEAST = "≥"
"""Before a figure that is a lower bound, as in ``≥5s``: in a status, in messages and in reports."""

_DURATION_UNITS = {
    "ns": 1,
    "us": NS_PER_US,
    "ms": NS_PER_MS,
    "s": NS_PER_S,
    "m": 60 * NS_PER_S,
    "h": 3600 * NS_PER_S,
}
_RATE_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0}
_BYTE_UNITS = {
    "": 1,
    "k": 1000,
    "M": 1000**2,
    "G": 1000**3,
    "Ki": 1024,
    "Mi": 1024**2,
    "Gi": 1024**3,
}

# The bounds on digits keep every value within 64 bits and the patterns cheap for the API server.
DURATION_PATTERN = r"^([0-9]{1,9}(\.[0-9]{1,9})?(ns|us|ms|s|m|h)){1,4}$"
RATE_PATTERN = r"^[0-9]{1,9}(\.[0-9]{1,6})?/(s|m|h)$"
PERCENT_PATTERN = r"^(100(\.0{1,6})?|[0-9]{1,2}(\.[0-9]{1,6})?)%$"
BYTES_PATTERN = r"^[0-9]{1,12}(\.[0-9]{1,3})?(k|M|G|Ki|Mi|Gi)?$"
COUNT_PATTERN = r"^[0-9]{1,15}$"
CORES_PATTERN = r"^([0-9]{1,9}m|[0-9]{1,6}(\.[0-9]{1,3})?)$"
NUMBER_PATTERN = r"^-?[0-9]{1,15}(\.[0-9]{1,9})?$"

_DURATION_PART = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ns|us|ms|s|m|h)")
_DURATION = re.compile(DURATION_PATTERN)
_RATE = re.compile(RATE_PATTERN)
_PERCENT = re.compile(PERCENT_PATTERN)
_BYTES = re.compile(BYTES_PATTERN)
_CORES = re.compile(CORES_PATTERN)
_NUMBER = re.compile(NUMBER_PATTERN)


def parse_duration(text: object) -> int:
    """Nanoseconds of ``500ms``, ``1.5s`` or ``1h30m``. Raises ValueError with an example."""
    if not isinstance(text, str) or not _DURATION.match(text):
        raise ValueError(
            f"{_shown(text)} is not a duration: write a number and a unit, as in "
            f"500ms, 5s, 10m or 1h30m"
        )
    total = 0.0
    for number, unit in _DURATION_PART.findall(text):
        total += float(number) * _DURATION_UNITS[unit]
    return round(total)


def parse_rate(text: object) -> float:
    """Events per second of ``1000/s``, ``30/m`` or ``5/h``. Raises ValueError with an example."""
    if not isinstance(text, str) or not _RATE.match(text):
        raise ValueError(
            f"{_shown(text)} is not a rate: write a number per unit of time, as in 100/s or 30/m"
        )
    number, unit = text.split("/")
    return float(number) / _RATE_UNITS[unit]


def parse_percent(text: object) -> float:
    """The ratio (0 to 1) of ``99.9%``. Raises ValueError with an example."""
    if not isinstance(text, str) or not _PERCENT.match(text):
        raise ValueError(f"{_shown(text)} is not a percentage from 0% to 100%, as in 1% or 99.9%")
    # Dividing the decimal text, not the float, keeps 99.94% equal to the ratio 0.9994.
    return float(f"{text[:-1]}e-2")


def parse_bytes(text: object) -> int:
    """Bytes of ``64Ki`` or ``1500``. Raises ValueError with an example."""
    if isinstance(text, int) and not isinstance(text, bool):
        return text
    if not isinstance(text, str) or not _BYTES.match(text):
        raise ValueError(f"{_shown(text)} is not a size in bytes, as in 1500, 64Ki or 10Mi")
    number = text.rstrip("kKMGi")
    return round(float(number) * _BYTE_UNITS[text[len(number) :]])


def parse_cores(text: object) -> float:
    """Cores of ``800m`` or ``1.5``, as in Kubernetes. Raises ValueError with an example."""
    if isinstance(text, int) and not isinstance(text, bool) and text >= 0:
        return float(text)
    if not isinstance(text, str) or not _CORES.match(text):
        raise ValueError(f"{_shown(text)} is not a number of cores, as in 800m or 1.5")
    return float(f"{text[:-1]}e-3") if text.endswith("m") else float(text)


def parse_number(text: object) -> float:
    """The number of ``12`` or ``"0.5"``. Raises ValueError with an example."""
    if isinstance(text, int) and not isinstance(text, bool):
        return float(text)
    if not isinstance(text, str) or not _NUMBER.match(text):
        raise ValueError(f'{_shown(text)} is not a number, as in 12 or "0.5"')
    return float(text)


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


# --- formatting -------------------------------------------------------------------------------


def format_duration(ns: float, limits: Iterable[float] = ()) -> str:
    """``30.1ms``, ``1.21s``, ``0.21ms``: three significant digits.

    More digits if three would put the text on the other side of one of ``limits`` (ns).
    """
    unit, size = ("s", NS_PER_S) if ns >= NS_PER_S else ("ms", NS_PER_MS)
    value = ns / size
    # Three digits from the first that is not 0; below a nanosecond there is nothing to show.
    first = math.floor(math.log10(value)) if value > 1e-6 else 0
    decimals = min(max(2 - first, 0), 6)
    return _rounded(value, decimals, [limit / size for limit in limits]) + unit


def format_short_duration(ns: float, limits: Iterable[float] = ()) -> str:
    """The same, with ``us`` and ``ns`` if that is shorter: ``5.11us``."""
    if ns >= NS_PER_MS:
        return format_duration(ns, limits)
    unit, size = ("us", NS_PER_US) if ns >= NS_PER_US else ("ns", 1)
    decimals = max(2 - math.floor(math.log10(ns / size)), 0) if ns > 0 else 0
    return _rounded(ns / size, min(decimals, 6), [limit / size for limit in limits]) + unit


def format_exact_duration(ns: int) -> str:
    """The spec notation that parses back to ``ns``: the largest unit that divides, as in ``5m``."""
    if ns == 0:
        return "0s"
    for unit, size in sorted(_DURATION_UNITS.items(), key=lambda item: -item[1]):
        if ns % size == 0 and ns // size < 10**9:
            return f"{ns // size}{unit}"
    # If one number would need too many digits, use parts, as in 1s234567891ns.
    hours, rest = divmod(ns, 3600 * NS_PER_S)
    parts = ((hours, "h"), (rest // NS_PER_S, "s"), (rest % NS_PER_S, "ns"))
    return "".join(f"{number}{unit}" for number, unit in parts if number)


def format_rate(per_second: float, limits: Iterable[float] = ()) -> str:
    """``999.4/s``: one decimal, more for small rates, and if that would cross a limit."""
    decimals = 1 if per_second >= 10 else 2 if per_second >= 1 else 3
    return _rounded(per_second, decimals, list(limits)) + "/s"


def format_percent(ratio: float, limits: Iterable[float] = ()) -> str:
    """``99.94%``: two decimals, more if that would cross a limit; never a false 0% or 100%."""
    return _rounded(ratio * 100, 2, [limit * 100 for limit in limits] + [0.0, 100.0]) + "%"


def format_bytes(size: int, limits: Iterable[float] = ()) -> str:
    """``64Ki``, ``1.5Mi``, ``800``: binary units, one decimal; exact if that would cross a limit.

    A decrease has a minus sign.
    """
    if size < 0:
        return "-" + format_bytes(-size, [-limit for limit in limits])
    for unit in ("Gi", "Mi", "Ki"):
        if size >= _BYTE_UNITS[unit]:
            text = f"{size / _BYTE_UNITS[unit]:.1f}".removesuffix(".0")
            shown = float(text) * _BYTE_UNITS[unit]
            if all(_side(shown, limit) == _side(size, limit) for limit in limits):
                return text + unit
    return str(size)


def format_cores(cores: float, limits: Iterable[float] = ()) -> str:
    """``420m`` below one core, ``1.5`` from there on; more digits if that would cross a limit."""
    if cores < 1:
        return _rounded(cores * 1000, 0, [limit * 1000 for limit in limits]) + "m"
    return _rounded(cores, 2, list(limits))


def format_number(value: float, limits: Iterable[float] = ()) -> str:
    """``12``, ``0.53``: four significant digits, more if that would cross a limit."""
    size = abs(value)
    first = math.floor(math.log10(size)) if size > 1e-9 else 0
    return _rounded(value, min(max(3 - first, 0), 9), list(limits))


def _rounded(value: float, decimals: int, limits: list[float]) -> str:
    for digits in range(decimals, 13):
        text = f"{value:.{digits}f}"
        if all(_side(float(text), limit) == _side(value, limit) for limit in limits):
            break
    else:
        text = repr(value)
    return text.rstrip("0").rstrip(".") if "." in text else text


def _side(value: float, limit: float) -> int:
    return (value > limit) - (value < limit)


# --- as pydantic fields -----------------------------------------------------------------------


def _schema(pattern: str, max_length: int) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "pattern": pattern, "maxLength": max_length})


def format_exact_rate(per_second: float) -> str:
    """The spec notation that parses back to ``per_second``, as in ``20/m``."""
    # The plan contains text: 20/m must not come back as 0.333333/s.
    texts = [
        f"{per_second * size:.6f}".rstrip("0").rstrip(".") + f"/{unit}"
        for unit, size in _RATE_UNITS.items()
    ]
    return next((text for text in texts if parse_rate(text) == per_second), texts[0])


def nearest_rate(per_second: float) -> float:
    """The rate closest to ``per_second`` (> 0) that the notation can say, and never 0.

    Raises ValueError where it is too high for the notation.
    """
    texts = [
        f"{per_second * size:.6f}/{unit}"
        for unit, size in _RATE_UNITS.items()
        if per_second * size < 10**9 - 1
    ]
    if not texts:
        raise ValueError(f"{per_second:g}/s is too high a rate")
    nearest = min(map(parse_rate, texts), key=lambda rate: abs(rate - per_second))
    return nearest or parse_rate("0.000001/h")


def format_exact_percent(ratio: float) -> str:
    """The spec notation of a ratio, to six decimals, as in ``0.5%``."""
    return f"{ratio * 100:.6f}".rstrip("0").rstrip(".") + "%"


Duration = Annotated[
    int,
    BeforeValidator(parse_duration),
    PlainSerializer(format_exact_duration, return_type=str),
    _schema(DURATION_PATTERN, 48),
]
Rate = Annotated[
    float,
    BeforeValidator(parse_rate),
    PlainSerializer(format_exact_rate, return_type=str),
    _schema(RATE_PATTERN, 20),
]
Percent = Annotated[
    float,
    BeforeValidator(parse_percent),
    PlainSerializer(format_exact_percent, return_type=str),
    _schema(PERCENT_PATTERN, 12),
]
ByteSize = Annotated[
    int,
    BeforeValidator(parse_bytes),
    PlainSerializer(str, return_type=str),
    WithJsonSchema(
        {
            "x-kubernetes-int-or-string": True,
            "pattern": BYTES_PATTERN,
            "maxLength": 20,
        }
    ),
]
JsonValue = Annotated[
    Any,
    WithJsonSchema({"x-kubernetes-preserve-unknown-fields": True}),
]
