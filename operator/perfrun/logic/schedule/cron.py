"""Cron expressions, as Kubernetes reads them, in a form that cronsim understands.

Kubernetes' CronJob uses robfig/cron 3.0.1. Its rules for a field differ from others': ``N/step`` is
``N-MAX/step``; Sunday is 0 and nothing else; there is no ``L`` and no ``#``; and a day field is
unrestricted only as ``*``, ``?`` or with a step of 1, so that ``*/2`` in it is a restriction. If
both day fields are restricted, either may match.
"""

from typing import NamedTuple

SHORTCUTS = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_DAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]
_MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]


class _Field(NamedTuple):
    name: str
    first: int
    last: int
    names: tuple[str, ...] = ()

    def number(self, text: str) -> int:
        """A value of the field. Raises ValueError."""
        if text.lower() in self.names:
            return self.first + self.names.index(text.lower())
        if not (text.isascii() and text.isdigit()):
            raise ValueError(f"{text!r} is not a valid {self.name}{self._hint(text)}")
        value = int(text[:9])
        if not self.first <= value <= self.last:
            raise ValueError(
                f"{self.name} {text} is not from {self.first} to {self.last}{self._hint(text)}"
            )
        return value

    def _hint(self, text: str) -> str:
        if self.names != tuple(_DAYS):
            return ""
        if text == "7":
            return ": Sunday is 0, as in Kubernetes"
        unsupported = {"L", "#"} & {*text.upper()}
        return ": L and # are not supported, as in Kubernetes" if unsupported else ""


_FIELDS = (
    _Field("minute", 0, 59),
    _Field("hour", 0, 23),
    _Field("day of the month", 1, 31),
    _Field("month", 1, 12, tuple(_MONTHS)),
    _Field("day of the week", 0, 6, tuple(_DAYS)),
)
_DAY_FIELDS = (_FIELDS[2], _FIELDS[4])


def expanded(cron: str) -> str:
    """The five fields of an expression, written out so that cronsim ticks as Kubernetes does.

    Raises ValueError for an expression that is not understood, with the field that is wrong.
    """
    if "=" in cron:
        raise ValueError("the time zone does not belong in cron: set timeZone instead of TZ=")
    if cron.startswith("@"):
        if cron not in SHORTCUTS:
            raise ValueError(f"{cron} is not supported; use one of: {', '.join(SHORTCUTS)}")
        return SHORTCUTS[cron]
    texts = cron.split()
    if len(texts) != len(_FIELDS):
        raise ValueError(
            f"{cron!r} has {len(texts)} fields but must have 5: minute, hour, day of the month, "
            "month, day of the week"
        )
    try:
        fields = (_field(field, text) for field, text in zip(_FIELDS, texts, strict=True))
        return " ".join(fields)
    except ValueError as error:
        raise ValueError(f"{cron!r} is not a schedule: {error}") from error


def _field(field: _Field, text: str) -> str:
    items = [_item(field, item) for item in text.split(",")]
    if field in _DAY_FIELDS and "*" in items:
        # One unrestricted item makes the field unrestricted, wherever it is in the list.
        return "*"
    return ",".join(items)


def _item(field: _Field, text: str) -> str:
    """One item of a field's list: ``*``, ``*/step`` (by which cronsim recognises times that ignore
    clock changes), or the single values.
    """
    term, slash, step_text = text.partition("/")
    step = _step(field, step_text) if slash else 1
    if term in ("*", "?"):
        if step == 1:
            return "*"
        if field not in _DAY_FIELDS:
            return f"*/{step}"
        first, last = field.first, field.last
    else:
        low, dash, high = term.partition("-")
        first = field.number(low)
        last = field.number(high) if dash else field.last if slash else first
        if first > last:
            raise ValueError(f"{field.name} {term} goes backwards")
    return ",".join(str(value) for value in range(first, last + 1, step))


def _step(field: _Field, text: str) -> int:
    if not (text.isascii() and text.isdigit()) or int(text[:9]) == 0:
        raise ValueError(
            f"{text!r} is not a valid step of a {field.name}: a step is a whole number of at "
            "least 1"
        )
    return min(int(text[:9]), field.last + 1)
