"""``${...}``: variables and functions of JMeter."""

import base64
import re
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple
from urllib.parse import quote_plus

from perfrun.cli.init.draft import NotCarried
from perfrun.cli.init.foreign import ForeignValues
from perfrun.cli.init.texts import Part, VaryingText, one_line

_MAX_DEPTH = 5
_MAX_LENGTH = 64 * 1024
_MAX_REPLACED = 20_000
"""Maximum length of all values that are inserted into one text, including nested ones."""
_FUNCTION = re.compile(r"__(\w+)(?:\((.*)\))?\Z", re.DOTALL)
_ISO = re.compile(r"yyyy-MM-dd'T'HH:mm:ss\.SSS('Z'|X+)\Z")
_PROPERTY = frozenset({"P", "property"})

_MADE: Mapping[str, Callable[[Sequence[str]], str | None]] = {
    "UUID": lambda _: "uuid()",
    "Random": lambda given: _between(given),
    "time": lambda given: _time(given),
    "counter": lambda _: "seq()",
    "RandomString": lambda given: _letters(given),
}
"""Functions that a template can express; None if it cannot with these arguments."""
_COMPUTED: Mapping[str, Callable[[str], str]] = {
    "urlencode": quote_plus,
    "base64Encode": lambda text: base64.b64encode(text.encode()).decode(),
    "lowercase": str.lower,
    "uppercase": str.upper,
    "trim": str.strip,
}
"""Functions whose result is already known."""


class JmeterValues:
    """The values of the variables of a plan."""

    def __init__(
        self, foreign: ForeignValues, known: Mapping[str, str], not_carried: NotCarried
    ) -> None:
        self._foreign = foreign
        self._known = known
        self._not_carried = not_carried
        self._extracted: dict[str, str] = {}
        self._kept: dict[str, str] = {}
        self.columns: Mapping[str, str] = {}
        """The data sets that apply now: ``feed.column`` by the name of the variable."""
        self.other_feed = ""
        """A data set whose file has the names of its variables."""
        self._left = 0
        self.line = 0
        """The line of the element that is being read."""

    def begin(self) -> None:
        """Later steps of a scenario know what its earlier steps extract; all scenarios know what
        the setup extracts."""
        self._extracted = dict(self._kept)

    def keep(self) -> None:
        """From now on, every scenario knows what was extracted so far."""
        self._kept = dict(self._extracted)

    def extract(self, name: str) -> str:
        """From now on, a step extracts this variable, under the name that is returned."""
        self._extracted[name] = self._foreign.extracted(name)
        return self._extracted[name]

    def static(self, text: str) -> str:
        """The text with the values of constant variables; the rest stays."""
        self._left = _MAX_REPLACED
        return "".join(self._static(one, 0) for one in _pieces(text[:_MAX_LENGTH]))

    def number(self, text: str) -> int | None:
        """The integer that a text stands for, with the values of the plan."""
        found = self.static(text).strip()
        return int(found) if re.fullmatch(r"-?[0-9]{1,12}", found) else None

    def split(self, text: str) -> list[Part]:
        """A text as literals and generated values."""
        self._left = _MAX_REPLACED
        return self._split(text, 0)

    def _static(self, piece: "_Piece", depth: int) -> str:
        if not piece.is_hole:
            return piece.text
        if depth == _MAX_DEPTH or self._left < 0:
            return f"${{{piece.text}}}"
        name, given = _called(piece.text)
        value = self._known.get(name) if given is None else _default(name, given)
        if value is None or name in self._extracted:
            return f"${{{piece.text}}}"
        self._left -= 20 + len(value)
        return "".join(self._static(one, depth + 1) for one in _pieces(value))[:_MAX_LENGTH]

    def _split(self, text: str, depth: int) -> list[Part]:
        parts: list[Part] = []
        for piece in _pieces(text[:_MAX_LENGTH]):
            parts += self._value(piece.text, depth) if piece.is_hole else [piece.text]
        return parts or [""]

    def _value(self, expression: str, depth: int) -> list[Part]:
        name, given = _called(expression)
        if given is not None:
            return self._function(name, given, expression)
        if name in self._extracted:
            return [VaryingText(self._extracted[name])]
        if name in self.columns:
            return [VaryingText(self.columns[name])]
        text = self._known.get(name)
        if text is None and self.other_feed and re.fullmatch(r"[A-Za-z_]\w*", name, re.ASCII):
            return [VaryingText(f"{self.other_feed}.{name}")]
        if text is None:
            return [self._foreign.unknown(name)]
        self._left -= 20 + len(text)
        if "${" in text and depth < _MAX_DEPTH and self._left > 0:
            return self._split(text, depth + 1)
        return [self._foreign.known(name, text)]

    def _function(self, name: str, given: Sequence[str], expression: str) -> list[Part]:
        if name in _PROPERTY and given and given[0].strip():
            value = _default(name, given)
            wanted = given[0].strip()
            if value is None:
                return [self._foreign.unknown(wanted)]
            return [self._foreign.known(wanted, self.static(value))]
        made = _MADE[name](given) if name in _MADE else None
        if made is not None:
            return [VaryingText(made)]
        if name in _COMPUTED and given and "${" not in (text := self.static(given[0])):
            return [_COMPUTED[name](text)]
        what = f"the function ${{{one_line(expression, 60)}}}: it is a variable here"
        self._not_carried.add(what, self.line)
        return [self._foreign.unknown(name)]


