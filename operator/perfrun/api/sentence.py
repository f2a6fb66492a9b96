"""Sentences for users, as statuses and reports hold them."""

from typing import Annotated

from pydantic import Field

MOST_SENTENCE = 2048
"""Characters of a sentence in a status, and in what workers say."""

Sentence = Annotated[str, Field(max_length=MOST_SENTENCE)]


def cut(text: str, most: int = MOST_SENTENCE) -> str:
    """A sentence within the bound of its field: a status that is too long is refused whole."""
    return text if len(text) <= most else text[: most - 3] + "..."
