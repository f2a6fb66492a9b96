"""HAR recordings: one journey, in order, and no secret in it."""

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perfrun.cli.init.draft import SourceError
from perfrun.cli.init.har.archive import har_drafts
from perfrun.cli.init.write import write_drafts
from tests.unit.cli.init.given import DATA, har, har_entry, read_back, read_document
from tests.unit.cli.init.openapi.test_document import JSON
from tests.unit.cli.init.test_texts import NASTY

SHOP = "https://shop.example"


def drafts(root, *, writes=True, everything=False, url="", name=""):
    return har_drafts(
        root, source="r.har", name=name, url=url, writes=writes, everything=everything
    )


def journey(*entries, **more):
    (test,) = read_back(*drafts(har(*entries), **more))
    return test.spec.scenarios[0].steps


def test_the_shop():
    (draft,) = drafts(read_document(str(DATA / "shop.har")))
    (test,) = read_back(draft)
    http = test.spec.target.http
    assert (http.url, http.protocol, http.cookies) == (SHOP, "HTTP/2", True)
    assert http.auth.bearer.token_from.secret_key_ref.name == "shop-example-credentials"
    assert [step.http.path for step in test.spec.scenarios[0].steps] == [
        "/",
        "/api/items/$(item_id)?lang=de&access_token=$(secrets.access_token)&_=$(nowMs())",
        "/api/login",
        "/api/orders/$(order_id)/$(order_id_2)",
    ]
    assert test.spec.scenarios[0].steps[2].http.json_ == {
        "user": "ann",
        "password": "$(secrets.password)",
        "n": 3,
        "cost": "$$(5)",
    }
    assert test.spec.variables["item_id"] == "4711"
    for note in (
        "Left out: 1 request for static assets (--all).",
        "Left out: 1 request to other origins (--all).",
        "Left out: 1 request without success.",
        "Left out: 1 request unreadable, or not HTTP.",
    ):
        assert note in draft.notes


@pytest.mark.parametrize("everything", [False, True])
def test_no_secret_is_copied(everything):
    text = write_drafts(
        drafts(read_document(str(DATA / "shop.har")), everything=everything), "f.yaml"
    )
    assert "VERYSECRET" not in text


def secret(**more):
    return har_entry(f"{SHOP}/a", **more)


@pytest.mark.parametrize(
    "entry",
    [
        secret(headers=[{"name": "Authorization", "value": "Basic c2VjcmV0OnNlY3JldDE="}]),
        secret(headers=[{"name": "Authorization", "value": "Custom c2VjcmV0OnNlY3JldDE="}]),
        secret(headers=[{"name": "Cookie", "value": "a=c2VjcmV0OnNlY3JldDE="}]),
        secret(headers=[{"name": "X-CSRF-Token", "value": "c2VjcmV0OnNlY3JldDE="}]),
        secret(headers=[{"name": "X-Whatever", "value": "c2VjcmV0OnNlY3JldDE="}]),
        secret(headers=[{"name": "Accept-Language", "value": "c2VjcmV0OnNlY3JldDE="}]),
        har_entry(f"{SHOP}/reset/c2VjcmV0OnNlY3JldDE="),
        har_entry("https://joe:c2VjcmV0OnNlY3JldDE=@shop.example/a"),
        har_entry(f"{SHOP}/a?q=c2VjcmV0OnNlY3JldDE%3D"),
        har_entry(f"{SHOP}/a#c2VjcmV0OnNlY3JldDE="),
        secret(
            method="POST",
            postData={"mimeType": "application/json", "text": '[{"x": "c2VjcmV0OnNlY3JldDE="}]'},
        ),
        secret(
            method="POST",
            postData={
                "mimeType": "application/x-www-form-urlencoded",
                "text": "user=joe&password=c2VjcmV0OnNlY3JldDE%3D",
            },
        ),
        secret(
            method="POST",
            postData={"mimeType": "text/plain", "text": '{"token": "c2VjcmV0OnNlY3JldDE="}'},
        ),
    ],
)
def test_secrets_in_all_places(entry):
    found = drafts(har(entry))
    read_back(*found)
    assert "c2VjcmV0" not in write_drafts(found, "f.yaml")


