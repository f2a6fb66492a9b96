"""Drafts of Postman collections: each construct, and what is not carried over."""

import json
import time
from itertools import pairwise

import pytest
from hypothesis import given, reject
from hypothesis import strategies as st

from perfrun.api.template import Literal, parse
from perfrun.cli.init.draft import SourceError
from perfrun.cli.init.write import manifest
from tests.unit.cli.init.given import postman, postman_item, read_back
from tests.unit.cli.init.test_texts import NASTY

V20 = "https://schema.getpostman.com/json/collection/v2.0.0/collection.json"


def spec(*items, **more):
    draft = postman(*items, **more)
    read_back(draft)
    return manifest(draft)["spec"]


def steps(*items, **more):
    return [step for one in spec(*items, **more)["scenarios"] for step in one["steps"]]


def http(**request):
    (step,) = steps(postman_item(**request))
    return step["http"]


def notes(*items, **more):
    return [one for one in postman(*items, **more).notes if one.startswith("Not carried over")]


def test_a_collection_becomes_a_journey():
    login = postman_item(
        "Log in",
        "{{base}}/login",
        "POST",
        body={"mode": "raw", "raw": '{"user": "ada", "password": "{{pw}}"}'},
        tests="const json = pm.response.json();\npm.test('ok', function () {\n"
        "  pm.response.to.have.status(200);\n});\npm.environment.set('token', json.data.token);",
    )
    orders = postman_item(
        "Orders", {"raw": "{{base}}/orders/:id?page=1&q=a b", "host": ["{{base}}"],
                   "path": ["orders", ":id"],
                   "query": [{"key": "page", "value": "1"},
                             {"key": "off", "value": "1", "disabled": True},
                             {"key": "q", "value": "a b"}],
                   "variable": [{"key": "id", "value": "4 2"}]},
    )  # fmt: skip
    folder = {"name": "Shop", "item": [login, {"name": "inner", "item": [orders]}]}
    bearer = {"type": "bearer", "bearer": [{"key": "token", "value": "{{token}}"}]}
    variables = [{"key": "base", "value": "https://shop.example/api/"}, {"key": "pw", "value": "x"}]
    draft = postman(folder, auth=bearer, variable=variables)
    read_back(draft)
    assert manifest(draft)["spec"] == {
        "target": {"http": {"url": "https://shop.example", "cookies": True}},
        "feeds": [
            {
                "name": "secrets",
                "csvFrom": {"secretKeyRef": {"name": "shop-secrets", "key": "values.csv"}},
            }
        ],
        "scenarios": [
            {
                "name": "journey",
                "weight": 1,
                "steps": [
                    {
                        "name": "log-in",
                        "class": "Write",
                        "http": {
                            "method": "POST",
                            "path": "/api/login",
                            "headers": [
                                {"name": "Authorization", "value": "Bearer $(secrets.token)"}
                            ],
                            "json": {"user": "ada", "password": "$(secrets.pw)"},
                        },
                        "expect": {"status": [200]},
                        "extract": {"token": {"json": "$.data.token"}},
                    },
                    {
                        "name": "orders",
                        "class": "Read",
                        "http": {
                            "path": "/api/orders/4%202?page=1&q=a%20b",
                            "headers": [{"name": "Authorization", "value": "Bearer $(token)"}],
                        },
                    },
                ],
            }
        ],
        "load": {"closed": {"users": 5, "duration": "2m", "thinkTime": "1s"}},
        "slos": [
            {"metric": "errorRate", "max": "1%", "onBreach": "Fail"},
            {"metric": "latency.p95", "of": "class/Read", "max": "500ms"},
            {"metric": "latency.p95", "of": "class/Write", "max": "1s"},
        ],
    }
    assert draft.notes == ("From shop.json: 2 of 2 requests.",)


