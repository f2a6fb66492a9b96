"""Realistic data, each value from 64 random bits."""

import time
from collections.abc import Callable
from datetime import UTC, datetime

_MASK = (1 << 64) - 1
ALPHABET = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ" + " " * 9
_FIRST = (
    "Ada",
    "Alan",
    "Barbara",
    "Claude",
    "Donald",
    "Edsger",
    "Frances",
    "Grace",
    "Hedy",
    "Ivan",
    "Jean",
    "Katherine",
    "Leslie",
    "Margaret",
    "Niklaus",
    "Radia",
)
_LAST = (
    "Allen",
    "Dijkstra",
    "Hamilton",
    "Hopper",
    "Johnson",
    "Knuth",
    "Lamarr",
    "Lamport",
    "Liskov",
    "Lovelace",
    "Perlman",
    "Sammet",
    "Shannon",
    "Sutherland",
    "Turing",
    "Wirth",
)


def mix(x: int) -> int:
    """SplitMix64's finaliser: 64 well-mixed bits of any whole number."""
    x = (x + 0x9E3779B97F4A7C15) & _MASK
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & _MASK
    return x ^ (x >> 31)


def _uuid(draw: int) -> str:
    text = f"{draw:016x}{mix(draw):016x}"
    variant = "89ab"[int(text[16], 16) & 3]
    return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-{variant}{text[17:20]}-{text[20:]}"


def _name(draw: int) -> str:
    return f"{_FIRST[draw & 15]} {_LAST[(draw >> 4) & 15]}"


def _email(draw: int) -> str:
    return f"{_FIRST[draw & 15]}.{_LAST[(draw >> 4) & 15]}{draw >> 40}@example.com".lower()


def _now(_draw: int) -> str:
    milliseconds = time.time_ns() // 1_000_000
    if milliseconds != _last_now[0]:
        text = datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="milliseconds")
        _last_now[:] = milliseconds, text.replace("+00:00", "Z")
    return str(_last_now[1])


# A time within the same millisecond is formatted only once.
_last_now: list[object] = [0, ""]


def _now_ms(_draw: int) -> str:
    return str(time.time_ns() // 1_000_000)


STATELESS: dict[str, Callable[[int], str]] = {
    "uuid": _uuid,
    "now": _now,
    "nowMs": _now_ms,
    "name": _name,
    "email": _email,
}
