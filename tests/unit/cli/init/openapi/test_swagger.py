"""Swagger 2.0: read as the same document in OpenAPI 3."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perfrun.cli.init.draft import SourceError
from tests.unit.cli.init.given import openapi, read_back
from tests.unit.cli.init.openapi.test_document import JSON, WORDS

LIBRARY: dict[str, Any] = {
    "swagger": "2.0",
    "info": {"title": "Library", "version": "1"},
    "host": "library.example:8443",
    "basePath": "/v1",
    "schemes": ["http", "https"],
    "consumes": ["application/json"],
    "parameters": {"limit": {"name": "limit", "in": "query", "type": "integer", "default": 20}},
    "definitions": {
        "Book": {
            "type": "object",
            "required": ["title"],
            "properties": {
                "title": {"type": "string", "example": "Emma"},
                "shelf": {"type": "string", "example": 12},
                "id": {"type": "integer", "readOnly": True},
            },
        }
    },
    "securityDefinitions": {"login": {"type": "basic"}},
    "security": [{"login": []}],
    "paths": {
        "/books": {
            "parameters": [{"$ref": "#/parameters/limit"}],
            "get": {
                "parameters": [
                    {
                        "name": "ids",
                        "in": "query",
                        "type": "array",
                        "required": True,
                        "items": {"type": "string", "enum": ["a"]},
                        "minItems": 2,
                        "collectionFormat": "pipes",
                    }
                ],
                "responses": {"200": {"description": "ok"}},
            },
            "post": {
                "parameters": [
                    {"name": "book", "in": "body", "schema": {"$ref": "#/definitions/Book"}}
                ],
                "responses": {"201": {"description": "made"}},
            },
        },
        "/books/{isbn}/loan": {
            "parameters": [
                {"name": "isbn", "in": "path", "type": "string", "x-example": "0156", "required": 1}
            ],
            "put": {
                "consumes": ["application/x-www-form-urlencoded"],
                "parameters": [
                    {"name": "who", "in": "formData", "type": "string", "default": "Ada"},
                    {
                        "name": "days",
                        "in": "formData",
                        "type": "array",
                        "items": {"type": "integer", "default": 3},
                        "minItems": 2,
                        "collectionFormat": "multi",
                    },
                ],
            },
        },
        "/covers": {
            "post": {
                "parameters": [{"name": "cover", "in": "formData", "type": "file"}],
                "responses": {},
            }
        },
    },
}


def test_the_library():
    draft = openapi(LIBRARY)
    (test,) = read_back(draft)
    assert draft.url == "https://library.example:8443/v1"
    assert test.spec.target.http.auth.basic is not None
    steps = {
        (step.http.method, step.http.path): step.http
        for scenario in test.spec.scenarios
        for step in scenario.steps
    }
    assert list(steps) == [
        ("GET", "/books?limit=20&ids=a%7Ca"),
        ("POST", "/books?limit=20"),
        ("POST", "/covers"),
        ("PUT", "/books/0156/loan"),
    ]
    book = steps["POST", "/books?limit=20"]
    assert book.json_ == {"title": "Emma", "shelf": "12"}
    loan = steps["PUT", "/books/0156/loan"]
    assert loan.body == "who=Ada&days=3&days=3"
    assert loan.headers[0].value == "application/x-www-form-urlencoded"
    cover = steps["POST", "/covers"]
    assert cover.headers[0].value.startswith("multipart/form-data; boundary=")
    assert 'name="cover"; filename="cover.bin"' in (cover.body or "")


@pytest.mark.parametrize(
    ("more", "url"),
    [
        ({"schemes": ["http"]}, "http://library.example:8443/v1"),
        ({"schemes": []}, "https://library.example:8443/v1"),
        ({"basePath": "v2"}, "https://library.example:8443/v2"),
        ({"host": ""}, "http://localhost:8080/v1"),
        ({"host": None, "basePath": "/"}, "http://localhost:8080"),
    ],
)
def test_the_url_of_host_base_path_and_schemes(more, url):
    assert openapi({**LIBRARY, **more}).url == url


def test_parameters_of_another_document_are_told():
    path = {"get": {"parameters": [{"$ref": "common.json#/limit"}], "responses": {}}}
    root = {**LIBRARY, "paths": {**LIBRARY["paths"], "/far": path}}
    draft = openapi(root)
    assert "Left out: 1 operation with references to other documents." in draft.notes
    assert "common.json#/limit" in draft.notes[-1]


@given(
    st.dictionaries(st.one_of(WORDS, st.sampled_from(["in", "consumes", "host", "body"])), JSON),
    JSON,
)
def test_any_document_ends_in_a_test_or_a_sentence(parameter, anything):
    operation = {"parameters": [parameter, {**parameter, "in": "body"}], "consumes": anything}
    root = {
        "swagger": "2.0",
        "host": anything,
        "securityDefinitions": anything,
        "paths": {"/a": {"get": operation, "parameters": anything, "put": operation}},
    }
    try:
        read_back(openapi(root))
    except SourceError as error:
        assert str(error)
