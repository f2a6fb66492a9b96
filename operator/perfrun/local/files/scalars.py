"""What a plain scalar of YAML stands for: in kubectl (YAML 1.1), and in the core schema of YAML
1.2.
"""

import math
import re

_LOOSE_UNDERSCORE = re.compile(r"_(?![0-9])|(?<![0-9])_")
_RADIX = {"0x": 16, "0o": 8, "0b": 2}
_FLOAT_11 = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?\Z")
INFINITE = re.compile(r"[-+]?\.(?:inf|Inf|INF)\Z|\.(?:nan|NaN|NAN)\Z")
_YES = frozenset(
    f(word) for word in ("y", "yes", "on", "true") for f in (str.lower, str.upper, str.capitalize)
)
_NO = frozenset(
    f(word) for word in ("n", "no", "off", "false") for f in (str.lower, str.upper, str.capitalize)
)


class WrittenInt(int):
    """A number of a document that is not a manifest; ``text`` is how it is written there."""

    text: str


class WrittenFloat(float):
    """Like WrittenInt."""

    text: str


def kubernetes_number(text: str) -> int | float | None:
    """The value that Go's YAML library reads from a plain scalar; None if it is a string.

    Whole numbers in any notation are whole in the resulting JSON, and numbers of more than 64 bits
    lose digits.
    """
    if text[:1] == "." and _LOOSE_UNDERSCORE.search(text):
        return None
    plain = text.replace("_", "")
    digits = plain.lstrip("+-") if plain[:1] in "+-" and plain[1:2] not in "+-" else plain
    sign = -1 if plain.startswith("-") else 1
    base = _RADIX.get(digits[:2].lower(), 8 if digits[:1] == "0" and len(digits) > 1 else 10)
    body = digits[2:] if digits[:2].lower() in _RADIX else digits
    if body.isascii() and body.isalnum() and len(body) <= 64:
        try:
            whole = sign * int(body, base)
        except ValueError:
            whole = 2**64
        if -(2**63) <= whole < 2**64:
            return kubernetes_int(whole)
    if _FLOAT_11.match(plain) and math.isfinite(number := float(plain)):
        return kubernetes_float(number)
    return None


def kubernetes_int(number: int) -> int | float:
    """A whole number as an API server stores it: more than 64 bits become a float."""
    return number if -(2**63) <= number < 2**63 else float(number)


def kubernetes_float(number: float) -> int | float:
    """A number as Go's JSON writes it: without a fraction it is whole."""
    return int(number) if number.is_integer() and abs(number) < 2**63 else number


def core_number(text: str) -> WrittenInt | WrittenFloat | None:
    if _CORE_INT.match(text):
        base = {"0o": 8, "0x": 16}.get(text[:2], 10)
        if base == 10 and len(text) > 400:
            return None
        found: WrittenInt | WrittenFloat = WrittenInt(text[2:] if base != 10 else text, base)
    elif _FLOAT_11.match(text):
        found = WrittenFloat(text)
    elif INFINITE.match(text):
        found = WrittenFloat(text.replace(".", ""))
    else:
        return None
    found.text = text
    return found


_CORE_INT = re.compile(r"[-+]?[0-9]+\Z|0o[0-7]+\Z|0x[0-9a-fA-F]+\Z")
CORE_BOOLEANS = {
    word: value
    for value, words in ((True, "true True TRUE"), (False, "false False FALSE"))
    for word in words.split()
}


def kubernetes_boolean(text: str) -> bool | None:
    return True if text in _YES else False if text in _NO else None
