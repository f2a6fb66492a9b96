"""Sentences: their bound, and what of others may be in them."""

import pytest
from pydantic import TypeAdapter

from perfrun.api.base import Sentence
from perfrun.api.sentence import MAX_SENTENCE, cut, printable


def test_sentence_is_cut_to_its_bound_and_says_so() -> None:
    assert cut("short") == "short"
    assert cut("x" * MAX_SENTENCE) == "x" * MAX_SENTENCE
    assert cut("x" * 3000) == "x" * 2045 + "..."
    assert cut("x" * 3000, 10) == "xxxxxxx..."


def test_what_was_cut_fits_into_its_field() -> None:
    assert TypeAdapter(Sentence).validate_python(cut("x" * 3000)).endswith("...")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\x1b[31mred\x1b]0;title\x07", "a [31mred ]0;title "),
        ("one\r\nlevel=error forged", "one  level=error forged"),
        ("a\u2028b\u2029c\x85d\x0be", "a b c d e"),
        ("user \u202egpj.exe\u2066", "user  gpj.exe "),
        ("\ufeffa\u200bb\u00adc\u3164d\u2800e\ufe0f\U000e0041", " a b c d e  "),
        ("\ud800", " "),
        ("naïve Ω 漢字 🙂", "naïve Ω 漢字 🙂"),
        ("::error file=a::b", ": :error file=a::b"),
        ("  ::set-output name=x::y", "  : :set-output name=x::y"),
        ("a ##[error]b ##vso[task.complete]c ##teamcity[d", "a # #[error]b # #vso[task.complete]c # #teamcity[d"),
        ("fd00::1 and a::b ## head", "fd00::1 and a::b ## head"),
    ],
)  # fmt: skip
def test_what_others_wrote_is_one_line_that_steers_nothing(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_what_others_wrote_is_bounded() -> None:
    assert len(printable("\x1b" * 10_000_000)) == MAX_SENTENCE
    assert printable("##[" * 1000, 10) == "# #[# #..."


def test_sentence_that_a_worker_sends_is_printable_whatever_it_sends() -> None:
    assert TypeAdapter(Sentence).validate_python("a\n\x1b[2Jb") == "a  [2Jb"