def test_version_2_0_has_texts_and_objects_in_other_places():
    item = postman_item(
        url="http://shop/a?b=c#d", auth={"type": "bearer", "bearer": {"token": "x"}}
    )
    found = spec(item, info={"name": "Old", "schema": V20}, variables=[{"id": "y", "value": 1}])
    assert found["scenarios"][0]["steps"][0]["http"] == {
        "path": "/a?b=c",
        "headers": [{"name": "Authorization", "value": "Bearer $(secrets.token)"}],
    }
    assert http(request="ignored")["path"] == "/items"
    assert steps({"name": "short", "request": "http://shop/short"})[0]["http"]["path"] == "/short"


@pytest.mark.parametrize(
    ("body", "sent"),
    [
        ({"mode": "raw", "raw": '{"a": [1, 2.5, "{{$guid}}"]}'}, {"json": {"a": [1, 2.5, "$(uuid())"]}}),
        (
            {"mode": "raw", "raw": '{"n": {{$randomInt}}, "apiKey": "abc"}'},
            {
                "body": '{"n": $(int(0, 1000)), "apiKey": "$(secrets.apiKey)"}',
                "headers": [{"name": "Content-Type", "value": "application/json"}],
            },
        ),
        ({"mode": "raw", "raw": "null"}, {"body": "null", "headers": [{"name": "Content-Type", "value": "text/plain"}]}),
        (
            {"mode": "raw", "raw": "<a/>", "options": {"raw": {"language": "xml"}}},
            {"body": "<a/>", "headers": [{"name": "Content-Type", "value": "application/xml"}]},
        ),
        (
            {"mode": "urlencoded", "urlencoded": [
                {"key": "a b", "value": "c&d"}, {"key": "off", "value": "1", "disabled": True},
                {"key": "password", "value": "x"}]},
            {
                "body": "a+b=c%26d&password=$(secrets.password)",
                "headers": [{"name": "Content-Type", "value": "application/x-www-form-urlencoded"}],
            },
        ),
        (
            {"mode": "formdata", "formdata": [{"key": "a", "value": "{{$guid}}", "type": "text"}]},
            {
                "body": '--perfrun-form-boundary\r\nContent-Disposition: form-data; name="a"\r\n\r\n'
                "$(uuid())\r\n--perfrun-form-boundary--\r\n",
                "headers": [
                    {"name": "Content-Type",
                     "value": "multipart/form-data; boundary=perfrun-form-boundary"}
                ],
            },
        ),
        (
            {"mode": "graphql", "graphql": {"query": "{ a }", "variables": '{"id": "{{$guid}}"}'}},
            {"json": {"query": "{ a }", "variables": {"id": "$(uuid())"}}},
        ),
        ({"mode": "raw", "raw": '{"a": 1}', "disabled": True}, {}),
        ({"mode": "raw", "raw": '{"a": 1, "a": 2}'}, {
            "body": '{"a": 1, "a": 2}',
            "headers": [{"name": "Content-Type", "value": "application/json"}],
        }),
        ({"mode": "raw", "raw": '{"a": 1e999}'}, {
            "body": '{"a": 1e999}',
            "headers": [{"name": "Content-Type", "value": "application/json"}],
        }),
        ({"mode": "raw", "raw": '{"{{$guid}}": 1}'}, {
            "body": '{"$(uuid())": 1}',
            "headers": [{"name": "Content-Type", "value": "application/json"}],
        }),
    ],
)  # fmt: skip
def test_bodies_of_each_mode(body, sent):
    assert http(method="POST", body=body) == {"method": "POST", "path": "/items", **sent}