def test_the_hash_of_a_static_asset_is_no_secret():
    (step,) = journey(har_entry(f"{SHOP}/app-3f2a1b9c8d7e6f5a3f2a.js"), everything=True)
    assert step.http.path == "/app-3f2a1b9c8d7e6f5a3f2a.js"


def test_numbers_of_secret_names_are_not_copied_either():
    body = {"mimeType": "application/json", "text": '{"pin": 4711, "n": 4712}'}
    (step,) = journey(har_entry(f"{SHOP}/a", "POST", postData=body))
    assert step.http.json_ == {"pin": "$(secrets.pin)", "n": 4712}


def test_think_times_are_the_gaps_and_no_longer_than_half_a_minute():
    first, second, third, last = journey(
        har_entry(f"{SHOP}/a", at=0),
        har_entry(f"{SHOP}/b", at=0.05),
        har_entry(f"{SHOP}/c", at=2.06),
        har_entry(f"{SHOP}/d", at=59),
    )
    assert first.think_time is None
    assert (second.think_time, third.think_time) == (2_000_000_000, 30_000_000_000)
    assert last.think_time is None


def test_entries_are_taken_in_the_order_of_their_times():
    first, second = journey(har_entry(f"{SHOP}/b", at=5), har_entry(f"{SHOP}/a", at=1))
    assert (first.http.path, second.http.path) == ("/a", "/b")


def test_reads_only_unless_asked_for():
    (step,) = journey(har_entry(f"{SHOP}/a"), har_entry(f"{SHOP}/b", "POST"), writes=False)
    assert step.name == "get-a"


def test_redirects_are_steps_of_their_own():
    root = har(har_entry(f"{SHOP}/old", status=302), har_entry(f"{SHOP}/new"))
    (test,) = read_back(*drafts(root))
    assert test.spec.target.http.redirects == 0
    assert test.spec.scenarios[0].steps[0].expect.status == [302]


def test_the_origin_of_the_url_is_the_one_that_counts():
    root = har(har_entry(f"{SHOP}/a"), har_entry("https://api.example/b"))
    (draft,) = drafts(root, url="https://api.example")
    assert draft.scenarios[0].steps[0].path == "/b"
    (other,) = drafts(root, url="http://staging:8080", name="mine")
    assert (other.url, other.name, other.scenarios[0].steps[0].path) == (
        "http://staging:8080",
        "mine",
        "/a",
    )


def test_without_a_url_it_is_the_origin_of_the_first_page_that_was_shown():
    early = [
        har_entry("http://ocsp.example/", "POST", at=0),
        har_entry("http://shop.example/", status=301, answer="text/html", at=1),
    ]
    page = har_entry(f"{SHOP}/", answer="text/html; charset=utf-8", at=2)
    (draft,) = drafts(har(*early, page))
    assert draft.url == SHOP
    (draft,) = drafts(har(*early, har_entry(f"{SHOP}/a", at=3), har_entry(f"{SHOP}/b", at=4)))
    assert draft.url == SHOP


def test_all_origins_are_tests_of_their_own():
    root = har(har_entry(f"{SHOP}/a"), har_entry("https://api.example/b"))
    tests = read_back(*drafts(root, everything=True, name="mine"))
    assert [test.metadata.name for test in tests] == ["mine", "mine-api-example"]


def test_a_journey_has_fifty_steps_at_most():
    root = har(*(har_entry(f"{SHOP}/{n:x}", at=n / 10) for n in range(60)))
    (draft,) = drafts(root)
    assert len(draft.scenarios[0].steps) == 50
    assert "Left out: 10 requests beyond the 50 steps that a scenario can have." in draft.notes


@pytest.mark.parametrize(
    ("root", "sentence"),
    [
        (None, "not a HAR recording"),
        ([], "not a HAR recording"),
        ({"log": {"entries": {}}}, "not a HAR recording"),
        ({"log": {"entries": []}}, "has no readable request"),
        (har(har_entry("chrome://x")), "has no readable request"),
        (har(har_entry(f"{SHOP}/a.png")), "none of 1 requests can be used"),
    ],
)
def test_what_is_no_recording_is_told(root, sentence):
    with pytest.raises(SourceError, match=sentence):
        drafts(root)


