"""YAML as kubectl reads it, and strict."""

import json
from pathlib import Path

import pytest

from perfrun.local.files.document import YamlError
from perfrun.local.files.strictjson import MAX_DEPTH
from perfrun.local.files.strictyaml import load_documents, load_foreign

DATA = Path(__file__).parents[3] / "unit/cli" / "data"


def value(text: str) -> object:
    (document,) = load_documents(text)
    return document.value


def test_documents_are_numbered_and_empty_ones_left_out():
    found = load_documents("---\n# nothing\n---\na: 1\n---\nb: 2\n")
    assert [(document.number, document.value) for document in found] == [
        (2, {"a": 1}),
        (3, {"b": 2}),
    ]


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("2026-11-22", "2026-11-22"),  # no dates in JSON
        ("1:30", "1:30"),  # no base 60
        ("12", 12),
        ("0", 0),
        ("0x10", 16),
        ("1e3", 1000.0),
        ("-1.5", -1.5),
        ("500ms", "500ms"),
        ("true", True),
        ("~", None),
    ],
)
def test_scalars_are_read_as_kubernetes_reads_them(text, read):
    assert value(f"x: {text}") == {"x": read}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb: 2\na: 3\n", "line 3, column 1: the key a appears twice: remove one"),
        ("a:\n  on: 1\n", "line 2, column 3: the key on is not read as a string: quote it"),
        ("1: x\n", "line 1, column 1: the key 1 is not read as a string"),
        ("a: [1\nb: 2\n", "line 2, column 2: did not find expected ',' or '\\]'"),
        ("a: &x [*x]\n", "an alias that contains itself"),
        ("a: !!python/object:os.system {}\n", "line 1, column 4: the tag .* is not supported"),
        ("a: \x07\n", "line 1, column 4: not YAML"),
        ("[" * (MAX_DEPTH + 1), f"nested more than {MAX_DEPTH} levels deep"),
        # By us, or by a libyaml that has a limit of its own.
        ("[" * 200_000, "(nested more than|maximum nesting depth)"),
        ("\n".join(f"{'  ' * depth}a:" for depth in range(MAX_DEPTH + 2)), "nested more than"),
    ],
)
def test_what_cannot_be_trusted_is_refused_with_its_line(text, message):
    with pytest.raises(YamlError, match=message):
        load_documents(text)


