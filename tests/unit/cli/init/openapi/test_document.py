"""OpenAPI documents: what becomes of them, and that none of them does harm."""

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from perfrun.cli.init.draft import SourceError
from tests.unit.cli.init.given import DATA, document, get, openapi, post, read_back, read_document
from tests.unit.cli.init.test_texts import NASTY

_WORDS = """$ref type properties items allOf oneOf enum default example examples format minimum maximum
    required schema content parameters name in get post responses requestBody value const pattern
    application/json security securitySchemes servers url variables paths components"""
WORDS = st.sampled_from(_WORDS.split())
JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), NASTY),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.one_of(NASTY, WORDS), inner, max_size=4)
    ),
    max_leaves=20,
)


def steps(*paths, **more):
    root = document(*paths, **more)
    (test,) = read_back(openapi(root))
    return [step for scenario in test.spec.scenarios for step in scenario.steps]


def test_the_pet_shop():
    draft = openapi(read_document(str(DATA / "petstore.yaml")))
    (test,) = read_back(draft)
    spec = test.spec
    assert (test.metadata.name, spec.target.http.url) == ("pet-shop", "https://pets.example/api/v3")
    assert spec.target.http.auth.bearer.token_from.secret_key_ref.key == "token"
    by_name = {step.name: step for scenario in spec.scenarios for step in scenario.steps}
    assert list(by_name) == [
        "list-pets", "get-pet", "get-stores-store-stock", "create-pet", "delete-pet",
    ]  # fmt: skip
    assert [scenario.weight for scenario in spec.scenarios] == [10, 10, 10, 2, 1]
    assert by_name["list-pets"].http.path == "/pets?limit=20&status=$(choice('new', 'sold'))"
    assert by_name["list-pets"].expect.status == [200]
    assert by_name["get-pet"].http.path == "/pets/$(int(1, 100))"
    assert by_name["get-stores-store-stock"].expect is None  # 2XX: any of them
    assert by_name["create-pet"].class_ == "Write"
    assert by_name["create-pet"].http.json_ == {
        "id": "$(uuid())",
        "name": "$(name())",
        "price": 1,
        "tag": "$(text(5))",
        "photos": ["https://example.com/"],
    }
    assert spec.variables == {"store": "example"}


def test_writes_are_left_out_and_told_unless_asked_for():
    draft = openapi(read_document(str(DATA / "petstore.yaml")), writes=False)
    assert all(scenario.steps[0].method == "GET" for scenario in draft.scenarios)
    assert "Left out: 2 operations with methods that change data (--writes)." in draft.notes


def test_a_document_that_only_writes_says_what_to_do():
    with pytest.raises(SourceError, match=r"no operation to run: 1 operation .*--writes"):
        openapi(document({"/a": post({"type": "object"})}), writes=False)


@pytest.mark.parametrize(
    ("root", "sentence"),
    [
        ([], "not an OpenAPI document"),
        (None, "not an OpenAPI document"),
        ({"swagger": "2.0"}, "has no paths"),
        (
            {"swagger": 1.2, "paths": {}},
            "Swagger 1.2 is not supported: use Swagger 2.0 or OpenAPI 3",
        ),
        ({"openapi": "4.0"}, "not an OpenAPI 3 document"),
        ({"openapi": "3.0.0"}, "has no paths"),
        ({"openapi": "3.0.0", "paths": {}}, "no operation to run"),
    ],
)
def test_other_documents_are_told(root, sentence):
    with pytest.raises(SourceError, match=sentence):
        openapi(root)


