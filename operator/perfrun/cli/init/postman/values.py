"""``{{...}}``: variables of a collection and the random values of Postman."""

import re
from collections.abc import Mapping

from perfrun.cli.init.draft import NotCarried
from perfrun.cli.init.foreign import ForeignValues
from perfrun.cli.init.texts import Part, VaryingText, one_line

_HOLE = re.compile(r"\{\{([^{}]*)\}\}")
_MAX_DEPTH = 5
_MAX_REPLACED = 20_000
"""Maximum length of all values that are inserted into one text, including nested ones."""
_DYNAMIC = {
    "guid": "uuid()",
    "randomUUID": "uuid()",
    "isoTimestamp": "now()",
    "randomInt": "int(0, 1000)",
    "randomBoolean": "choice('true', 'false')",
    "randomFirstName": "choice('Ada', 'Alan', 'Grace', 'Edsger', 'Barbara')",
    "randomLastName": "choice('Lovelace', 'Turing', 'Hopper', 'Dijkstra', 'Liskov')",
    "randomFullName": "name()",
    "randomEmail": "email()",
    "randomExampleEmail": "email()",
}
"""Random values of Postman that a template can generate. ``timestamp`` is not one: it is in
seconds."""


class PostmanValues:
    """The values of the variables, from the current request on."""

    def __init__(
        self, values: ForeignValues, known: Mapping[str, str], not_carried: NotCarried
    ) -> None:
        self._values = values
        self._known = dict(known)
        self._not_carried = not_carried
        self._extracted: dict[str, str] = {}
        self._fresh: dict[str, VaryingText] = {}
        self._left = 0
        self.line = 0
        """The line of the current request."""

    def begin(self) -> None:
        """Only later steps of a scenario know what its steps extract."""
        self._extracted.clear()

    def extract(self, name: str) -> str:
        """From now on, a step extracts this variable, under the name that is returned."""
        self._extracted[name] = self._values.extracted(name)
        return self._extracted[name]

    def set(self, name: str, text: str, *, fresh: bool) -> None:
        """From now on, the variable has this text; ``fresh``: its random values are generated once
        for all uses."""
        self._extracted.pop(name, None)
        self._fresh.pop(name, None)
        self._known[name] = text
        found = _HOLE.fullmatch(text)
        dynamic = found[1].strip()[1:] if found and found[1].strip()[:1] == "$" else ""
        if fresh and dynamic in _DYNAMIC and not _DYNAMIC[dynamic].startswith("now"):
            self._fresh[name] = self._values.generated(name, f"$({_DYNAMIC[dynamic]})")

    def static(self, text: str) -> str:
        """The text with the values of all variables that have one in the collection."""
        for _ in range(_MAX_DEPTH):
            text = _HOLE.sub(self._static_value, text)[:4096]
        return text

    def _static_value(self, found: re.Match[str]) -> str:
        name = found[1].strip()
        return found[0] if name in self._extracted else self._known.get(name, found[0])

    def split(self, text: str) -> list[Part]:
        """A text as literals and generated values."""
        self._left = _MAX_REPLACED
        return self._split(text, 0)

    def _split(self, text: str, depth: int) -> list[Part]:
        parts: list[Part] = []
        at = 0
        for found in _HOLE.finditer(text):
            parts += [text[at : found.start()]] if found.start() > at else []
            parts += self._value(found[1].strip(), depth)
            at = found.end()
        return [*parts, text[at:]] if at < len(text) or not parts else parts

    def _value(self, name: str, depth: int) -> list[Part]:
        if name[:1] == "$" and name[1:] in _DYNAMIC:
            return [VaryingText(_DYNAMIC[name[1:]])]
        if name[:1] == "$":
            self._not_carried.add(
                f"the random value {one_line(name, 60)}: it is a variable here", self.line
            )
            return [self._values.unknown(name[1:])]
        if name in self._extracted:
            return [VaryingText(self._extracted[name])]
        if name in self._fresh:
            return [self._fresh[name]]
        text = self._known.get(name)
        if text is None:
            return [self._values.unknown(name)]
        self._left -= 20 + len(text)
        if _HOLE.search(text) and depth < _MAX_DEPTH and self._left > 0:
            return self._split(text, depth + 1)
        return [self._values.known(name, text)]
