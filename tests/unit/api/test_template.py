"""The grammar of $(...) templates."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perfrun.api.template import Call, Literal, Part, Reference, parse, references


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("", ()),
        ("/items", (Literal("/items"),)),
        ("$(region)", (Reference("region"),)),
        ("$( region )", (Reference("region"),)),  # spaces inside do not matter
        ("a$(users.id)b", (Literal("a"), Reference("users.id"), Literal("b"))),
        ("$(uuid())", (Call("uuid", ()),)),
        ("$(int(1, 100))", (Call("int", (1, 100)),)),
        ("$(int(-5,5))", (Call("int", (-5, 5)),)),
        ("$(choice('a', \"b)\", 3, 0.5))", (Call("choice", ("a", "b)", 3, 0.5)),)),
        ("$$(literal)", (Literal("$(literal)"),)),
        ("$5 ${x} {{ y }} $", (Literal("$5 ${x} {{ y }} $"),)),  # other people's brackets
        ("$(a)$(b)", (Reference("a"), Reference("b"))),
    ],
)
def test_a_template_is_text_names_and_calls(text: str, parts: tuple[Part, ...]) -> None:
    assert parse(text) == parts


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("$(region", "is not closed"),
        ("$(choice('a)", "is not closed"),  # the quote hides the bracket
        ("$()", "neither a name nor a function call"),
        ("$(a..b)", "neither a name nor a function call"),
        ("$(a[0])", "neither a name nor a function call"),
        ("$(__import__('os'))", "does not exist; there are: uuid"),
        ("$(uuid(1))", "takes no argument, 1 given"),
        ("$(int(1))", r"takes 2 argument\(s\), 1 given"),
        ("$(int('a', 'b'))", "takes whole numbers"),
        ("$(int(1.5, 2))", "takes whole numbers"),
        ("$(int(2, 1))", "the first argument must not be larger than the second"),
        ("$(choice())", "takes 1 to 64 arguments"),
        ("$(choice(a))", "not a number or a quoted string"),
        ("$(choice('a' 'b'))", "a ',' is missing"),
        ("$(choice('a',))", "not a number or a quoted string"),
        ("$(text(65537))", "from 0 to 65536"),
        ("$(base64(-1))", "from 0 to 65536"),
    ],
)
def test_a_wrong_template_is_refused_with_the_reason(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        parse(text)


def test_the_names_that_a_template_needs() -> None:
    assert references(parse("$(a) $(b.c) $(uuid()) $$(d)")) == {"a", "b.c"}


@given(st.text())
def test_any_text_is_parsed_or_refused(text: str) -> None:
    try:
        parse(text)
    except ValueError:
        return


@given(st.text())
def test_escaping_every_bracket_gives_the_text_itself(text: str) -> None:
    escaped = text.replace("$(", "$$(")
    parts = parse(escaped)
    # A "$" right before "$(" already reads as an escape; then one "$" less comes back.
    if "$$(" not in text:
        assert "".join(part.text for part in parts if isinstance(part, Literal)) == text
