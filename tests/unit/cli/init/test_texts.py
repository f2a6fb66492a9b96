"""Foreign texts: whatever they are, what is made of them is accepted and says the same."""

import re
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perfrun.api.names import VARIABLE_NAME
from perfrun.api.template import Call, Literal, Reference, parse
from perfrun.cli.init.texts import (
    UniqueNames,
    VaryingText,
    chosen,
    clean,
    counted,
    encoded_path,
    encoded_value,
    header_template,
    literal,
    one_line,
    path_template,
    slug,
    variable_name,
)

ANY = st.text(st.characters(exclude_categories=()), max_size=40)
"""Half pairs and control characters too."""
HOSTILE = st.sampled_from(["$", "$$", "$(", "(", ")", "'", '"', "{{", "${", "#", "\n", "%", "a"])
NASTY = st.one_of(ANY, st.lists(HOSTILE, max_size=8).map("".join))


def only_text(template: str) -> str:
    return "".join(part.text for part in parse(template) if isinstance(part, Literal))


@given(NASTY)
def test_a_literal_gives_the_text_and_nothing_else(text):
    assert all(isinstance(part, Literal) for part in parse(literal(text)))
    assert only_text(literal(text)) == clean(text)


@given(st.lists(NASTY, max_size=5))
def test_texts_of_a_path_are_literals_together_too(texts):
    template = path_template(texts)
    assert all(isinstance(part, Literal) for part in parse(template))
    assert unquote(only_text(template)) == unquote(clean("".join(texts)))


@given(NASTY, NASTY, st.lists(NASTY, min_size=1, max_size=4))
def test_what_is_made_in_a_path_stays_made_whatever_stands_beside_it(before, after, options):
    template = path_template([before, VaryingText("uuid()"), after, chosen(options), before])
    parts = [part for part in parse(template) if not isinstance(part, Literal)]
    assert parts[0] == Call("uuid", ())
    assert len(parts) == 1 or parts[1].function == "choice"


def test_a_dollar_before_a_template_does_not_make_a_literal_of_it():
    assert path_template(["/cost$", VaryingText("item")]) == "/cost%24$(item)"
    assert parse("/cost%24$(item)")[1] == Reference("item")


@given(st.lists(NASTY, max_size=5))
def test_what_a_header_cannot_contain_makes_no_template_of_what_is_beside_it(texts):
    template = header_template(texts)
    assert all(isinstance(part, Literal) for part in parse(template))
    assert only_text(template) == "".join(filter(str.isprintable, clean("".join(texts))))


def test_a_dollar_in_a_header_stays_beside_a_template():
    made = VaryingText("now()")
    assert header_template(["$\x1f", made]) == "$(choice('$'))$(now())"
    assert header_template(["a\ud800", "$\x1f(x)"]) == "a?$$(x)"


def test_of_many_texts_some_are_chosen_and_few_are_no_choice():
    assert chosen(["a"]) == "a"
    assert chosen(["a", "a"]) == "a"
    assert chosen(["it's", "b"]) == "it's"  # a quote cannot stand in a quoted text
    made = chosen([str(number) for number in range(1000)])
    assert isinstance(made, VaryingText)
    assert 2 < len(made.choices) <= 64
    assert len(chosen(["x" * 700, "y" * 700, "z" * 700]).template()) < 2000


@given(NASTY)
def test_names_are_names(text):
    assert re.fullmatch(VARIABLE_NAME, variable_name(text))
    assert re.fullmatch(r"([a-z0-9]([a-z0-9-]*[a-z0-9])?)?", slug(text))


@pytest.mark.parametrize(
    ("text", "name"),
    [("listPets", "list-pets"), ("GET /a//b/", "get-a-b"), ("Größe é", "grosse-e"), ("日本", "")],
)
def test_slugs(text, name):
    assert slug(text) == name


def test_names_are_taken_once():
    names = UniqueNames()
    assert [names.take("a", "x"), names.take("a", "x"), names.take("", "x")] == ["a", "a-2", "x"]


@given(NASTY)
def test_a_comment_is_one_line(text):
    assert one_line(text) == "" or one_line(text).isprintable()


def test_comments_are_cut():
    assert one_line("x" * 1000, 20) == "x" * 17 + "..."
    assert (counted(1), counted(2000)) == ("1 request", "2,000 requests")


def test_a_percent_sign_that_encodes_nothing_is_encoded():
    assert encoded_path("/100%/%41%zz?a=%") == "/100%25/%41%25zz?a=%25"


def test_a_value_in_a_query_is_one_value():
    assert encoded_value("a&b=c/$(x)") == "a%26b%3Dc%2F%24%28x%29"