@pytest.mark.parametrize(
    ("servers", "url"),
    [
        ([{"url": "https://a.example/v1/"}], "https://a.example/v1"),
        ([{"url": "/v2"}], "http://localhost:8080/v2"),
        ([], "http://localhost:8080"),
        (
            [{"url": "https://{h}/", "variables": {"h": {"enum": ["b.example"]}}}],
            "https://b.example",
        ),
        ([{"url": "https://user:pw@a.example"}], "http://localhost:8080"),
        ([{"url": "ftp://a"}, {"url": "https://c.example"}], "https://c.example"),
        ("none", "http://localhost:8080"),
    ],
)
def test_the_url_of_the_target(servers, url):
    draft = openapi(document({"/": get()}, servers=servers))
    assert draft.url == url
    assert openapi(document({"/": get()}, servers=servers), url="http://x:1").url == "http://x:1"


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"type": "integer", "minimum": 5}, 5),
        ({"type": "integer", "exclusiveMinimum": 5}, 6),
        ({"type": "integer", "minimum": 5, "exclusiveMinimum": True}, 6),
        ({"type": "number", "maximum": -3}, -3),
        ({"type": ["null", "boolean"]}, True),
        ({"type": "string", "enum": ["a", "b"]}, "$(choice('a', 'b'))"),
        ({"enum": [3, 4]}, 3),
        ({"type": "string", "default": "$(x)"}, "$$(x)"),
        ({"type": "string", "format": "date-time"}, "$(now())"),
        ({"type": "string", "minLength": 40}, "$(text(40))"),
        ({"type": "string", "pattern": "^A"}, "example"),
        ({"const": "on"}, "on"),
        ({"type": "array", "items": {"type": "string", "format": "uuid"}}, ["$(uuid())"]),
        ({"oneOf": [{"type": "null"}, {"type": "integer"}]}, 1),
        (
            {"allOf": [{"properties": {"a": {"type": "integer"}}}], "properties": {"b": {"const": 2}}},
            {"a": 1, "b": 2},
        ),
        ({"properties": {"id": {"type": "integer", "readOnly": True}, "a": {"const": 1}}}, {"a": 1}),
    ],
)  # fmt: skip
def test_values_for_schemas(schema, value):
    (step,) = steps({"/a": post({"type": "object", "properties": {"x": schema}})})
    assert step.http.json_ == {"x": value}


def test_an_example_of_the_media_type_goes_first():
    media = {"example": {"a": "$(1)"}, "schema": {"type": "object"}}
    (step,) = steps({"/a": {"post": {"requestBody": {"content": {"application/json": media}}}}})
    assert step.http.json_ == {"a": "$$(1)"}


def test_a_form_and_a_body_that_cannot_be_made():
    schema = {"properties": {"a b": {"const": "x&y"}, "id": {"type": "string", "format": "uuid"}}}
    (step,) = steps({"/a": post(schema, "application/x-www-form-urlencoded")})
    assert step.http.body == "a%20b=x%26y&id=$(uuid())"
    assert [one.value for one in step.http.headers] == ["application/x-www-form-urlencoded"]
    with pytest.raises(SourceError, match="a body that cannot be generated"):
        openapi(document({"/a": post({}, "multipart/form-data")}))


def test_parameters():
    step, *_ = steps(
        {
            "/a/{id}/{kind}": get(
                {"name": "id", "in": "path", "schema": {"type": "string", "format": "uuid"}},
                {"name": "kind", "in": "path", "schema": {"enum": ["x", "y"]}},
                {"name": "needless", "in": "query", "schema": {"type": "string"}},
                {"name": "q&", "in": "query", "required": True, "example": "a b"},
                {"name": "tags", "in": "query", "example": ["t1", "t2"]},
                {"name": "X-Trace", "in": "header", "required": True},
                {"name": "X-Api-Key", "in": "header", "required": True},
                {"name": "Host", "in": "header", "required": True},
            )
        }
    )
    assert step.http.path == "/a/$(uuid())/$(choice('x', 'y'))?q%26=a%20b&tags=t1&tags=t2"
    assert [one.name for one in step.http.headers] == ["X-Trace", "X-Api-Key"]
    assert step.http.headers[1].value_from.secret_key_ref.name == "api-credentials"


