"""What others wrote comes out as text, never as markup."""

from xml.etree import ElementTree

from perfrun.report.html.svg import clean, element, number, percent


def test_texts_and_values_are_escaped():
    made = element("text", "<script>alert('&')</script>", class_='a" onload="x')
    parsed = ElementTree.fromstring(made)
    assert parsed.text == "<script>alert('&')</script>"
    assert parsed.attrib == {"class": 'a" onload="x'}


def test_elements_are_nested_and_absent_attributes_left_out():
    made = element("g", element("line", x1=1.25, x2=None), aria_hidden="true")
    assert made == '<g aria-hidden="true"><line x1="1.2"></line></g>'


def test_what_steers_a_reader_is_not_shown():
    assert clean("a\x00b\u202ec\nd\x1b[31m") == "a b c d [31m"


def test_long_texts_end_somewhere():
    assert clean("x" * 10_000, 10) == "x" * 9 + "…"


def test_numbers_are_short():
    assert (number(3.0), number(2.44), number(-0.5)) == ("3", "2.4", "-0.5")
    assert (percent(0), percent(1 / 3), percent(1)) == ("0%", "33.33%", "100%")
