"""Sentences for users, as statuses and reports hold them, and what others wrote in them.

Every command of ``perfrun`` loads this: no pydantic here.
"""

import re

MAX_SENTENCE = 2048
"""Characters of a sentence in a status, and in what workers say."""

# Letters and marks by Unicode that nobody sees (Default_Ignorable_Code_Point), and a blank.
_UNSEEN = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)
# GitHub (both forms), Azure Pipelines and TeamCity take a line of a log for a command.
_COMMAND = re.compile(r"##(?=\[|vso\[|teamcity\[)")
_COMMAND_AT_START = re.compile(r"^(\s*):(?=:)", re.MULTILINE)


def printable(text: str, most: int = MAX_SENTENCE) -> str:
    """What others wrote, as one line that may be shown anywhere.

    It steers no terminal, forges no line of a log, reads in one direction, hides nothing, starts no
    command of a CI system, and has at most ``most`` characters.
    """
    text = text[: most + 1]  # what comes of a character is one at least
    if not text.isprintable():
        text = "".join(char if char.isprintable() else " " for char in text)
    return cut(without_commands(_UNSEEN.sub(" ", text)), most)


def without_commands(text: str) -> str:
    """Lines that no CI system takes for a command."""
    return _COMMAND_AT_START.sub(r"\1: ", _COMMAND.sub("# #", text))


def cut(text: str, most: int = MAX_SENTENCE) -> str:
    """A sentence within the bound of its field: a status that is too long is refused whole."""
    return text if len(text) <= most else text[: most - 3] + "..."
