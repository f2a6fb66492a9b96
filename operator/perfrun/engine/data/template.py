"""Templates compiled to functions of the iteration's number.

The value of a template depends only on the run's seed, on its place in the plan and on the number
of the iteration: a run can be repeated, and iterations share no state.
"""

import base64
import json
import random
import re
from collections.abc import Callable, Mapping
from json.encoder import encode_basestring_ascii
from typing import Any

from perfrun.api.template import MAX_GENERATED, Call, Literal, Part, Reference, parse
from perfrun.api.test.scenario import Step
from perfrun.engine.compiled import AnyStep, CompiledScenario
from perfrun.engine.data.generate import ALPHABET, STATELESS, mix
from perfrun.engine.data.rows import Rows
from perfrun.engine.errors import DataError
from perfrun.measure.plan import RunPlan

Extracted = Mapping[str, str]
Render = Callable[[int, Extracted], str]
"""The text for an iteration, by its number in the whole run and the values that it has
extracted."""
NOTHING: Extracted = {}
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


class Template:
    """A compiled text. ``static`` is the text itself if it contains no function; ``secret``:
    whether it contains values of a Secret.
    """

    __slots__ = ("_format", "_makers", "_renders", "secret", "static")

    def __init__(self, renders: list[str | Render], *, secret: bool = False) -> None:
        self.secret = secret
        joined: list[str | Render] = []
        for item in renders:
            if isinstance(item, str) and joined and isinstance(joined[-1], str):
                joined[-1] += item
            else:
                joined.append(item)
        self._renders = joined
        self._makers = [item for item in joined if not isinstance(item, str)]
        self._format = "".join(
            item.replace("%", "%%") if isinstance(item, str) else "%s" for item in joined
        )
        self.static: str | None = None
        if not self._makers:
            self.static = "".join(item for item in joined if isinstance(item, str))

    def __call__(self, number: int, values: Extracted = NOTHING) -> str:
        """The text for an iteration. Raises OutOfDataError if a feed has no rows left."""
        return self._format % tuple([make(number, values) for make in self._makers])

    def check(self, check: Callable[[str], object]) -> None:
        """Apply a check to every string that does not depend on the iteration.

        Values of functions need no check: they consist of letters, digits, spaces and ``@+-./:=``;
        the strings of choice are part of the template, which the API has checked.
        """
        for item in self._renders:
            if isinstance(item, str):
                check(item)

    def __add__(self, other: "Template") -> "Template":
        return Template([*self._renders, *other._renders], secret=self.secret or other.secret)