@pytest.mark.parametrize(
    ("scheme", "there"),
    [
        ({"type": "http", "scheme": "Basic"}, "basic"),
        ({"type": "http", "scheme": "bearer"}, "bearer"),
        ({"type": "openIdConnect"}, "bearer"),
        ({"type": "oauth2", "flows": {"clientCredentials": {"tokenUrl": "/token"}}}, "oauth2"),
        ({"type": "oauth2", "flows": {"implicit": {}}}, "bearer"),
    ],
)
def test_security_schemes(scheme, there):
    root = document(
        {"/": get()},
        security=[{}, {"s": ["read"]}],
        components={"securitySchemes": {"s": scheme}},
        servers=[{"url": "https://a.example"}],
    )
    draft = openapi(root)
    (test,) = read_back(draft)
    auth = test.spec.target.http.auth
    assert getattr(auth, there) is not None
    assert any("kubectl create secret generic api-credentials" in one for one in draft.target_notes)


def test_keys_in_headers_and_queries_come_from_secrets():
    schemes = {
        "h": {"type": "apiKey", "in": "header", "name": "X-Key"},
        "q": {"type": "apiKey", "in": "query", "name": "key"},
    }
    root = document(
        {"/a": get()}, security=[{"h": [], "q": []}], components={"securitySchemes": schemes}
    )
    (test,) = read_back(openapi(root))
    assert test.spec.target.http.headers[0].value_from.secret_key_ref.key == "api-key"
    assert test.spec.scenarios[0].steps[0].http.path == "/a?key=$(secrets.key)"
    assert test.spec.feeds[0].csv_from.secret_key_ref.name == "api-secrets"


def test_references_that_lead_in_circles_or_out():
    schemas = {
        "Loop": {"$ref": "#/components/schemas/Loop"},
        "Tree": {
            "properties": {
                "kids": {"type": "array", "items": {"$ref": "#/components/schemas/Tree"}},
                "name": {"type": "string", "const": "n"},
            }
        },
    }
    draft = openapi(
        document(
            {
                "/tree": post({"$ref": "#/components/schemas/Tree"}),
                "/out": {"$ref": "https://example.com/paths.yaml#/x"},
            },
            components={"schemas": schemas},
        )
    )
    (test,) = read_back(draft)
    assert test.spec.scenarios[0].steps[0].http.json_ == {"kids": [], "name": "n"}
    assert any("References to other documents" in note for note in draft.notes)
    with pytest.raises(SourceError, match="cannot be generated"):
        openapi(
            document(
                {"/loop": post({"$ref": "#/components/schemas/Loop"})},
                components={"schemas": schemas},
            )
        )


def test_a_bomb_of_references_is_cut_off():
    schemas = {
        f"S{n}": {"properties": {f"p{i}": {"$ref": f"#/components/schemas/S{n + 1}"} for i in range(30)}}
        for n in range(30)
    }  # fmt: skip
    root = document(
        {"/a": post({"$ref": "#/components/schemas/S0"})}, components={"schemas": schemas}
    )
    read_back(openapi(root))


def test_more_operations_than_a_test_can_have():
    draft = openapi(document({f"/p{n}": get() for n in range(70)}))
    (test,) = read_back(draft)
    assert len(test.spec.scenarios or ()) == 50
    assert "Left out: 20 operations beyond the 50 that a test can have." in draft.notes


@given(NASTY, NASTY, NASTY, st.sampled_from(["path", "query", "header", "cookie"]))
def test_any_path_and_any_name_of_a_parameter_read_back(path, name, example, where):
    parameter = {"name": name, "in": where, "required": True, "example": example}
    root = document(
        {f"/{path}{{{name}}}": get(parameter, operationId=path, summary=name)},
        info={"title": path},
    )
    try:
        draft = openapi(root)
    except SourceError:
        return  # a path that is too long, and the like
    read_back(draft)


