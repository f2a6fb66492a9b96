"""YAML as kubectl reads it, and strict."""

import pytest

from perfrun.cli.strictyaml import MAX_DEPTH, YamlError, load_documents


def value(text: str) -> object:
    (document,) = load_documents(text)
    return document.value


def test_documents_are_numbered_and_empty_ones_left_out():
    found = load_documents("---\n# nothing\n---\na: 1\n---\nb: 2\n")
    assert [document[:2] for document in found] == [(2, {"a": 1}), (3, {"b": 2})]


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
        ("a: 1\nb: 2\na: 3\n", "line 3: the key a is there twice"),
        ("a:\n  on: 1\n", "line 2: the key on is not read as a text: quote it"),
        ("1: x\n", "line 1: the key 1 is not read as a text"),
        ("a: [1\nb: 2\n", "line 2: "),
        ("a: &x [*x]\n", "an alias that contains itself"),
        ("a: !!python/object:os.system {}\n", "line 1: could not determine a constructor"),
        ("a: \x07\n", "not YAML"),
        ("[" * (MAX_DEPTH + 1), f"nested more than {MAX_DEPTH} deep"),
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
    read = value("base: &b {x: 1}\nmore:\n  <<: *b\n  y: 2\nagain: *b\n")
    assert read == {"base": {"x": 1}, "more": {"x": 1, "y": 2}, "again": {"x": 1}}


def test_plain_words_that_mean_something_else_are_warned_of():
    (document,) = load_documents("a: no\nb: 'no'\nc: On\nd: 010\ne: false\n")
    assert [warning.split(" (")[0] for warning in document.warnings] == [
        "line 1: no is read as false",
        "line 3: On is read as true",
        "line 4: 010 is read as 8",
    ]