def test_aliases_that_unfold_into_too_much_are_refused():
    lines = ["a0: &a0 [x,x,x,x,x,x,x,x,x,x]"]
    lines += [f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    with pytest.raises(YamlError, match="more than 100000 values"):
        load_documents("\n".join(lines))


def test_aliases_and_merge_keys_in_reason_are_fine():
    read = value("base: &b {x: 1}\nmore:\n  <<: *b\n  z: 2\nagain: *b\n")
    assert read == {"base": {"x": 1}, "more": {"x": 1, "z": 2}, "again": {"x": 1}}


def test_plain_words_that_mean_something_else_are_warned_of():
    (document,) = load_documents("a: no\nb: 'no'\nc: On\nd: 010\ne: false\n")
    assert [(one.place, one.text.split(" (")[0]) for one in document.warnings] == [
        ((1, 4), "no is read as false"),
        ((3, 4), "On is read as true"),
        ((4, 4), "010 is read as 8"),
    ]


def _of_a_server(value: object) -> object:
    """A server keeps whole numbers of more than 64 bits as floats."""
    if isinstance(value, dict):
        return {key: _of_a_server(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_of_a_server(one) for one in value]
    if type(value) is int and not -(2**63) <= value < 2**63:
        return float(value)
    return value


def test_what_is_read_is_what_kubectl_reads_or_is_refused():
    """The table is what the decoder of kubectl (apimachinery 0.35.4, YAMLOrJSONDecoder) and the
    JSON reader of the API server make of these texts; null where they refuse them."""
    table = json.loads((DATA / "kubectl-reads.json").read_text())
    assert len(table) > 200
    otherwise, refused = [], []
    for text, documents in table:
        try:
            read = [document.value for document in load_documents(text)]
        except YamlError:
            refused += [text] if documents is not None else []
            continue
        if repr(read) != repr(_of_a_server(documents)):
            otherwise.append(text)
    # An escape of JSON that YAML 1.1 does not have; and an empty tag makes a text of a number.
    assert otherwise == ["x: ! 5\n", 'a: "\\/"\n']
    assert refused == [
        *("x: !!binary aGk=\n", "x: !!set {a}\n", "x: !!omap [a: 1]\n"),
        *("x: !!timestamp 2026-01-01\n", "x: !foo y1\n", "x: !foo 5\n", "x: !foo {a: 1}\n"),
        *("y: 1\n", "n: 1\n", "on: 1\n", "1: x\n", "1.5: x\n", "0x1: a\n", "'1': x\n1: y\n"),
        '{"a": 1, "a": 2}',
        '{"a": "\\ud83d"}',
        '{"a": NaN}',
        "a: 1\n...\nb: 2\n",  # kubectl leaves the second one out, and says nothing
    ]


def test_json_is_read_as_json_writers_make_it():
    read = value(json.dumps({"text": "hi \U0001f600", "number": 1e5, "none": -0.0}))
    assert read == {"text": "hi \U0001f600", "number": 100000, "none": 0}
    assert type(read["number"]) is int
    assert value('\n\t{"a"\t:\t"\x7f"}') == {"a": "\x7f"}
    several = load_documents('{"a": 1}\n{"b": 2}\n---\n{"c": "\\ud83d\\ude00"}\n')
    found = [(one.number, one.value, one.warnings, one.place(())) for one in several]
    assert found == [
        (1, {"a": 1}, (), (1, 1)),
        (2, {"b": 2}, (), (2, 1)),
        (3, {"c": "\U0001f600"}, (), (4, 1)),
    ]
    assert value("{a: no, b: [c]}") == {"a": False, "b": ["c"]}  # YAML, though it begins so


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"a": 1,\n "a": 2}', "line 2, column 2: the key a appears twice"),
        ('{"b": "\\ud83d\\ude00", "a": 1, "a": 2}', "line 1, column 31: the key a appears twice"),
        ('{"a": "x\\udc00"}', "line 1, column 7: .* half of a surrogate pair"),
        ('{"a": NaN}', "line 1, column 7: NaN is not a JSON number"),
        ('{"a": 1}\n{"b": [1, {"c": 1e999}]}', "line 2, column 17: 1e999 is too large"),
        (
            '{"a": 1,\n "b" 2}',
            "line 2, column 6: not JSON: a colon is expected here, between a name and its value",
        ),
        ('{"a": ' * 70 + "1" + "}" * 70, "nested more than 64 levels deep"),
        ('{"a": ' * 100_000, "nested more than 64 levels deep|maximum nesting depth"),
        ("a: .inf\n", "line 1, column 4: .inf is not a JSON number"),
        ("a: 1\nb: !!int 1.5\n", "line 2, column 4: 1.5 is not a valid int"),
        ("a: !!int ''\n", "line 1, column 4: an empty string is not a valid int"),
        ("%YAML 1.2\n---\na: 1\n", "line 1, column 1: kubectl reads only YAML 1.1"),
        ("a: 1\n--- {b: 2}\n", "line 2, column 5: kubectl accepts nothing after ---"),
    ],
)
def test_what_kubectl_cannot_read_is_refused(text, message):
    with pytest.raises(YamlError, match=message):
        load_documents(text)


def test_numbers_that_are_hardly_meant_are_warned_of():
    text = "a: 09112\nb: 0o17\nc: y\nd: 123456789012345678901\ne: 0.5\nf: '010'\ng: 1e3\n"
    (document,) = load_documents(text)
    assert [(one.place, one.text.split(" (")[0]) for one in document.warnings] == [
        ((1, 4), "09112 is read as 9112"),
        ((2, 4), "0o17 is read as 15"),
        ((3, 4), "y is read as true"),
        ((4, 4), "123456789012345678901 is read as 1.2345678901234568e+20"),
    ]


def test_documents_of_others_are_read_by_the_core_schema_of_yaml_1_2():
    read = load_foreign(
        "country: NO\nyes: on\n200: y\nnull: ~\ndate: 2026-01-31\ntime: 12:30:45\nthousand: 1_000\n"
        "octal: 0o17\nhex: 0x1F\nzip: 01234\nprice: 1.10\nbig: 1e3\nflag: True\nequal: =\n"
        "merge: {<<: {a: 1}, b: 2}\ntag: !Sub '${x}'\nlist: !!set {a}\nbytes: !!binary aGk=\n"
    )
    assert read == json.loads(
        '{"country": "NO", "yes": "on", "200": "y", "null": null, "date": "2026-01-31",'
        '"time": "12:30:45", "thousand": "1_000", "octal": 15, "hex": 31, "zip": 1234,'
        '"price": 1.1, "big": 1000.0, "flag": true, "equal": "=", "merge": {"a": 1, "b": 2},'
        '"tag": "${x}", "list": {"a": null}, "bytes": "aGk="}'
    )
    written = [read[name].text for name in ("zip", "price", "hex")]
    assert written == ["01234", "1.10", "0x1F"]
