"""Sentences for users, as statuses and reports contain them, and foreign text in them.

Every command of ``perfrun`` imports this, so no pydantic here.
"""

import codecs
import re
from json import JSONDecodeError

MAX_SENTENCE = 2048
"""Length limit for a sentence in a status, and in messages of workers."""

# Letters and marks that are invisible according to Unicode (Default_Ignorable_Code_Point), and a
# blank.
_UNSEEN = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)
# GitHub (both forms), Azure Pipelines and TeamCity treat such a line of a log as a command.
_COMMAND = re.compile(r"##(?=\[|vso\[|teamcity\[)")
_COMMAND_AT_START = re.compile(r"^(\s*):(?=:)", re.MULTILINE)
_IN_ASCII = str.maketrans(
    {"≥": ">=", "≤": "<=", "µ": "u", "…": "~", "✔": "+", "✘": "x", "▲": "!", "–": "-"}
)


_JSON_PROBLEMS = {
    "Expecting value": "a value is expected here",
    "Expecting property name enclosed in double quotes": "a name in double quotes is expected here",
    "Expecting ':' delimiter": "a colon is expected here, between a name and its value",
    "Expecting ',' delimiter": "a comma is expected here, or the end of the list or object",
    "Extra data": "the document has ended before this",
    "Unterminated string starting at": "the text that begins here does not end",
    "Invalid control character at": "a line break or control character in a text: write it as \\n",
    "Invalid \\escape": "an escape in a text that JSON does not have",
    "Invalid \\uXXXX escape": "four hexadecimal digits are expected behind \\u",
    "Illegal trailing comma before end of object": "a comma at the end of an object",
    "Illegal trailing comma before end of array": "a comma at the end of a list",
}
"""What is wrong with a text that is no JSON, by the words of Python's own parser."""


def json_problem(error: JSONDecodeError) -> str:
    """Why a text is not JSON, as in ``a value is expected here``."""
    # Some messages end with a colon and more, by the version of Python.
    known = (text for words, text in _JSON_PROBLEMS.items() if error.msg.startswith(words))
    return next(known, error.msg)


def printable(text: str, most: int = MAX_SENTENCE) -> str:
    """Foreign text, as one line that may be shown anywhere.

    It cannot control a terminal, forge a line of a log, change the text direction, hide anything or
    start a command of a CI system, and has at most ``most`` characters.
    """
    text = text[: most + 1]  # a character never becomes fewer than one
    if not text.isprintable():
        text = "".join(char if char.isprintable() else " " for char in text)
    return cut(without_commands(_UNSEEN.sub(" ", text)), most)


def without_commands(text: str) -> str:
    """Lines that no CI system treats as a command."""
    return _COMMAND_AT_START.sub(r"\1: ", _COMMAND.sub("# #", text))


def cut(text: str, most: int = MAX_SENTENCE) -> str:
    """A sentence within the limit of its field: a status that is too long is refused as a whole."""
    return text if len(text) <= most else text[: most - 3] + "..."


def _in_ascii(error: UnicodeError) -> tuple[str, int]:
    """Our own signs in characters that every terminal has; ``?`` for those of others."""
    assert isinstance(error, UnicodeEncodeError)
    text = error.object[error.start : error.end].translate(_IN_ASCII)
    return "".join(char if char.isascii() else "?" for char in text), error.end


IN_ASCII = "perfrun.ascii"
"""For ``errors`` of a stream: what its encoding does not have is written in ASCII."""
codecs.register_error(IN_ASCII, _in_ascii)