@pytest.mark.parametrize(
    ("auth", "request_"),
    [
        ({"type": "noauth"}, {}),
        ({"type": "basic", "basic": []}, {"headers": [
            {"name": "Authorization", "value": "Basic $(secrets.basic_credentials)"}]}),
        ({"type": "apikey", "apikey": [{"key": "key", "value": "X-Key"}, {"key": "value", "value": "v"}]},
         {"headers": [{"name": "X-Key", "value": "$(secrets.X_Key)"}]}),
        ({"type": "apikey", "apikey": [{"key": "key", "value": "k"}, {"key": "value", "value": "v"},
                                       {"key": "in", "value": "query"}]},
         {"path": "/items?k=$(secrets.k)"}),
        ({"type": "oauth2", "oauth2": [{"key": "accessToken", "value": "abc"}]},
         {"headers": [{"name": "Authorization", "value": "Bearer $(secrets.token)"}]}),
    ],
)  # fmt: skip
def test_kinds_of_authorization(auth, request_):
    assert http(auth=auth) == {"path": "/items", **request_}


@pytest.mark.parametrize("kind", ["digest", "hawk", "awsv4", "ntlm", "oauth1", "jwt", "x\ny"])
def test_other_kinds_of_authorization_are_named_with_their_line(kind):
    shown = kind.replace("\n", " ")
    assert notes(postman_item(), postman_item("it", auth={"type": kind})) == [
        f'Not carried over: request "it": authorization of the type {shown} (line 14)'
    ]


def test_what_a_request_writes_goes_before_what_folders_say():
    folder = {
        "name": "f",
        "auth": {"type": "bearer", "bearer": {"token": "a"}},
        "item": [
            postman_item("own", auth={"type": "noauth"}),
            postman_item("header", header=[{"key": "authorization", "value": "Custom {{x}}"}]),
        ],
    }
    own, header = steps(folder, variable=[{"key": "x", "value": "1"}])
    assert "headers" not in own["http"]
    assert header["http"]["headers"] == [{"name": "authorization", "value": "Custom $(secrets.x)"}]


def test_headers_of_all_requests_are_those_of_the_target():
    header = [{"key": "X-Tenant", "value": "eu"}, {"key": "X-Off", "value": "1", "disabled": True}]
    found = spec(postman_item("a", header=header), postman_item("b", header=header))
    assert found["target"]["http"]["headers"] == [{"name": "X-Tenant", "value": "eu"}]
    assert all("headers" not in step["http"] for step in found["scenarios"][0]["steps"])


def test_headers_that_perfrun_writes_are_named():
    header = [{"key": "Host", "value": "a"}, {"key": "Bad Name", "value": "b"}]
    assert notes(postman_item(header=header)) == [
        'Not carried over: header Host of "list" (line 6)',
        'Not carried over: header Bad Name of "list" (line 6)',
    ]


def test_variables_come_from_the_collection_from_scripts_or_from_the_user():
    found = spec(
        postman_item("a", "http://shop/{{page}}/{{first}}/{{unknown}}/{{nested}}",
                     before="pm.environment.set('page', '2');\n"
                     'pm.environment.set("first", pm.variables.replaceIn("{{$randomInt}}"));'),
        postman_item("b", "http://shop/{{first}}/{{$timestamp}}"),
        variable=[{"key": "nested", "value": "x{{page}}"}],
    )  # fmt: skip
    first, second = found["scenarios"][0]["steps"]
    assert first["http"]["path"] == "/$(page)/$(generated.first)/$(unknown)/x$(page)"
    assert second["http"]["path"] == "/$(generated.first)/$(timestamp)"
    assert found["variables"] == {"page": "2", "unknown": "example", "timestamp": "example"}
    assert found["feeds"] == [
        {
            "name": "generated",
            "generate": {"rows": 1000000, "columns": {"first": "$(int(0, 1000))"}},
        }
    ]


def test_a_variable_that_is_sent_as_a_secret_is_copied_nowhere():
    draft = postman(
        postman_item("a", "http://shop/{{pw}}/{{jot}}"),
        postman_item("b", method="POST", body={"mode": "raw", "raw": '{"password": "{{pw}}"}'}),
        postman_item("c", auth={"type": "bearer", "bearer": {"token": "{{jot}}"}}),
        variable=[{"key": "pw", "value": "tiger"}, {"key": "jot", "value": "lion"}],
    )
    read_back(draft)
    assert draft.variables == {}
    assert "tiger" not in str(draft)
    assert "lion" not in str(draft)
    assert draft.scenarios[0].steps[0].path == "/$(secrets.pw)/$(secrets.jot)"