@given(JSON, JSON, JSON)
def test_any_document_ends_in_a_test_or_a_sentence(operation, schema, anything):
    root = document(
        {"/a": {"post": operation, "get": anything}, "/b": post(schema), "/c": anything},
        components=anything,
        servers=anything,
        security=schema,
        info=anything,
    )
    try:
        draft = openapi(root)
    except SourceError:
        return
    read_back(draft)


def test_yaml_as_people_write_it(tmp_path):
    file = tmp_path / "api.yaml"
    file.write_text(
        yaml.safe_dump(document({"/a": {"get": {"responses": {200: {}}}}})) + "on: true\n"
    )
    (test,) = read_back(openapi(read_document(str(file))))
    assert test.spec.scenarios[0].steps[0].expect.status == [200]


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"\xff\xff", "not UTF-8 text"),
        (b"[" * 100_000, "nested too deeply"),
        (b"a: " + b"[" * 100 + b"]" * 100, "nested more than 64 levels deep"),
        (b"{nope", "line 2|flow mapping"),
        (b"a: &a [*a]", "alias"),
        (b"a: 'x", "line"),
    ],
)
def test_files_that_cannot_be_read_are_told(tmp_path, data, sentence):
    file = tmp_path / "f"
    file.write_bytes(data)
    with pytest.raises(SourceError, match=sentence):
        read_document(str(file))


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(SourceError, match="cannot be read: No such file"):
        read_document(str(tmp_path / "nope"))


def body_of(schema, **media):
    content = {"application/json": {"schema": schema, **media}}
    root = document({"/a": {"post": {"requestBody": {"content": content}}}})
    (test,) = read_back(openapi(root))
    return test.spec.scenarios[0].steps[0].http.json_


@pytest.mark.parametrize(
    ("schema", "media", "value"),
    [
        # JSON in a text, as many documents write their examples.
        ({"type": "object"}, {"example": '{"a": [1, "01"]}'}, {"a": [1, "01"]}),
        (None, {"example": '[{"a": null}]'}, [{"a": None}]),
        ({"$ref": "#/components/x"}, {"examples": {"e": {"value": '{"a": 1}'}}}, {"a": 1}),
        ({"type": "object", "example": '{"a": 1}'}, {}, {"a": 1}),
        ({"type": "array", "items": {}, "example": "[1, 2]"}, {}, [1, 2]),
        # And what is a text stays one.
        ({"type": "string"}, {"example": '{"a": 1}'}, '{"a": 1}'),
        (None, {"example": "5"}, "5"),
        ({"type": "object"}, {"example": "{no JSON"}, "{no JSON"),
        ({"type": ["string", "null"], "example": 5}, {}, "5"),
        ({"type": "integer", "example": "5"}, {}, 5),
        ({"type": "number", "example": "5.50"}, {}, 5.5),
        ({"type": "integer", "example": "5.5"}, {}, "5.5"),
        ({"type": "boolean", "default": "true"}, {}, True),
        ({"type": "string", "example": True}, {}, "true"),
        ({"type": "string", "enum": [1]}, {}, "1"),
        ({"type": ["integer", "string"], "example": "5"}, {}, "5"),
    ],
)
def test_examples_are_sent_in_the_type_of_their_schema(schema, media, value):
    assert body_of(schema, **media) == value


def test_examples_deep_in_a_body_are_of_their_schemas_too():
    address = {"type": "object", "properties": {"zip": {"type": "string"}}}
    schema = {"properties": {"to": {"allOf": [address]}, "list": {"items": address}}}
    example = {"to": {"zip": 1234, "n": 1}, "list": [{"zip": 5}], "other": 7}
    assert body_of(schema, example=example) == {
        "to": {"zip": "1234", "n": 1},
        "list": [{"zip": "5"}],
        "other": 7,
    }


