"""The bound of a sentence."""

from pydantic import TypeAdapter

from perfrun.api.sentence import MOST_SENTENCE, Sentence, cut


def test_sentence_is_cut_to_its_bound_and_says_so() -> None:
    assert cut("short") == "short"
    assert cut("x" * MOST_SENTENCE) == "x" * MOST_SENTENCE
    assert cut("x" * 3000) == "x" * 2045 + "..."
    assert cut("x" * 3000, 10) == "xxxxxxx..."


def test_what_was_cut_fits_into_its_field() -> None:
    assert TypeAdapter(Sentence).validate_python(cut("x" * 3000)).endswith("...")
