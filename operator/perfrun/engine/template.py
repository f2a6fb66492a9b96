"""Templates compiled to functions of the iteration's number.

What a template gives depends on the run's seed, on its place in the plan and on the number of the
iteration, and on nothing else: a run can be repeated, and no state is shared between iterations.
"""

import base64
import json
import random
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from perfrun.api.template import MAX_GENERATED, Call, Literal, Part, parse
from perfrun.engine.errors import DataError

Render = Callable[[int], str]

_MASK = (1 << 64) - 1
_ALPHABET = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ" + " " * 9
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


class Template:
    """A compiled text. ``static`` is the text itself where no function is in it."""

    __slots__ = ("_renders", "static")

    def __init__(self, renders: list[str | Render]) -> None:
        joined: list[str | Render] = []
        for item in renders:
            if isinstance(item, str) and joined and isinstance(joined[-1], str):
                joined[-1] += item
            else:
                joined.append(item)
        self._renders = joined
        self.static: str | None = None
        if all(isinstance(item, str) for item in joined):
            self.static = "".join(item for item in joined if isinstance(item, str))

    def __call__(self, number: int) -> str:
        """The text for an iteration, by its number in the whole run."""
        return "".join([item if isinstance(item, str) else item(number) for item in self._renders])

    def check(self, check: Callable[[str], object]) -> None:
        """Apply a check to every text that does not depend on the iteration.

        What functions give needs none: letters, digits, spaces and ``@+-./:=``; the texts of
        choice stand in the template itself, which the API has checked.
        """
        for item in self._renders:
            if isinstance(item, str):
                check(item)

    def __add__(self, other: "Template") -> "Template":
        return Template([*self._renders, *other._renders])


class Compiler:
    """Compiles the templates of one plan. Each function call gets a random stream of its own."""

    def __init__(self, seed: int, variables: dict[str, str]) -> None:
        self._seed = seed
        self._variables = variables
        self._places = 0
        self._sequences = 0
        self._letters = ""
        self._bytes = b""

    def text(self, text: str, where: str) -> Template:
        """A template. Raises DataError that names ``where`` for what cannot be resolved."""
        try:
            parts = parse(text)
        except ValueError as error:
            raise DataError(f"{where}: {error}") from error
        return Template([self._part(part, where) for part in parts])

    def json(self, value: Any, where: str) -> Template:
        """A JSON document whose texts may hold templates; what they give is escaped."""
        if isinstance(value, str):
            body = self.text(value, where)
            if body.static is not None:
                return Template([json.dumps(body.static)])
            return Template([lambda number: json.dumps(body(number))])
        if isinstance(value, dict):
            items = [
                Template([json.dumps(str(key)) + ":"]) + self.json(item, f"{where}.{key}")
                for key, item in value.items()
            ]
            return _joined("{", items, "}")
        if isinstance(value, list):
            entries = [self.json(item, f"{where}[{i}]") for i, item in enumerate(value)]
            return _joined("[", entries, "]")
        return Template([json.dumps(value)])

    def _part(self, part: Part, where: str) -> str | Render:
        if isinstance(part, Literal):
            return part.text
        if isinstance(part, Call):
            return self._call(part)
        if part.name not in self._variables:
            known = ", ".join(sorted(self._variables)) or "none are declared"
            raise DataError(f"{where}: $({part.name}) is not a variable of the test ({known})")
        return self._variables[part.name]

    def _call(self, call: Call) -> Render:
        self._places += 1
        salt = mix(self._seed ^ mix(self._places))
        if call.function in _STATELESS:
            make = _STATELESS[call.function]
            return lambda number: make(mix(salt + number))
        return self._with_arguments(call, salt)

    def _with_arguments(self, call: Call, salt: int) -> Render:
        match call.function, call.arguments:
            case "int", (int(low), int(high)):
                span = high - low + 1
                return lambda number: str(low + mix(salt + number) % span)
            case "choice", choices:
                texts = [str(choice) for choice in choices]
                return lambda number: texts[mix(salt + number) % len(texts)]
            case "text", (int(length),):
                letters = self._letter_pool()
                return lambda number: _slice(letters, mix(salt + number), length)
            case "base64", (int(length),):
                pool = self._byte_pool()
                return lambda number: _encoded(pool, mix(salt + number), length)
            case "seq", arguments:
                return self._sequence(int(arguments[0]) if arguments else 1)
        raise AssertionError(f"template function {call.function} is not compiled")

    def _sequence(self, start: int) -> Render:
        # The number of an iteration is never given twice in a run, so neither is this; several
        # seq() of a plan take turns.
        place = self._sequences
        self._sequences += 1
        return lambda number: str(start + number * self._sequences + place)

    def _letter_pool(self) -> str:
        if not self._letters:
            drawn = random.Random(self._seed).choices(_ALPHABET, k=2 * MAX_GENERATED)
            self._letters = "".join(drawn)
        return self._letters

    def _byte_pool(self) -> bytes:
        if not self._bytes:
            self._bytes = random.Random(self._seed).randbytes(2 * MAX_GENERATED)
        return self._bytes


def _joined(opening: str, items: list[Template], closing: str) -> Template:
    whole = Template([opening])
    for index, item in enumerate(items):
        whole = whole + Template([","]) + item if index else whole + item
    return whole + Template([closing])


def _slice(pool: str, draw: int, length: int) -> str:
    start = draw % MAX_GENERATED
    return pool[start : start + length]


def _encoded(pool: bytes, draw: int, length: int) -> str:
    start = draw % MAX_GENERATED
    return base64.b64encode(pool[start : start + length]).decode("ascii")


def _uuid(draw: int) -> str:
    text = f"{draw:016x}{mix(draw):016x}"
    variant = "89ab"[int(text[16], 16) & 3]
    return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-{variant}{text[17:20]}-{text[20:]}"


def _name(draw: int) -> str:
    return f"{_FIRST[draw & 15]} {_LAST[(draw >> 4) & 15]}"


def _email(draw: int) -> str:
    return f"{_FIRST[draw & 15]}.{_LAST[(draw >> 4) & 15]}{draw >> 40}@example.com".lower()


def _now(_draw: int) -> str:
    text = datetime.now(UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


def _now_ms(_draw: int) -> str:
    return str(time.time_ns() // 1_000_000)


_STATELESS: dict[str, Callable[[int], str]] = {
    "uuid": _uuid,
    "now": _now,
    "nowMs": _now_ms,
    "name": _name,
    "email": _email,
}