def test_texts_of_a_yaml_document_are_written_as_they_stand_there(tmp_path):
    file = tmp_path / "api.yaml"
    file.write_text("""
openapi: 3.0.3
info: {title: Post}
paths:
  /offices/{zip}:
    get:
      parameters:
      - {name: zip, in: path, required: true, example: 01097, schema: {type: string}}
      - {name: land, in: query, example: NO, schema: {type: string}}
      - {name: version, in: query, example: 1.10, schema: {type: string}}
      - {name: since, in: query, example: 2026-01-31, schema: {type: string, format: date}}
      - {name: at, in: query, example: 12:30:45, schema: {type: string}}
      - {name: flags, in: query, schema: {type: string, enum: [0x1F]}, required: true}
      - {name: size, in: query, example: 010, schema: {type: integer}}
      responses: {200: {}, 404: {}}
    post:
      requestBody:
        content:
          application/json:
            schema: {properties: {on: {type: string, example: off}, 1: {enum: [y]}}}
""")
    (test,) = read_back(openapi(read_document(str(file))))
    steps = [scenario.steps[0] for scenario in test.spec.scenarios]
    assert steps[0].http.path == (
        "/offices/01097?land=NO&version=1.10&since=2026-01-31&at=12:30:45&flags=0x1F&size=10"
    ).replace("12:30:45", "12%3A30%3A45")
    assert steps[0].expect.status == [200]
    assert steps[1].http.json_ == {"on": "off", "1": "y"}


def test_alternatives_are_taken_with_what_stands_beside_them():
    pet = {
        "type": "object",
        "properties": {"name": {"type": "string", "example": "Rex"}},
        "oneOf": [{"required": ["name"]}, {"required": ["id"]}],
    }
    assert body_of(pet) == {"name": "Rex"}
    both = {**pet, "oneOf": [{"type": "null"}, {"properties": {"age": {"const": 3}}}]}
    assert body_of(both) == {"name": "Rex", "age": 3}
    assert body_of({"anyOf": [{"$ref": "#/nowhere"}, {"const": 4, "example": 5}]}) == 4


def test_numbers_are_within_their_bounds():
    number = {"type": "number", "minimum": 0.2, "maximum": 0.6}
    assert body_of(number) == 0.2
    assert body_of({**number, "exclusiveMinimum": True}) == 0.4
    assert body_of({"type": "array", "minItems": 3, "items": {"const": 1}}) == [1, 1, 1]


def test_what_stands_beside_a_reference_counts_in_3_1_alone():
    schemas = {"schemas": {"Id": {"type": "string", "example": "far"}}}
    schema = {"$ref": "#/components/schemas/Id", "example": "near"}
    root = document({"/a": post(schema)}, components=schemas)
    for version, value in (("3.1.0", "near"), ("3.0.3", "far")):
        (test,) = read_back(openapi({**root, "openapi": version}))
        assert test.spec.scenarios[0].steps[0].http.json_ == value


def test_operations_that_refer_to_other_documents_are_left_out_by_name():
    far = {"$ref": "models.yaml#/Pet"}
    draft = openapi(document({"/a": get(), "/b": post(far), "/c": get(far)}))
    assert len(draft.scenarios) == 1
    assert "Left out: 2 operations with references to other documents." in draft.notes
    assert "References to other documents are not followed: models.yaml#/Pet." in draft.notes


def test_any_media_type_is_json_where_its_schema_says_so():
    (test,) = read_back(openapi(document({"/a": post({"example": {"a": 1}}, "*/*")})))
    http = test.spec.scenarios[0].steps[0].http
    assert (http.json_, http.headers) == ({"a": 1}, [])


def test_a_document_in_utf_16(tmp_path):
    file = tmp_path / "api.json"
    file.write_text('{"openapi": "3.0.0", "paths": {"/ä": {"get": {}}}}', encoding="utf-16")
    assert len(openapi(read_document(str(file))).scenarios) == 1
