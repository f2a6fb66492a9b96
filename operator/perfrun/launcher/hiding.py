"""Hides the values of secrets in text, in each form in which programs and servers repeat them.

Plain, URL-encoded, escaped as in JSON, HTML or a Python literal, and in base64, alone or inside a
longer one, like the password in a ``Basic`` header. It uses only the standard library and is copied
beside ``run.py``, which can import nothing else; workers use it too.
"""

from __future__ import annotations

import base64
import re

TYPE_CHECKING = False
if TYPE_CHECKING:  # typing takes long to import
    from collections.abc import Iterable, Iterator

HIDDEN = "***"
MIN_PART = 4
"""Minimum length of a line of a secret to be hidden by itself, and of a secret in base64."""
MAX_SPELLED = 8192
"""Maximum length of a part that is also searched for in other spellings."""
MAX_LINES = 256
"""Maximum length of a secret whose lines are searched for in other spellings."""
MAX_SPELLING_LENGTH = 6
"""Characters that one character of a secret may become, as in ``\u00e9``."""
_PLAIN = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
"""Characters that no encoding changes (RFC 3986, 2.3)."""
_SHORT_ESCAPES = {"\b": "b", "\f": "f", "\n": "n", "\r": "r", "\t": "t", '"': '"', "'": "'",
                  "\\": "\\", "/": "/"}  # fmt: skip
_ENTITIES = {"&": "amp", "<": "lt", ">": "gt", '"': "quot", "'": "apos"}
_BASE64 = re.compile(
    r"(?:[A-Za-z0-9+/_-]|%2[bBfF]|\\/|\\u002[bBfF]){6,}(?:=|%3[dD]|\\u003[dD]){0,2}"
)
_SLASH, _PLUS = re.compile(r"_|%2[fF]|\\/|\\u002[fF]"), re.compile(r"-|%2[bB]|\\u002[bB]")
_WORD = re.compile(r"[^\s,;:&=\"'<>(){}\[\]]+")
DEPTH = 2
"""How many levels of nested base64 are decoded."""


class Hider:
    """The secrets of one process."""

    def __init__(self) -> None:
        self._patterns: dict[str, re.Pattern[str]] = {}
        """By part of a secret: its possible spellings."""
        self._many: set[str] = set()
        """Parts that are searched for as they are."""
        self.longest = 0
        """Maximum number of characters that the longest part may take."""

    def learn(self, value: str) -> None:
        """Hide this value from now on; if it has several lines, each line by itself too."""
        parts = parts_of(value)
        for part in parts:
            # If all its lines are hidden in all their forms, so is the whole, except for its line
            # breaks.
            known = "\n" in part and len(parts) > 1
            if known or len(part) > MAX_SPELLED or len(parts) > MAX_LINES:
                self._many.add(part)
            elif part not in self._patterns:
                self._patterns[part] = _spelled(part)
            self.longest = max(self.longest, MAX_SPELLING_LENGTH * len(part))

    def learn_many(self, values: Iterable[str]) -> None:
        """Hide these values as they are: too many to search for all their forms."""
        self._many.update(value for value in values if len(value) >= MIN_PART)
        self.longest = max(self.longest, *map(len, self._many), 0)

    def hide(self, text: str) -> str:
        """The text with a placeholder for every secret."""
        shown, at = "", 0
        for begin, end in self.places(text):
            shown, at = f"{shown}{text[at:begin]}{HIDDEN}", end
        return shown + text[at:]

    def places(self, text: str) -> list[tuple[int, int]]:
        """Start and end of every secret, in order; those that overlap or touch become one."""
        merged: list[tuple[int, int]] = []
        for begin, end in sorted(self._found(text)):
            if merged and begin <= merged[-1][1]:
                begin, last = merged.pop()
                end = max(end, last)
            merged.append((begin, end))
        return merged

    def _found(self, text: str, depth: int = DEPTH) -> Iterator[tuple[int, int]]:
        for part, spelled in self._patterns.items():
            if depth == DEPTH or len(part) >= MIN_PART:
                match = spelled.search(text)
                while match is not None:
                    yield match.span()
                    match = spelled.search(text, match.start() + 1)  # they may overlap
        if depth < DEPTH:
            for match in _WORD.finditer(text):
                if match[0] in self._many:
                    yield match.span()
        else:
            for part in self._many:
                at = text.find(part)
                while at >= 0:
                    yield at, at + len(part)
                    at = text.find(part, at + 1)
        if depth and (self._patterns or self._many):
            for match in _BASE64.finditer(text):
                # All of the base64: the parts beside the secret reveal its first and last
                # character.
                if any(any(self._found(one, depth - 1)) for one in _decoded(match[0])):
                    yield match.span()


def parts_of(value: str) -> set[str]:
    """The hidden parts of a value: the whole, and each of its lines.

    Tools print a certificate indented, or only the line that they do not understand.
    """
    whole = value.strip()
    lines = (line.strip() for line in whole.splitlines())
    long = {line for line in lines if len(line) >= MIN_PART}
    return {whole, *long} - {""}


def _spelled(part: str) -> re.Pattern[str]:
    spelled = "".join(map(_spellings, part))
    if len(part) == 1:
        spelled = rf"(?<!\w){spelled}(?!\w)"
    return re.compile(spelled)


def _spellings(char: str) -> str:
    """A pattern for a character in all encodings."""
    if char in _PLAIN:
        return re.escape(char)
    data = char.encode("utf-8", "surrogateescape")
    forms = [re.escape(char)]
    forms += ["".join(f"{mark}{_hex(byte)}" for byte in data) for mark in ("%", r"\\x")]
    units = char.encode("utf-16-be", "surrogatepass")
    pairs = zip(units[::2], units[1::2], strict=True)
    forms.append("".join(rf"\\u{_hex(high)}{_hex(low)}" for high, low in pairs))
    if ord(char) < 256:
        forms.append(rf"\\x{_hex(ord(char))}")
    if (escape := _SHORT_ESCAPES.get(char)) is not None:
        forms.append(rf"\\{re.escape(escape)}")
    if (entity := _ENTITIES.get(char)) is not None:
        forms.append(f"&{entity};")
        forms.append(f"&#0?{ord(char)};|&#[xX]{_hex(ord(char))};")
    if char == " ":
        forms.append(r"\+")
    # The longest first, because a backslash is also the beginning of its own escape sequence.
    return f"(?:{'|'.join(sorted(forms, key=len, reverse=True))})"


def _hex(number: int) -> str:
    return "".join(
        digit if digit.isdecimal() else f"[{digit}{digit.upper()}]" for digit in f"{number:02x}"
    )


def _decoded(encoded: str) -> Iterator[str]:
    """The possible decoded texts: the base64 need not begin where the match does."""
    plain = _PLUS.sub("+", _SLASH.sub("/", encoded)).partition("=")[0].partition("%")[0]
    for begin in range(4):
        piece = plain[begin:]
        piece = piece[: len(piece) - (len(piece) % 4 == 1)]
        decoded = base64.b64decode(piece + "=" * (-len(piece) % 4))
        yield decoded.decode("utf-8", "replace")