class _Piece(NamedTuple):
    """A literal, or the contents of ``${...}``."""

    text: str
    is_hole: bool = False


def _pieces(text: str) -> list[_Piece]:
    """Splits a text at its references; a backslash before the dollar sign makes it a literal."""
    pieces: list[_Piece] = []
    literal, at = "", 0
    while (start := text.find("${", at)) >= 0:
        end = _end_of_hole(text, start + 2)
        if end < 0:
            break
        if start > at and text[start - 1] == "\\":
            literal += text[at : start - 1] + text[start : end + 1]
        else:
            literal += text[at:start]
            pieces += [_Piece(literal)] if literal else []
            pieces.append(_Piece(text[start + 2 : end], True))
            literal = ""
        at = end + 1
    literal += text[at:]
    return [*pieces, _Piece(literal)] if literal else pieces


def _end_of_hole(text: str, start: int) -> int:
    """The position of the closing brace; -1: there is none."""
    depth = 1
    for found in re.compile(r"\$\{|\}").finditer(text, start, start + 4096):
        depth += 1 if found[0] == "${" else -1
        if depth == 0:
            return found.start()
    return -1


def _called(expression: str) -> tuple[str, list[str] | None]:
    """The name of a variable and None, or the name of a function and its arguments."""
    found = _FUNCTION.match(expression)
    if found is None:
        return expression, None
    return found[1], _arguments(found[2] or "")


def _arguments(text: str) -> list[str]:
    """Splits arguments at commas outside of brackets; a backslash escapes a comma."""
    given, depth, at = [""], 0, 0
    while at < len(text):
        char = text[at]
        if char == "\\" and text[at + 1 : at + 2] in (",", "\\", "$"):
            given[-1] += text[at + 1]
            at += 2
            continue
        depth += (char in "({") - (char in ")}")
        if char == "," and depth == 0:
            given.append("")
        else:
            given[-1] += char
        at += 1
    return [one.strip() for one in given]


def _default(name: str, given: Sequence[str]) -> str | None:
    """The default of a property; None: it has none."""
    if name not in _PROPERTY:
        return None
    at = 1 if name == "P" else 2
    return given[at] if len(given) > at and given[at] else None


def _between(given: Sequence[str]) -> str | None:
    numbers = [one for one in given[:2] if re.fullmatch(r"-?[0-9]{1,18}", one)]
    if len(numbers) < 2 or int(numbers[0]) > int(numbers[1]) or any(given[2:]):
        return None
    return f"int({int(numbers[0])}, {int(numbers[1])})"


def _time(given: Sequence[str]) -> str | None:
    pattern = given[0] if given else ""
    if not pattern:
        return "nowMs()"
    return "now()" if _ISO.match(pattern) and not any(given[1:]) else None


def _letters(given: Sequence[str]) -> str | None:
    length = given[0] if given else ""
    if any(given[1:]) or not length.isdecimal() or not 0 < int(length[:6]) <= 65_536:
        return None
    return f"text({int(length[:6])})"