class Compiler:
    """Compiles the templates of one plan. Each function call gets its own random stream."""

    def __init__(
        self, seed: int, variables: Mapping[str, str], feeds: Mapping[str, Rows] | None = None
    ) -> None:
        self.seed = seed
        self._variables = variables
        self._feeds = feeds or {}
        self.extracted: frozenset[str] = frozenset()
        """Names that earlier steps than the one being compiled extract."""
        self._places = 0
        self._sequences = 0
        self._letters = ""
        self._bytes = b""

    def scenarios(
        self, plan: RunPlan, build: Callable[[Step, str], AnyStep]
    ) -> list[CompiledScenario]:
        """Every step of a plan, as ``build`` compiles it; the second argument is its field.

        A step may use what the steps before it in its scenario extract. Raises DataError.
        """
        scenarios = []
        for scenario in plan.scenarios:
            self.extracted = frozenset()
            steps = []
            for step in scenario.steps:
                steps.append(build(step, f"spec.scenarios[{scenario.name}].steps[{step.name}]"))
                self.extracted |= step.extract.keys()
            scenarios.append(CompiledScenario(scenario.name, steps))
        return scenarios

    def text(self, text: str, where: str) -> Template:
        """Compile a template. Raises DataError that names ``where`` if something cannot be
        resolved."""
        return self._compiled(text, where, lambda _, made: made)

    def line(self, text: str, where: str) -> Template:
        """Compile a template of one line: control characters in data become spaces."""
        return self._compiled(text, where, _one_line)

    def _compiled(
        self, text: str, where: str, change: Callable[[Part, str | Render], str | Render]
    ) -> Template:
        try:
            parts = parse(text)
        except ValueError as error:
            raise DataError(f"{where}: {error}") from error
        made = [change(part, self._part(part, where)) for part in parts]
        return Template(made, secret=any(map(self._is_secret, parts)))

    def json(self, value: Any, where: str) -> Template:
        """Compile a JSON document whose strings may contain templates; their values are escaped."""
        if isinstance(value, str):
            return _joined('"', [self._compiled(value, where, _json_part)], '"')
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
        name = part.name
        if name in self.extracted:
            return lambda _number, values: values[name]
        if (feed := self._feed_of(name)) is not None:
            return feed.column(name.partition(".")[2], where)
        if name not in self._variables:
            known = ", ".join(sorted({*self._variables, *self.extracted})) or "none are declared"
            raise DataError(f"{where}: $({name}) is not a variable of the test ({known})")
        return self._variables[name]

    def _feed_of(self, name: str) -> Rows | None:
        feed, _, column = name.partition(".")
        return self._feeds.get(feed) if column and name not in self.extracted else None

    def _is_secret(self, part: Part) -> bool:
        if not isinstance(part, Reference):
            return False
        feed = self._feed_of(part.name)
        return feed is not None and feed.secret

    def next_place(self) -> int:
        """A unique number for each place in the plan that uses random values."""
        self._places += 1
        return self._places

    def _call(self, call: Call) -> Render:
        salt = mix(self.seed ^ mix(self.next_place()))
        if call.function in STATELESS:
            make = STATELESS[call.function]
            return lambda number, _values: make(mix(salt + number))
        return self._with_arguments(call, salt)

    def _with_arguments(self, call: Call, salt: int) -> Render:
        match call.function, call.arguments:
            case "int", (int(low), int(high)):
                span = high - low + 1
                return lambda number, _values: str(low + mix(salt + number) % span)
            case "choice", choices:
                texts = [str(choice) for choice in choices]
                return lambda number, _values: texts[mix(salt + number) % len(texts)]
            case "text", (int(length),):
                letters = self._letter_pool()
                return lambda number, _values: _slice(letters, mix(salt + number), length)
            case "base64", (int(length),):
                pool = self._byte_pool()
                return lambda number, _values: _encoded(pool, mix(salt + number), length)
            case "seq", arguments:
                return self._sequence(int(arguments[0]) if arguments else 1)
        raise AssertionError(f"template function {call.function} is not compiled")

    def _sequence(self, start: int) -> Render:
        # The number of an iteration is unique in a run, and so is this; several seq() of a plan
        # take turns.
        place = self._sequences
        self._sequences += 1
        return lambda number, _values: str(start + number * self._sequences + place)

    def _letter_pool(self) -> str:
        if not self._letters:
            drawn = random.Random(self.seed).choices(ALPHABET, k=2 * MAX_GENERATED)
            self._letters = "".join(drawn)
        return self._letters

    def _byte_pool(self) -> bytes:
        if not self._bytes:
            self._bytes = random.Random(self.seed).randbytes(2 * MAX_GENERATED)
        return self._bytes


def sendable(text: str) -> str:
    """A text that can be encoded as UTF-8. Raises UnicodeEncodeError for one with a lone
    surrogate."""
    text.encode()
    return text


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


def _one_line(part: Part, made: str | Render) -> str | Render:
    if isinstance(made, str) or isinstance(part, Call):
        return made
    return lambda number, values: _CONTROL.sub(" ", made(number, values))


def _json_part(part: Part, made: str | Render) -> str | Render:
    """A part of a text, escaped for use between the quotes of a JSON string."""
    if isinstance(made, str):
        return encode_basestring_ascii(made)[1:-1]
    if isinstance(part, Call) and part.function != "choice":
        return made  # letters, digits, spaces and @+-./:= need no escape
    return lambda number, values: encode_basestring_ascii(made(number, values))[1:-1]
