"""Drafts of vegeta's targets, in both formats."""

import base64
import json

import pytest
from hypothesis import given, reject
from hypothesis import strategies as st

from perfrun.api.template import Literal, parse
from perfrun.cli.init.draft import SourceError
from perfrun.cli.init.vegeta import vegeta_draft
from perfrun.cli.init.write import manifest
from tests.unit.cli.init.given import read_back
from tests.unit.cli.init.test_texts import NASTY

HTTP = """\
# those of the shop
GET http://shop:8080/items?page=1
X-Tenant: eu

GET http://shop:8080/items?page=1
X-Tenant: eu
DELETE http://shop:8080/items/7?token=abc
X-Tenant: eu
# a comment
Api-Key: tiger

"""


def draft(text, url="", writes=True):
    made = vegeta_draft(text, "t.txt", name="", url=url, writes=writes)
    read_back(made)
    return made


def target(method="POST", url="http://shop/a", body=b"", **header):
    listed = {key.replace("_", "-"): [value] for key, value in header.items()}
    encoded = base64.b64encode(body).decode()
    return json.dumps({"method": method, "url": url, "body": encoded, "header": listed})


def steps(text):
    return [
        step["http"] for one in manifest(draft(text))["spec"]["scenarios"] for step in one["steps"]
    ]


def notes(text):
    return [one for one in draft(text).notes if one.startswith("Not")]


def test_secrets_of_a_form_are_not_copied():
    body = b"user=ann&password=hunter2secret"
    (sent,) = steps(target(body=body, Content_Type="application/x-www-form-urlencoded"))
    assert sent["body"] == "user=ann&password=$(secrets.password)"


def test_a_body_keeps_its_line_breaks():
    (sent,) = steps(target(body=b"a\r\n\r\nb", Content_Type="multipart/form-data; boundary=c"))
    assert sent["body"] == "a\r\n\r\nb"


def test_targets_are_weighted_by_how_often_they_are_listed():
    spec = manifest(draft(HTTP))["spec"]
    assert spec["target"]["http"] == {
        "url": "http://shop:8080",
        "headers": [{"name": "X-Tenant", "value": "eu"}],
    }
    assert spec["scenarios"] == [
        {
            "name": "s1",
            "weight": 2,
            "steps": [{"name": "get-items", "class": "Read", "http": {"path": "/items?page=1"}}],
        },
        {
            "name": "s2",
            "weight": 1,
            "steps": [
                {
                    "name": "delete-items-7",
                    "class": "Write",
                    "http": {
                        "method": "DELETE",
                        "path": "/items/7?token=$(secrets.token)",
                        "headers": [{"name": "Api-Key", "value": "$(secrets.Api_Key)"}],
                    },
                }
            ],
        },
    ]
    assert spec["load"] == {"open": {"rate": "20/s", "duration": "1m"}}
    assert draft(HTTP).notes == ("From t.txt: 2 requests.",)


def test_the_format_of_json():
    text = "\n".join(
        [
            target(body=b'{"a": "$(now())", "password": "x"}', Content_Type="application/json"),
            target(body=b"raw $(x)", Content_Type="text/plain"),
            target("GET", "http://ada:tiger@shop/b"),
        ]
    )
    first, second, third = steps(text)
    assert first["json"] == {"a": "$$(now())", "password": "$(secrets.password)"}
    assert second["body"] == "raw $$(x)"
    assert third["headers"] == [
        {"name": "Authorization", "value": "Basic $(secrets.basic_credentials)"}
    ]
    assert "tiger" not in str(draft(text))


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("POST http://shop/a\n@/etc/passwd\n", "POST http://shop/a: its body is in the file /etc/passwd"),
        ("BREW http://shop/a", "BREW http://shop/a: a step has no such method"),
        ("GET ftp://shop/a", "GET ftp://shop/a: it has no HTTP URL"),
        ("GET http://[x/a", "the URL http://[x/a"),
        ("GET http://u:pw@other/a", "GET http://other/a: a test has one target, and it goes to http://other"),
        ("GET http://shop/" + "x" * 3000, "GET http://shop/" + "x" * 65 + "...: its path is too long"),
    ],
)  # fmt: skip
def test_what_cannot_be_a_step_is_named_with_its_line(text, what):
    rest = "GET http://shop/ok\nHost: other\n\nGET http://shop/ok2\n\n"
    told = "Not carried over: header Host (line 1)"
    assert sorted(notes(rest + text)) == sorted([f"Not carried over: {what} (line 6)", told])


def test_bodies_that_are_no_text_are_named():
    odd = json.dumps({"method": "PUT", "url": "http://shop/b", "body": "%%"})
    text = "\n".join([target(), target(body=b"\xff\xfe"), odd])
    assert notes(text) == [
        "Not carried over: POST http://shop/a: its body is not text in base64 (line 2)",
        "Not carried over: PUT http://shop/b: its body is not text in base64 (line 3)",
    ]


def test_more_targets_than_scenarios_are_named():
    text = "\n".join(f"GET http://shop/{number}" for number in range(53))
    assert notes(text) == [
        "Not carried over: more than 50 scenarios, the limit of a test (lines 51, 52, 53)"
    ]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("GET http://shop/a\nno header\n", "line 2: not a header: no header"),
        ("GET http://shop/a\n\nget it", "line 3: not a method and a URL: get it"),
        (
            '{"method": "GET", "url": "http://x"}\n{"url"',
            "line 2: not an object with method and url",
        ),
        ("GET ftp://x/y", "no target can be used. Not carried over.*line 1"),
    ],
)
def test_what_is_no_list_is_told(text, sentence):
    with pytest.raises(SourceError, match=sentence):
        draft(text)


@given(NASTY, NASTY, st.booleans())
def test_no_text_of_a_target_becomes_a_template(text, value, is_json):
    kind = "application/json" if is_json else "text/plain"
    body = json.dumps({"a": f"$(now()){value}"}).encode()
    try:
        made = draft(
            target("POST", f"http://shop/{text}", body, X_A=f"$(x){value}", Content_Type=kind)
        )
    except SourceError:
        reject()
    (step,) = made.scenarios[0].steps
    headers = [*step.headers, *made.http.get("headers", [])]
    texts = [step.path, step.body or "", *(one["value"] for one in headers)]
    for one in texts:
        assert "$(secrets." in one or all(isinstance(it, Literal) for it in parse(one))
    read_back(made)


def test_a_default_port_is_the_same_server():
    made = draft("GET https://shop:443/a\n\nGET https://Shop/b\n")
    assert made.url == "https://shop"
    assert [one.steps[0].path for one in made.scenarios] == ["/a", "/b"]


def test_headers_beyond_those_of_a_step_are_named():
    lines = "\n".join(f"X-{number}: a" for number in range(52))
    made = draft(f"GET http://shop/a\n{lines}\n")
    assert len(made.scenarios[0].steps[0].headers) == 50
    (first, second) = made.notes[1:]
    assert first == (
        "Not carried over: header X-50 of GET http://shop/a: a step has at most 50 (line 1)"
    )
    assert "X-51" in second