def test_a_value_is_a_variable_until_a_step_extracts_it():
    read = postman_item("read", "http://shop/{{id}}")
    made = postman_item("make", method="POST", tests="pm.globals.set('id', pm.response.json().id)")
    paths = [one["http"]["path"] for one in steps(read, made, read)]
    assert paths == ["/$(id_value)", "/items", "/$(id)"]


def test_a_limit_of_a_script_is_an_objective():
    item = postman_item(tests="pm.expect(pm.response.responseTime).to.be.below(300)")
    assert spec(item)["slos"][-1] == {"metric": "latency.max", "of": "list", "max": "300ms"}


def test_scripts_that_are_not_known_are_named():
    item = postman_item(
        before="pm.sendRequest('http://x', () => {});", tests="pm.test('a', () => x());\ny();"
    )
    assert notes(item) == [
        "Not carried over: prerequest script of \"list\": `pm.sendRequest('http://x', () => {});` "
        "(line 11)",
        'Not carried over: test script of "list": `x()` and 1 more (line 19)',
    ]


def test_requests_to_other_targets_are_named():
    items = (postman_item("a"), postman_item("b"), postman_item("c", "https://other/x"))
    assert notes(*items) == [
        'Not carried over: request "c": a test has one target, and it goes to https://other '
        "(line 22)"
    ]
    assert postman(*items, url="https://other").url == "https://other"
    assert len(steps(*items, url="https://other")) == 1
    assert len(steps(*items, url="http://127.0.0.1:9")) == 2


def test_an_address_without_a_value_is_to_be_changed():
    draft = postman(postman_item(url="{{base}}/a"), postman_item(url="{{base}}/b"))
    assert (draft.url, draft.target_notes) == (
        "http://localhost:8080",
        ("CHANGE THIS: the source has no value for {{base}}.",),
    )
    assert postman(postman_item(url="{{base}}/a"), url="http://x/v1").target_notes == ()


@pytest.mark.parametrize(
    ("item", "what"),
    [
        (postman_item(method="PROPFIND"), "the method PROPFIND"),
        (postman_item(url="ws://x/y"), "it has no HTTP URL"),
        (postman_item(url=""), "it has no HTTP URL"),
        (
            postman_item(body={"mode": "file", "file": {"src": "/etc/passwd"}}),
            "a body of the mode file",
        ),
        (
            postman_item(
                body={"mode": "formdata", "formdata": [{"key": "f", "type": "file", "src": "/x"}]}
            ),
            "the file of its field f",
        ),
        (postman_item(body={"mode": "raw", "raw": "x" * 70_000}), "its body is too long"),
        (postman_item(url="http://shop/" + "x" * 3000), "its path is too long"),
    ],
)
def test_requests_that_cannot_be_steps_are_named(item, what):
    item["name"] = "odd"
    assert notes(postman_item(), item) == [f'Not carried over: request "odd": {what} (line 14)']
    with pytest.raises(SourceError, match=r"no request can be used. .*Not carried over.*line 6"):
        postman(item)


def test_settings_are_named():
    item = {**postman_item(), "protocolProfileBehavior": {"followRedirects": False}}
    assert notes(item) == ['Not carried over: setting followRedirects of "list" (line 6)']


def test_a_collection_that_is_too_long_for_a_journey_has_a_scenario_for_each_folder():
    items = [postman_item(f"r{number}") for number in range(60)]
    folders = [{"name": "One", "item": items[:30]}, {"name": "Two", "item": items[30:]}]
    assert [one["name"] for one in spec(*folders)["scenarios"]] == ["one", "two"]
    assert notes({"name": "One", "item": items})[0] == (
        "Not carried over: more than 50 steps, the limit of a scenario, in One (lines 409, 417, 425, 433, "
        "441, 449, 457, 465 and 2 more)"
    )