@pytest.mark.parametrize(
    "body",
    [
        {"mimeType": "multipart/form-data", "text": "x"},
        {"mimeType": "application/json", "text": "{"},
        {"mimeType": "application/json", "text": "[" * 5000 + "]" * 5000},
        {"mimeType": "application/json", "text": json.dumps("x" * 20000)},
    ],
)
def test_bodies_that_cannot_be_taken_are_told(body):
    root = har(har_entry(f"{SHOP}/a"), har_entry(f"{SHOP}/b", "POST", postData=body))
    (draft,) = drafts(root)
    assert len(draft.scenarios[0].steps) == 1
    assert any(note.startswith("Left out: 1 request with a body") for note in draft.notes)


@given(NASTY, NASTY, NASTY, NASTY)
def test_any_url_header_and_body_read_back(path, query, header, value):
    root = har(
        har_entry(
            f"{SHOP}/{path}?{query}={value}",
            "POST",
            headers=[{"name": header, "value": value}, {"name": "Accept", "value": value}],
            postData={"mimeType": "application/json", "text": json.dumps({query: value})},
        ),
        har_entry(
            f"{SHOP}/x",
            "PUT",
            postData={"mimeType": "application/x-www-form-urlencoded", "text": f"{query}={value}"},
        ),
    )
    read_back(*drafts(root))


@given(JSON, JSON, st.lists(JSON, max_size=3))
def test_any_recording_ends_in_a_test_or_a_sentence(request, response, entries):
    good = har_entry(f"{SHOP}/a")
    root = {
        "log": {
            "entries": [
                good | {"request": request},
                good | {"response": response},
                good | {"startedDateTime": request, "time": response},
                {"request": good["request"] | {"headers": request, "postData": response}},
                *entries,
            ]
        }
    }
    try:
        found = drafts(root)
    except SourceError:
        return
    read_back(*found)


def posted(data, *, headers=(), **more):
    """The one step of a recording of a POST, and the notes of its test."""
    entry = har_entry(
        "https://shop.example/send", "POST", headers=list(headers), postData=data, **more
    )
    (draft,) = drafts(har(har_entry("https://shop.example/"), entry), writes=True)
    (test,) = read_back(draft)
    steps = {step.name: step.http for step in test.spec.scenarios[0].steps}
    return steps.get("post-send"), " ".join(draft.notes)


FORM = "application/x-www-form-urlencoded"


def kind_of(http):
    return [one.value for one in http.headers or [] if one.name == "Content-Type"]


def test_a_form_that_is_there_as_params_alone():
    params = [
        {"name": "city", "value": "Köln & Bonn"},
        {"name": "q[]", "value": "1=1", "comment": "why"},
        {"name": "password", "value": "hunter2"},
        {"name": "empty"},
    ]
    http, _ = posted({"mimeType": FORM, "params": params})
    assert http.body == (
        "city=K%C3%B6ln+%26+Bonn&q%5B%5D=1%3D1&password=$(secrets.password)&empty="
    )
    assert kind_of(http) == [FORM]
    # Where there is a text too, that is what went out.
    http, _ = posted({"mimeType": FORM, "params": params, "text": "city=Ulm"})
    assert http.body == "city=Ulm"


def test_a_multipart_form():
    params = [
        {"name": "title", "value": "A $(b)"},
        {"name": "photo", "value": "GIF", "fileName": "a.gif", "contentType": "image/gif"},
    ]
    sent = {"name": "Content-Type", "value": "multipart/form-data; boundary=----x"}
    http, _ = posted({"mimeType": sent["value"], "params": params}, headers=[sent])
    (kind,) = kind_of(http)
    boundary = kind.partition("boundary=")[2]
    assert boundary in http.body
    assert 'name="title"\r\n\r\nA $$(b)\r\n' in http.body
    assert 'name="photo"; filename="a.gif"\r\nContent-Type: image/gif\r\n\r\nGIF' in http.body
    del params[1]["value"]
    http, notes = posted({"mimeType": "multipart/form-data", "params": params})
    assert http is None
    assert "1 request with a file that the recording does not contain" in notes


