"""Values of MySQL in its own notation: writing the text back gives the same data."""

from collections.abc import Callable
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
from asyncmy.constants import FIELD_TYPE

_NO_SCALE = 31
"""Decimals of a floating-point number: as many digits as it needs."""
_MAX_FIXED = 15
"""Number of digits before or after the point from which exponents are used."""


class NotTextError(Exception):
    """Bytes that are not text."""


def as_text(column: str, kind: int, scale: int, value: Any) -> str | None:
    """A value that the driver has read, by the type and the decimals of its column.

    Raises NotTextError.
    """
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bytes):
        return _of_bytes(column, value)
    if kind == FIELD_TYPE.YEAR:
        return f"{value:04d}"
    if kind == FIELD_TYPE.FLOAT:
        return _of_float(value, scale, _shortest_single)
    write = _WRITES.get(type(value))
    return str(value) if write is None else write(value, scale)


def _of_bytes(column: str, value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise NotTextError(
            f"column {column} has bytes that are not text: read hex({column}), write unhex(%s)"
        ) from None


def _of_float(value: float, scale: int, shortest: Callable[[float], str]) -> str:
    if scale < _NO_SCALE:
        return f"{value:.{scale}f}"
    sign, digits, exponent = Decimal(shortest(value)).normalize().as_tuple()
    assert isinstance(exponent, int)
    point = len(digits) + exponent
    if value == 0 or -_MAX_FIXED < point <= _MAX_FIXED:
        return format(Decimal((sign, digits, exponent)), "f")
    mantissa = "".join(map(str, digits))
    fraction = f".{mantissa[1:]}" if len(mantissa) > 1 else ""
    return f"{'-' * sign}{mantissa[0]}{fraction}e{point - 1}"


def _shortest_single(value: float) -> str:
    """The fewest digits that make the same float of 32 bits."""
    return str(np.float32(value))


def _of_time(value: timedelta, scale: int) -> str:
    sign, value = ("-", -value) if value.days < 0 else ("", value)
    minutes, seconds = divmod(value.days * 86400 + value.seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{sign}{hours:02d}:{minutes:02d}:{seconds:02d}{_fraction(value.microseconds, scale)}"


def _fraction(microseconds: int, scale: int) -> str:
    return f".{microseconds:06d}"[: scale + 1] if scale else ""


_WRITES: dict[type, Callable[[Any, int], str]] = {
    float: lambda value, scale: _of_float(value, scale, repr),
    Decimal: lambda value, _: format(value, "f"),
    datetime: lambda value, scale: (
        value.isoformat(" ", "seconds") + _fraction(value.microsecond, scale)
    ),
    date: lambda value, _: value.isoformat(),
    timedelta: _of_time,
}