def test_writes_are_left_out_unless_asked_for():
    draft = postman(postman_item(), postman_item(method="DELETE"), writes=False)
    assert draft.notes == (
        "From shop.json: 1 of 2 requests.",
        "Left out: 1 request with methods that change data (--writes).",
    )


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('{"id": "x", "requests": []}', "a Postman collection of version 1: export it again"),
        ('{"info": {}}', "not a Postman collection"),
        ('{"item": []}', "no request can be used"),
        ('{"item": [', "not JSON"),
        ('{"item":' + '[{"item":' * 100_000, "nested too deeply|not JSON"),
    ],
)
def test_other_documents_are_told(text, sentence):
    with pytest.raises(SourceError, match=sentence):
        postman(text=text)


def test_folders_are_not_followed_for_ever():
    item = {"name": "last", "item": [postman_item("deep")]}
    for _ in range(60):
        item = {"name": "f", "item": [item]}
    assert any("more than 50 folders deep" in one for one in notes(postman_item(), item))


def literals(text):
    parts = parse(text)
    assert all(isinstance(one, Literal) for one in parts)
    return "".join(one.text for one in parts)


@given(NASTY, NASTY)
def test_no_text_of_a_collection_becomes_a_template(name, text):
    text = text.replace("{{", "{").replace("}}", "}")
    item = postman_item(
        name,
        {"raw": "", "host": ["shop"], "path": [text]},
        "POST",
        header=[{"key": "X-A", "value": f"$(uuid()){text}"}],
        body={"mode": "raw", "raw": json.dumps({"a": text, "b": [f"$(now()){text}"]})},
    )
    try:
        draft = postman(item)
    except SourceError:
        reject()
    read_back(draft)
    (step,) = draft.scenarios[0].steps
    literals(step.path)
    if step.json is not None and "secrets" not in str(step.json):
        assert literals(step.json["b"][0]).startswith("$(now())")
    for header in step.headers:
        literals(header["value"]) if "secrets" not in header["value"] else None


WORDS = st.sampled_from(
    [
        "item",
        "request",
        "url",
        "raw",
        "host",
        "path",
        "query",
        "variable",
        "key",
        "value",
        "disabled",
        "body",
        "mode",
        "formdata",
        "urlencoded",
        "graphql",
        "header",
        "auth",
        "type",
        "bearer",
        "basic",
        "event",
        "script",
        "exec",
        "listen",
        "test",
        "prerequest",
        "name",
        "{{x}}",
        "{{$guid}}",
        "http://a/b",
        "GET",
        "POST",
    ]
)
JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), WORDS, NASTY),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.one_of(WORDS, NASTY), inner, max_size=5)
    ),
    max_leaves=25,
)


@given(JSON, JSON, JSON)
def test_any_json_is_a_draft_or_a_sentence(request, event, variable):
    item = {"name": "x", "request": request, "event": event}
    try:
        draft = postman(item, postman_item(), variable=variable)
    except SourceError:
        reject()
    read_back(draft)


def test_variables_that_multiply_and_values_that_are_too_long_are_bounded():
    names = "abcdef"
    pairs = pairwise(names)
    multiplied = [{"key": one, "value": f"{{{{{other}}}}}" * 500} for one, other in pairs]
    item = postman_item(
        url="http://shop/{{a}}",
        header=[{"key": "X-Long", "value": "{{$guid}}" * 1000}, {"key": "X-A", "value": "{{a}}"}],
    )
    started = time.process_time()
    found = notes(postman_item(), item, variable=multiplied)
    assert time.process_time() - started < 20
    assert found[-1] == 'Not carried over: request "list": its path is too long (line 14)'
    assert 'Not carried over: header X-Long of "list" (line 14)' in found