@pytest.mark.parametrize(
    ("data", "more", "why"),
    [
        ({}, {"bodySize": 24}, "with a body that the recording does not contain as text"),
        ({"mimeType": "application/json", "text": ""}, {"bodySize": 2}, "does not contain"),
        ({"mimeType": FORM, "text": "//79", "encoding": "base64"}, {}, "does not contain as text"),
        ({"mimeType": "application/json", "text": '{"a": 1e999}'}, {}, "that is not JSON"),
        ({"mimeType": "application/json", "text": '{"a": NaN}'}, {}, "that is not JSON"),
        ({"mimeType": "text/xml", "params": [{"name": "a"}]}, {}, "with a form of type text/xml"),
        ({"mimeType": FORM, "params": [{"name": "a", "value": "b" * 17_000}]}, {}, "too long"),
    ],
)
def test_bodies_that_are_not_there_are_told(data, more, why):
    http, notes = posted(data, **more)
    assert http is None
    assert why in notes


def test_a_body_in_base64():
    text = base64.b64encode(b"a=1&b=2").decode()
    http, _ = posted({"mimeType": FORM, "text": text, "encoding": "base64"})
    assert http.body == "a=1&b=2"


@pytest.mark.parametrize(
    ("text", "json", "body"),
    [
        ('{"id": 1, "at": 1.50, "zip": "01097"}', {"id": 1, "at": 1.5, "zip": "01097"}, None),
        # More digits than an API server keeps of a number, and what json cannot say.
        ('{"id": 12345678901234567890}', None, '{"id": 12345678901234567890}'),
        ("null", None, "null"),
        ('"09"', "09", None),
    ],
)
def test_json_is_sent_as_it_was(text, json, body):
    http, _ = posted({"mimeType": "application/json", "text": text})
    assert (http.json_, http.body) == (json, body)
    assert kind_of(http) == ([] if body is None else ["application/json"])


def test_the_type_of_a_body_may_stand_beside_the_headers_alone():
    http, _ = posted({"mimeType": "application/vnd.shop+json", "text": "{}"})
    assert kind_of(http) == ["application/vnd.shop+json"]
    sent = {"name": "content-type", "value": "application/json"}
    http, _ = posted({"text": "{}"}, headers=[sent])
    assert (kind_of(http), http.json_) == (["application/json"], {})


def test_requests_that_were_not_answered():
    bare = har_entry("https://shop.example/new")
    del bare["response"]
    aborted = har_entry("https://shop.example/late", status=0)
    part = har_entry("https://shop.example/film", status=206)
    (draft,) = drafts(har(bare, aborted, part))
    (test,) = read_back(draft)
    first, second = test.spec.scenarios[0].steps
    assert (first.http.path, first.expect) == ("/new", None)
    assert (second.http.path, second.expect.status) == ("/film", [200, 206])
    assert draft.scenarios[0].steps[0].notes == ("The recording has no response to this request.",)
    assert "Left out: 1 request without a response: cancelled, or blocked." in draft.notes
    with pytest.raises(SourceError, match="left out: 1 request without a response"):
        drafts(har(aborted))


def test_a_query_beside_the_url_and_default_ports():
    query = [{"name": "q", "value": "a b&c"}, {"name": "page", "value": "2"}]
    beside = har_entry("https://SHOP.example:443/find", queryString=query)
    both = har_entry("https://shop.example/find?q=1", queryString=query)
    (draft,) = drafts(har(beside, both))
    (test,) = read_back(draft)
    paths = [step.http.path for step in test.spec.scenarios[0].steps]
    assert paths == ["/find?q=a%20b%26c&page=2", "/find?q=1"]
    assert draft.url == "https://shop.example"


def test_cookies_may_be_listed_beside_the_headers():
    entry = har_entry("https://shop.example/", cookies=[{"name": "cart", "value": "7"}])
    (draft,) = drafts(har(entry))
    assert draft.http["cookies"] is True
    assert any("Cookies are not copied" in note for note in draft.target_notes)


def test_preflights_and_pseudo_headers_are_no_requests_of_a_user():
    asked = [{"name": "Access-Control-Request-Method", "value": "PUT"}]
    preflight = har_entry("https://shop.example/a", "OPTIONS", headers=asked)
    pseudo = [{"name": ":path", "value": "/a"}, {"name": ":authority", "value": "shop.example"}]
    got = har_entry("https://shop.example/a", headers=pseudo, httpVersion="h3")
    (draft,) = drafts(har(preflight, got))
    (test,) = read_back(draft)
    (step,) = test.spec.scenarios[0].steps
    assert (step.http.method, step.http.headers) == ("GET", [])
    assert draft.http["protocol"] == "HTTP/2"
