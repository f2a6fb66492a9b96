"""The grammar of ``$(...)`` templates: names and a closed set of functions, nothing else.

``$(region)`` is a variable, ``$(users.id)`` a column of a feed, ``$(uuid())`` a call of a function
of the table below, and ``$$(`` a literal ``$(``. There is no attribute access and no code; other
brackets belong to other tools (``{{ }}`` to Helm and Argo, ``${ }`` to Flux).
"""

import re
from typing import NamedTuple

Argument = str | int | float


class Literal(NamedTuple):
    """Literal text."""

    text: str


class Reference(NamedTuple):
    """The value of a variable, ``name``, or of a feed, ``feed.column`` or ``feed.key.key``."""

    name: str


class Call(NamedTuple):
    """A call of one of :data:`FUNCTIONS` with literal arguments."""

    function: str
    arguments: tuple[Argument, ...]


Part = Literal | Reference | Call


class Signature(NamedTuple):
    """How a function may be called, and what it returns."""

    at_least: int
    at_most: int
    takes: type | None
    """``int`` or ``str`` if all arguments must have that type, None for any."""
    help: str


FUNCTIONS: dict[str, Signature] = {
    "uuid": Signature(0, 0, None, "a random UUID, version 4"),
    "now": Signature(0, 0, None, "the time in UTC, as in 2026-11-22T02:00:00.123Z"),
    "nowMs": Signature(0, 0, None, "the time in milliseconds since 1970"),
    "int": Signature(2, 2, int, "int(1, 100): a whole number, both ends included"),
    "seq": Signature(0, 1, int, "seq(start=1): 1, 2, 3 ..., never twice in a run"),
    "choice": Signature(1, 64, None, "choice('a', 'b'): one of the arguments"),
    "text": Signature(1, 1, int, "text(200): that many letters and spaces"),
    "name": Signature(0, 0, None, "a person's name"),
    "email": Signature(0, 0, None, "an address at example.com"),
    "base64": Signature(1, 1, int, "base64(32): that many random bytes, in base64"),
}
MAX_GENERATED = 65_536

_REFERENCE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*\Z")
_CALL = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)\((.*)\)\Z", re.DOTALL)
_ARGUMENT = re.compile(
    r"""\s*(?:'(?P<single>[^']*)'|"(?P<double>[^"]*)"|(?P<number>-?[0-9]{1,18}(?:\.[0-9]{1,9})?))\s*"""
)


def parse(text: str) -> tuple[Part, ...]:
    """The parts of a template, in order. Raises ValueError that quotes the invalid part."""
    parts: list[Part] = []
    literal = ""
    position = 0
    while position < len(text):
        if text.startswith("$$(", position):
            literal += "$("
            position += 3
        elif text.startswith("$(", position):
            if literal:
                parts.append(Literal(literal))
                literal = ""
            end = _closing(text, position + 2)
            parts.append(_expression(text[position + 2 : end].strip()))
            position = end + 1
        else:
            literal += text[position]
            position += 1
    if literal:
        parts.append(Literal(literal))
    return tuple(parts)


def references(parts: tuple[Part, ...]) -> set[str]:
    """The variable names that a template needs."""
    return {part.name for part in parts if isinstance(part, Reference)}


def _closing(text: str, start: int) -> int:
    depth, quote = 1, ""
    for position in range(start, len(text)):
        char = text[position]
        if quote:
            quote = "" if char == quote else quote
        elif char in "'\"":
            quote = char
        elif char == "(":
            depth += 1
        elif char == ")":
            depth -= 1
            if depth == 0:
                return position
    raise ValueError(
        f"template {_quoted(text[start - 2 :])} is not closed: a ')' is missing "
        f"(write $$( for a literal $( )"
    )


def _expression(text: str) -> Reference | Call:
    if _REFERENCE.match(text):
        return Reference(text)
    call = _CALL.match(text)
    if call is None:
        raise ValueError(f"template $({_quoted(text)}) is neither a name nor a function call")
    name, signature = call[1], FUNCTIONS.get(call[1])
    if signature is None:
        raise ValueError(
            f"template function {name} does not exist; there are: {', '.join(FUNCTIONS)}"
        )
    arguments = _arguments(name, call[2])
    _check(name, signature, arguments)
    return Call(name, arguments)


def _arguments(function: str, text: str) -> tuple[Argument, ...]:
    if not text.strip():
        return ()
    arguments: list[Argument] = []
    position = 0
    while True:
        match = _ARGUMENT.match(text, position)
        if match is None:
            raise ValueError(
                f"template function {function}: {_quoted(text[position:])} is not a number or a "
                "quoted string"
            )
        number = match["number"]
        if number is None:
            quoted = match["single"]
            arguments.append(quoted if quoted is not None else match["double"])
        else:
            arguments.append(float(number) if "." in number else int(number))
        position = match.end()
        if position == len(text):
            return tuple(arguments)
        if text[position] != ",":
            raise ValueError(
                f"template function {function}: a ',' is missing before {_quoted(text[position:])}"
            )
        position += 1


def _check(name: str, signature: Signature, arguments: tuple[Argument, ...]) -> None:
    if not signature.at_least <= len(arguments) <= signature.at_most:
        raise ValueError(
            f"template function {name} takes {_count(signature)}, "
            f"{len(arguments)} given: {signature.help}"
        )
    if signature.takes is int and not all(isinstance(a, int) for a in arguments):
        raise ValueError(f"template function {name} takes whole numbers: {signature.help}")
    if name == "int" and _as_int(arguments[0]) > _as_int(arguments[1]):
        raise ValueError(
            f"template int({arguments[0]}, {arguments[1]}): the first argument must not be larger "
            "than the second"
        )
    if name in ("text", "base64") and not 0 <= _as_int(arguments[0]) <= MAX_GENERATED:
        raise ValueError(
            f"template {name}({arguments[0]}): the argument must be from 0 to {MAX_GENERATED}"
        )


def _as_int(argument: Argument) -> int:
    assert isinstance(argument, int)
    return argument


def _count(signature: Signature) -> str:
    if signature.at_least == signature.at_most:
        return "no argument" if signature.at_most == 0 else f"{signature.at_most} argument(s)"
    return f"{signature.at_least} to {signature.at_most} arguments"


def _quoted(text: str) -> str:
    return text if len(text) <= 60 else text[:57] + "..."
