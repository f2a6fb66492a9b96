"""Label selectors, as kubectl reads them: ``type=load,tier in (web, api),!slow``."""

import re
from collections.abc import Mapping
from typing import NamedTuple

_KEY = (
    r"(?:[a-z0-9](?:[-a-z0-9.]{0,251}[a-z0-9])?/)?[A-Za-z0-9](?:[-_.A-Za-z0-9]{0,61}[A-Za-z0-9])?"
)
_VALUE = r"(?:[A-Za-z0-9](?:[-_.A-Za-z0-9]{0,61}[A-Za-z0-9])?)?"
_TERM = re.compile(
    rf"\s*(?:(?P<absent>!)\s*(?P<not_key>{_KEY})"
    rf"|(?P<key>{_KEY})\s*(?:(?P<sign>==|=|!=)\s*(?P<value>{_VALUE})"
    rf"|\s(?P<set>in|notin)\s*\((?P<values>[^()]*)\))?)\s*(?:,(?=.)|\Z)",
    re.DOTALL,
)


class Term(NamedTuple):
    """One condition on one label."""

    key: str
    values: frozenset[str] | None
    """The values that it may have; None: any."""
    negated: bool
    """The condition must not hold: other values, or no such label."""

    def holds(self, labels: Mapping[str, str]) -> bool:
        """Whether an object with these labels matches."""
        present = self.key in labels and (self.values is None or labels[self.key] in self.values)
        return present != self.negated


class Selector(NamedTuple):
    """Conditions that all have to hold."""

    text: str
    terms: tuple[Term, ...]

    def holds(self, labels: Mapping[str, str]) -> bool:
        """Whether an object with these labels matches."""
        return all(term.holds(labels) for term in self.terms)


def parse_selector(text: str) -> Selector:
    """Raises ValueError that says what to write."""
    terms: list[Term] = []
    position = 0
    while position < len(text) or not terms:
        match = _TERM.match(text, position)
        if match is None:
            raise ValueError(
                f"--selector: {text[position:][:60]!r} is not a condition on a label: write "
                "type=load, type!=load, 'type in (load, soak)', 'type notin (load)', type or !type"
            )
        terms.append(_term(match))
        position = match.end()
    return Selector(text, tuple(terms))


def _term(match: re.Match[str]) -> Term:
    if match["absent"]:
        return Term(match["not_key"], None, negated=True)
    if match["set"]:
        values = [value.strip() for value in match["values"].split(",")]
        wrong = [value for value in values if not re.fullmatch(_VALUE, value)]
        if wrong:
            raise ValueError(f"--selector: {wrong[0][:60]!r} is not a valid label value")
        return Term(match["key"], frozenset(values), negated=match["set"] == "notin")
    if match["sign"]:
        return Term(match["key"], frozenset({match["value"]}), negated=match["sign"] == "!=")
    return Term(match["key"], None, negated=False)
