"""Which known word a misspelled one was meant to be, or none.

A guess that has nothing to do with what was written sends its reader into the wrong direction, so a
likeness is not enough: at most a third of the letters may differ.
"""

import difflib
from collections.abc import Iterable


def meant(word: str, known: Iterable[str], *, most: int = 1, likeness: float = 0.6) -> list[str]:
    """At most ``most`` of the known words, the nearest first. ``likeness``: from 0 to 1, as difflib
    has it. Upper and lower case are alike.

    It costs the length of the word times the length of all known ones.
    """
    by_lower = {one.lower(): one for one in known}
    if word.lower() in by_lower:
        return [by_lower[word.lower()]]
    # difflib's order is not that of the distance: more than are wanted.
    close = difflib.get_close_matches(word.lower(), by_lower, n=most + 2, cutoff=likeness)
    return [by_lower[one] for one in close if _is_near(word.lower(), one)][:most]


def _is_near(word: str, known: str) -> bool:
    if known.endswith(f".{word}"):
        return True  # load.rate, for rate
    # What dotted names have in common says nothing about their ends.
    while "." in word and "." in known and word.partition(".")[0] == known.partition(".")[0]:
        word, known = word.partition(".")[2], known.partition(".")[2]
    return _edits(word, known) * 3 <= max(len(word), len(known)) + 2


def _edits(one: str, other: str) -> int:
    """Letters to insert, remove, replace or swap (optimal string alignment)."""
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, letter in enumerate(one, 1):
        above, row, older = row, [i], before
        before = above
        for j, wanted in enumerate(other, 1):
            cost = min(above[j] + 1, row[j - 1] + 1, above[j - 1] + (letter != wanted))
            if i > 1 and j > 1 and letter == other[j - 2] and one[i - 2] == wanted:
                cost = min(cost, older[j - 2] + 1)
            row.append(cost)
    return row[-1]
