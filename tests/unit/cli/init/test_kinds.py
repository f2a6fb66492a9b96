"""What a file is told to be by what is in it."""

import gzip
import io
import json
import sys

import pytest

from perfrun.cli.init.draft import SourceError
from perfrun.cli.init.kinds import SourceKind, kind_of
from perfrun.cli.init.source import SourceFile, line_of
from tests.unit.cli.init.given import DATA

LINE = '1.2.3.4 - - [24/Nov/2026:10:00:00 +0000] "GET / HTTP/1.1" 200 5'


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("openapi: 3.0.0\npaths: {}", SourceKind.OPENAPI),
        ('# a comment\n---\n"swagger": "2.0"\n', SourceKind.OPENAPI),
        ('{"openapi": "3.0.0"}', SourceKind.OPENAPI),
        (json.dumps({"info": {"x": "y" * 100_000}, "openapi": "3.1.0"}), SourceKind.OPENAPI),
        (json.dumps({"info": "y" * 100_000, "paths": {}}, indent=1), SourceKind.OPENAPI),
        ('{"log": {"entries": []}}', SourceKind.HAR),
        ('{"info": {"name": "x"}, "item": []}', SourceKind.POSTMAN),
        ('{"collection": {"info": {}, "item": []}}', SourceKind.POSTMAN),
        ('{"name": "staging", "values": []}', SourceKind.POSTMAN_ENVIRONMENT),
        ('{"id": "version 1", "requests": []}', SourceKind.POSTMAN),
        ('\n<?xml version="1.0"?><jmeterTestPlan/>', SourceKind.JMETER),
        ("<anything/>", SourceKind.JMETER),
        ("# comment\n\nGET http://shop/\n", SourceKind.VEGETA),
        ('{"method": "GET", "url": "http://shop/"}\n', SourceKind.VEGETA),
        ('{"method": "GET", "url": "/", "status": 200}\n', SourceKind.ACCESS_LOG),
        ("apiVersion: openslo/v1\nkind: SLO\n---\napiVersion: openslo/v1\n", SourceKind.OPENSLO),
        ('{"apiVersion": "openslo/v1alpha"}', SourceKind.OPENSLO),
        ("// load\nimport http from 'k6/http';\n", SourceKind.K6),
        ('const http = require("k6/http");\n', SourceKind.K6),
        (LINE, SourceKind.ACCESS_LOG),
        ('{"method": "GET", "uri": "/", "status": 200}\n', SourceKind.ACCESS_LOG),
        ('{"log": "a line of a container", "stream": "stdout"}\n', SourceKind.ACCESS_LOG),
        ('[2026-11-24T10:00:00.310Z] "GET / HTTP/2" 200', SourceKind.ACCESS_LOG),
    ],
)
def test_a_kind_is_told_by_the_content(tmp_path, text, kind):
    file = tmp_path / "f"
    for data in (text.encode(), text.encode("utf-8-sig"), text.encode("utf-16")):
        file.write_bytes(data)
        with SourceFile(str(file)) as source:
            assert kind_of(source) is kind


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "is empty"),
        (b" \n", "is empty"),
        (b"{}", "it needs the key openapi or swagger"),
        (b"apiVersion: v1\nkind: Pod", "or an apiVersion of openslo"),
        (b"info: x", "it needs the key openapi or swagger"),
        (b"\x7fELF\x00\x01", "is not text. init reads an OpenAPI document, a HAR recording"),
        (b"{nope", "line 2|flow mapping"),
        (b"{" * 100_000, "not JSON|nest"),
        (b"info: \xff", "not UTF-8"),
    ],
)
def test_what_no_kind_is_told(tmp_path, data, sentence):
    file = tmp_path / "f"
    file.write_bytes(data)
    with pytest.raises(SourceError, match=sentence), SourceFile(str(file)) as source:
        kind_of(source)


def test_a_packed_file_is_a_log(tmp_path):
    file = tmp_path / "f"
    file.write_bytes(gzip.compress(b"{}"))
    with SourceFile(str(file)) as source:
        assert kind_of(source) is SourceKind.ACCESS_LOG


@pytest.mark.parametrize("size", [10, 100_000])
def test_standard_input_is_read_once(monkeypatch, size):
    data = json.dumps({"openapi": "3.0.0", "x": "y" * size}).encode()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BufferedReader(io.BytesIO(data))))
    with SourceFile("-") as source:
        assert (source.shown, source.stem) == ("standard input", "")
        assert kind_of(source) is SourceKind.OPENAPI
        assert source.document == json.loads(data)
    assert not sys.stdin.buffer.closed


def test_objects_know_their_lines(tmp_path):
    file = tmp_path / "f"
    file.write_text('{"a": {"b": "}{\\"\\n"},\n "c": [{},\n\n{"d": 1}]\n}')
    with SourceFile(str(file)) as source:
        root = source.located_json()
    assert [line_of(one) for one in (root, root["a"], *root["c"])] == [1, 1, 2, 4]
    file.write_text("a: 1\n---\n# x\nb:\n  c: {d: 2}\n")
    with SourceFile(str(file)) as source:
        first, second = source.located_documents()
    assert [line_of(one) for one in (first, second, second["b"], second["b"]["c"])] == [1, 4, 5, 5]


def test_the_recordings_of_the_tests_are_what_they_are():
    for name, kind in (("petstore.yaml", SourceKind.OPENAPI), ("shop.har", SourceKind.HAR)):
        with SourceFile(str(DATA / name)) as source:
            assert kind_of(source) is kind
