"""Label selectors mean what they mean for kubectl."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perfrun.local.files.selector import parse_selector

LOAD = {"type": "load", "perfrun.dev/tier": "web"}
NONE: dict[str, str] = {}


@pytest.mark.parametrize(
    ("text", "load", "none"),
    [
        ("type=load", True, False),
        ("type==load", True, False),
        ("type = soak", False, False),
        ("type!=load", False, True),
        ("type!=soak", True, True),
        ("type in (load, soak)", True, False),
        ("type in(soak)", False, False),
        ("type notin (load)", False, True),
        ("type", True, False),
        ("!type", False, True),
        ("! type", False, True),
        ("perfrun.dev/tier=web,type", True, False),
        ("type=load,perfrun.dev/tier notin (web, api)", False, False),
        ("type in (load),!slow", True, False),
        ("type=", False, False),
        ("in=load", False, False),
    ],
)
def test_selectors(text, load, none):
    selector = parse_selector(text)
    assert (selector.holds(LOAD), selector.holds(NONE)) == (load, none)


def test_a_key_may_be_called_in():
    assert parse_selector("in in (a)").holds({"in": "a"})


@pytest.mark.parametrize(
    "text",
    ["", ",", "a=b,", "=load", "a=b c", "a in b", "a in (b", "a>1", "a b", "-a=b", "a=b\n=c"],
)
def test_what_is_none_is_told(text):
    with pytest.raises(ValueError, match=r"--selector: .* is not a condition on a label"):
        parse_selector(text)


def test_values_of_a_set_are_checked():
    with pytest.raises(ValueError, match="'c d' is not a valid label value"):
        parse_selector("a in (b, c d)")


@given(st.text(max_size=30))
def test_any_text_is_read_or_told(text):
    try:
        parse_selector(text).holds(LOAD)
    except ValueError as error:
        assert str(error).startswith("--selector: ")
