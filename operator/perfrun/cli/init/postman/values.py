"""``{{...}}``: variables of a collection and the random values of Postman."""

import re
from collections.abc import Mapping

from perfrun.cli.init.draft import NotCarried
from perfrun.cli.init.foreign import ForeignValues
from perfrun.cli.init.texts import Part, VaryingText, one_line

_HOLE = re.compile(r"\{\{([^{}]*)\}\}")
_MAX_DEPTH = 5
_MAX_REPLACED = 20_000
"""Characters of all values that are put into one text, and of those that are put into them."""
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
"""Random values of Postman that a template can make. ``timestamp`` is none: it is in seconds."""


class PostmanValues:
    """What the variables are, from the request on that is read now."""

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
        """Of the request that is read now."""

    def begin(self) -> None:
        """What steps extract is known to later steps of their scenario alone."""
        self._extracted.clear()

    def extract(self, name: str) -> str:
        """From now on it is what a step extracts, under the name that is given back."""
        self._extracted[name] = self._values.extracted(name)
        return self._extracted[name]

    def set(self, name: str, text: str, *, fresh: bool) -> None:
        """From now on it is this text; ``fresh``: its random values are made once for all uses."""
        self._extracted.pop(name, None)
        self._fresh.pop(name, None)
        self._known[name] = text
        found = _HOLE.fullmatch(text)
        dynamic = found[1].strip()[1:] if found and found[1].strip()[:1] == "$" else ""
        if fresh and dynamic in _DYNAMIC and not _DYNAMIC[dynamic].startswith("now"):
            self._fresh[name] = self._values.generated(name, f"$({_DYNAMIC[dynamic]})")

    def static(self, text: str) -> str:
        """The text with all variables replaced that have a value in the collection."""
        for _ in range(_MAX_DEPTH):
            text = _HOLE.sub(self._static_value, text)[:4096]
        return text

    def _static_value(self, found: re.Match[str]) -> str:
        name = found[1].strip()
        return found[0] if name in self._extracted else self._known.get(name, found[0])

    def split(self, text: str) -> list[Part]:
        """A text as literals and values."""
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
