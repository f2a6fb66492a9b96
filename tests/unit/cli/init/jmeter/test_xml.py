"""XML of anybody: no entities, no other files, and bounds."""

import pytest

from perfrun.cli.init.draft import SourceError
from perfrun.cli.init.jmeter import xml
from perfrun.cli.init.jmeter.xml import read_xml

LAUGHS = "".join(
    f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' if n else '<!ENTITY l0 "ha">' for n in range(10)
)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (f"<!DOCTYPE a [{LAUGHS}]><a>&l9;</a>", "line 1: a document type"),
        (
            '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]>\n<a>&x;</a>',
            "line 1: a document",
        ),
        ('<!DOCTYPE a SYSTEM "http://127.0.0.1:1/a.dtd"><a/>', "a document type"),
        ("<a>&x;</a>", "line 1: not XML: undefined entity"),
        ("<a>\n<b></a>", "line 2: not XML: mismatched tag"),
        ("<a/><b/>", "line 1: not XML: junk after document element"),
        ("<a" + " b='1'" * 2 + "/>", "duplicate attribute"),
        ("<a>" * 300, "nested more than 200 levels deep"),
        ('<?xml version="1.0" encoding="utf-9"?><a/>', "not XML: unknown encoding"),
        ("<a>\x00</a>", "not XML"),
        ("", "not XML: no element found"),
    ],
)
def test_what_is_hostile_or_broken_is_a_sentence_with_its_line(text, sentence):
    with pytest.raises(SourceError, match=sentence):
        read_xml(text.encode(), "p.jmx")


def test_bounds(monkeypatch):
    monkeypatch.setattr(xml, "MAX_ELEMENTS", 10)
    with pytest.raises(SourceError, match="line 10: more than 10 elements"):
        read_xml(b"<a>" + b"<b/>\n" * 20 + b"</a>", "p.jmx")
    monkeypatch.setattr(xml, "MAX_BYTES", 10)
    with pytest.raises(SourceError, match="of XML"):
        read_xml(b"<a></a>     ", "p.jmx")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "iso-8859-1"])
def test_encodings_elements_and_lines(encoding):
    stated = "utf-8" if encoding == "utf-8-sig" else encoding
    text = f'<?xml version="1.0" encoding="{stated}"?>\n<a x="é">\n<b>ö&lt;<![CDATA[<c>]]></b></a>'
    root = read_xml(text.encode(encoding), "p.jmx")
    assert (root.tag, root.attributes, root.line) == ("a", {"x": "é"}, 2)
    (below,) = root.below("b")
    assert (below.text, below.line) == ("ö<<c>", 3)
