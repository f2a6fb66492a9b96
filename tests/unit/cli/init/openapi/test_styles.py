"""Styles of parameters, with the values of the table in the OpenAPI specification."""

import pytest

from perfrun.cli.init.openapi.bodies import FormField, multipart
from perfrun.cli.init.openapi.styles import Style, as_text, in_header, in_path, in_query
from perfrun.cli.init.texts import VaryingText, path_template
from tests.unit.cli.init.given import document, get, openapi, post, read_back

LIST = ["blue", "black", "brown"]
TABLE = {"R": 100, "G": 200, "B": 150}


@pytest.mark.parametrize(
    ("value", "style", "explode", "shown"),
    [
        ("blue", "simple", False, "blue"),
        (LIST, "simple", False, "blue,black,brown"),
        (LIST, "simple", True, "blue,black,brown"),
        (TABLE, "simple", False, "R,100,G,200,B,150"),
        (TABLE, "simple", True, "R=100,G=200,B=150"),
        ("blue", "label", False, ".blue"),
        (LIST, "label", False, ".blue,black,brown"),
        (LIST, "label", True, ".blue.black.brown"),
        (TABLE, "label", False, ".R,100,G,200,B,150"),
        (TABLE, "label", True, ".R=100.G=200.B=150"),
        ("blue", "matrix", False, ";color=blue"),
        (LIST, "matrix", False, ";color=blue,black,brown"),
        (LIST, "matrix", True, ";color=blue;color=black;color=brown"),
        (TABLE, "matrix", False, ";color=R,100,G,200,B,150"),
        (TABLE, "matrix", True, ";R=100;G=200;B=150"),
    ],
)
def test_in_a_path(value, style, explode, shown):
    assert "".join(map(str, in_path("color", value, Style(style, explode)))) == shown
    if style == "simple":
        assert in_header(value, Style(style, explode)) == shown


@pytest.mark.parametrize(
    ("value", "style", "explode", "shown"),
    [
        ("a,b c", "form", True, "color=a%2Cb%20c"),
        (LIST, "form", False, "color=blue,black,brown"),
        (LIST, "form", True, "color=blue&color=black&color=brown"),
        (TABLE, "form", False, "color=R,100,G,200,B,150"),
        (TABLE, "form", True, "R=100&G=200&B=150"),
        (LIST, "spaceDelimited", False, "color=blue%20black%20brown"),
        (TABLE, "spaceDelimited", False, "color=R%20100%20G%20200%20B%20150"),
        (LIST, "pipeDelimited", False, "color=blue%7Cblack%7Cbrown"),
        (TABLE, "deepObject", True, "color[R]=100&color[G]=200&color[B]=150"),
        ({"a": {"b": [1, 2]}}, "deepObject", True, "color[a][b][0]=1&color[a][b][1]=2"),
        (True, "form", True, "color=true"),
        ([{"a": 1}], "form", True, "color=%7B%22a%22%3A%201%7D"),
    ],
)
def test_in_a_query(value, style, explode, shown):
    pairs = ["".join(map(str, parts)) for parts in in_query("color", value, Style(style, explode))]
    assert "&".join(pairs) == shown


def test_reserved_characters_stay_where_they_may():
    (parts,) = in_query("at", "10:30/a&b", Style("form", explode=True, reserved=True))
    assert "".join(map(str, parts)) == "at=10:30/a%26b"


def test_what_is_made_stays_made():
    style = Style("form", explode=False)
    (parts,) = in_query("id", [VaryingText("int(1, 9)"), "x"], style)
    assert path_template(["/?", *parts]) == "/?id=$(int(1, 9)),x"
    assert in_header([VaryingText("uuid()")], style) == "$(uuid())"
    assert as_text({"a": VaryingText("uuid()")}) == '{"a": "example"}'


def test_parameters_of_a_document_are_written_in_their_styles():
    ids = {"name": "ids", "in": "path", "example": [1, 2], "schema": {"type": "array"}}
    query = [
        {"name": "tag", "in": "query", "explode": False, "example": ["a", "b"]},
        {
            "name": "page",
            "in": "query",
            "style": "deepObject",
            "required": True,
            "schema": {
                "type": "object",
                "properties": {"size": {"type": "integer", "minimum": 5, "maximum": 5}},
            },
        },
        {"name": "f", "in": "query", "content": {"application/json": {"example": {"x": "ö"}}}},
        {"name": "empty", "in": "query", "example": []},
    ]
    header = {"name": "X-Ids", "in": "header", "required": True, "example": [7, 8]}
    (test,) = read_back(openapi(document({"/a/{ids}": get(ids, *query, header)})))
    http = test.spec.scenarios[0].steps[0].http
    assert http.path == ("/a/1,2?tag=a,b&page%5Bsize%5D=5&f=%7B%22x%22%3A%20%22%5Cu00f6%22%7D")
    assert [(one.name, one.value) for one in http.headers] == [("X-Ids", "7,8")]


def test_the_fields_of_a_form():
    example = {"name": "Ada & Co", "tags": ["a", "b"], "at": {"lat": 1}, "when": {"from": 2}}
    content = {
        "schema": {},
        "example": example,
        "encoding": {"when": {"style": "deepObject"}, "tags": {"explode": False}},
    }
    body = {"content": {"application/x-www-form-urlencoded; charset=utf-8": content}}
    (test,) = read_back(openapi(document({"/f": {"post": {"requestBody": body}}})))
    http = test.spec.scenarios[0].steps[0].http
    assert http.body == "name=Ada%20%26%20Co&tags=a,b&at=%7B%22lat%22%3A%201%7D&when[from]=2"


def test_a_form_of_several_parts():
    schema = {
        "type": "object",
        "properties": {
            "title": {"type": "string", "example": "Round $(trip)"},
            "meta": {"type": "object", "example": {"a": 1}},
            "photo": {"type": "string", "format": "binary", "example": "PNG"},
            "tags": {"type": "array", "items": {"type": "string", "example": "x"}, "minItems": 2},
        },
    }
    (test,) = read_back(openapi(document({"/f": post(schema, "multipart/form-data")})))
    http = test.spec.scenarios[0].steps[0].http
    (header,) = http.headers
    assert header.value == "multipart/form-data; boundary=perfrun-form-boundary"
    assert http.body == (
        "--perfrun-form-boundary\r\n"
        'Content-Disposition: form-data; name="title"\r\n\r\nRound $$(trip)\r\n'
        "--perfrun-form-boundary\r\n"
        'Content-Disposition: form-data; name="meta"\r\nContent-Type: application/json\r\n\r\n'
        '{"a": 1}\r\n'
        "--perfrun-form-boundary\r\n"
        'Content-Disposition: form-data; name="photo"; filename="photo.bin"\r\n'
        "Content-Type: application/octet-stream\r\n\r\nPNG\r\n"
        '--perfrun-form-boundary\r\nContent-Disposition: form-data; name="tags"\r\n\r\nx\r\n'
        '--perfrun-form-boundary\r\nContent-Disposition: form-data; name="tags"\r\n\r\nx\r\n'
        "--perfrun-form-boundary--\r\n"
    )


def test_a_boundary_is_in_no_part():
    kind, body = multipart([FormField('a"\r\nb', "x perfrun-form-boundary y")])
    assert kind == "multipart/form-data; boundary=perfrun-form-boundary-x"
    assert body.startswith(
        '--perfrun-form-boundary-x\r\nContent-Disposition: form-data; name="a%22%0D%0Ab"\r\n'
    )
