"""What is written of a draft reads back as what it means, whatever its texts look like."""

import io
import json
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from perfrun.cli.init import command
from perfrun.cli.init.command import Wish, init_test, unlike
from perfrun.cli.init.draft import Draft, ScenarioDraft, StepDraft
from perfrun.cli.init.load import steady
from perfrun.cli.init.write import manifest, write_drafts
from perfrun.cli.terminal.exits import Exit
from perfrun.cli.terminal.streams import Output
from perfrun.local.files.strictyaml import load_documents
from tests.unit.cli.init.given import document, har, har_entry, openapi, post, quiet, read_back

_WORDS = """y n Y N yes no on off true false null ~ NULL nan .nan .inf -.inf inf = << - -- --- ...
    0 00 08 09112 0049895 0028 0123 0o17 0x1F 0b11 1_000 _1 1_ 12e3 1E5 1e400 -0 -0.0 .5 5. +1 1.
    12:30 12:30:45 2026-01-31 2026-01-31T10:00:00Z 1.2.3 500ms 20/s 1% 0.1e1_0 .1_0 ! !!int &a *a"""
LIKE_NUMBERS = st.one_of(
    st.sampled_from(_WORDS.split()),
    st.from_regex(r"[-+.]?[0-9_.]{1,6}([eExXoObB:][-+0-9a-fA-F_]{0,5})?", fullmatch=True),
)
TEXTS = st.one_of(LIKE_NUMBERS, st.text(max_size=30))
VALUES = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(2**63), 2**63 - 1),
        st.floats(allow_nan=False, allow_infinity=False),
        TEXTS,
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(TEXTS, inner, max_size=4)),
    max_leaves=15,
)


def drafted(**step: object) -> Draft:
    one = StepDraft(name="get", path="/", **step)  # type: ignore[arg-type]
    scenarios = (ScenarioDraft("read", (one,)),)
    return Draft("t", "http://shop:8000", scenarios, steady(scenarios))


@given(TEXTS)
def test_any_text_reads_back_as_it_is(text):
    header = ({"name": "X-Text", "value": text},)
    draft = drafted(body=text, json={text: text}, headers=header)
    (read,) = load_documents(write_drafts([draft], "f.yaml"))
    assert read.value == manifest(draft)
    assert read.warnings == ()


@given(VALUES)
def test_any_json_reads_back_as_it_is(value):
    draft = drafted(json={"value": value})
    (read,) = load_documents(write_drafts([draft], "f.yaml"))
    assert json.dumps(read.value) == json.dumps(manifest(draft))
    (step,) = read.value["spec"]["scenarios"][0]["steps"]
    assert step["http"]["json"] == {"value": value}


@given(TEXTS)
def test_no_other_reader_of_yaml_takes_a_text_for_something_else(text):
    """PyYAML reads YAML 1.1 with all that perfrun leaves out: dates, base 60."""
    read = yaml.safe_load(write_drafts([drafted(body=text)], "f.yaml"))
    assert read["spec"]["scenarios"][0]["steps"][0]["http"]["body"] == text


def test_numbers_are_those_that_a_server_keeps():
    values = [2.0, 1e5, -0.0, 2**63, -(2**70), 1e22, 0.5, True, 2**63 - 1]
    written = manifest(drafted(json=values))["spec"]["scenarios"][0]["steps"][0]["http"]["json"]
    kept = [2, 100000, 0, float(2**63), -float(2**70), 1e22, 0.5, True, 2**63 - 1]
    assert [repr(one) for one in written] == [repr(one) for one in kept]


def test_texts_of_a_document_that_look_like_numbers_stay_texts():
    examples = {"postcode": "01097", "iban": "0012345", "commit": "77e8", "on": "0o7", "x": "no"}
    schema = {
        "type": "object",
        "properties": {key: {"type": "string", "example": one} for key, one in examples.items()},
    }
    (test,) = read_back(openapi(document({"/parcels": post(schema)})))
    assert test.spec.scenarios[0].steps[0].http.json_ == examples


def test_an_id_of_a_recording_keeps_its_zeros(tmp_path: Path):
    file = tmp_path / "rec.har"
    file.write_text(json.dumps(har(har_entry("https://shop.example/parcels/0077"))))
    err, said = quiet()
    out = tmp_path / "t.yaml"
    wish = Wish(files=[str(file)], output=str(out))
    assert init_test(wish, Output(io.StringIO(), "standard output"), err) is Exit.OK, (
        said.getvalue()
    )
    assert "parcel_id: '0077'" in out.read_text()


def test_what_would_be_read_as_something_else_is_not_written(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(
        command,
        "write_drafts",
        lambda drafts, file: write_drafts(drafts, file).replace("path: /", "path: /other"),
    )
    err, said = quiet()
    out = tmp_path / "t.yaml"
    assert (
        init_test(Wish(output=str(out)), Output(io.StringIO(), "standard output"), err)
        is Exit.ERROR
    )
    assert "spec.scenarios[0].steps[0].http.path: '/' would be read as '/other'" in said.getvalue()
    assert not out.exists()


@pytest.mark.parametrize(
    ("was", "becomes"),
    [("'09'", "09"), ("1", "true"), ("null", "''"), ("[1]", "[1, 2]"), ("{a: 1}", "{b: 1}")],
)
def test_a_difference_of_type_is_one_too(was, becomes):
    draft = drafted(json={"value": "mark"})
    meant = drafted(json={"value": load_documents(f"x: {was}")[0].value["x"]})
    text = write_drafts([draft], "f.yaml").replace("mark", becomes)
    assert "spec.scenarios[0].steps[0].http.json.value" in (unlike([meant], text) or "")
    assert unlike([meant], write_drafts([meant], "f.yaml")) is None
