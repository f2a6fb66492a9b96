"""Drafts of JMeter test plans: each construct, and what is not carried over."""

import time
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, reject
from hypothesis import strategies as st

from perfrun.api.template import Literal, parse
from perfrun.cli.init.draft import SourceError
from perfrun.cli.init.jmeter.drafting import jmeter_draft
from perfrun.cli.init.write import manifest
from tests.unit.cli.init.given import (
    jmx,
    jmx_argument,
    jmx_element,
    jmx_group,
    jmx_plan,
    jmx_sampler,
    read_back,
)

HEADERS = jmx_element(
    "HeaderManager",
    HeaderManager__headers=[
        {"Header__name": "Accept", "Header__value": "application/json"},
        {"Header__name": "X-Tenant", "Header__value": "${tenant}"},
    ],
)


def spec(*below, **more):
    draft = jmx(*below, **more)
    read_back(draft)
    return manifest(draft)["spec"]


def steps(*samplers, **more):
    (scenario,) = spec(jmx_group(*samplers), **more)["scenarios"]
    return scenario["steps"]


def http(*, below="", beside="", variables=None, **props):
    (step,) = steps(beside, jmx_sampler(below=below, **props), variables=variables)
    return step["http"]


def notes(*below, **more):
    draft = jmx(*below, **more)
    read_back(draft)
    return [one for one in draft.notes if one.startswith("Not carried over")]


def test_a_plan_becomes_scenarios_with_their_data():
    login = jmx_sampler(
        "Log in",
        "/login",
        jmx_element(
            "JSONPostProcessor",
            JSONPostProcessor__referenceNames="token",
            JSONPostProcessor__jsonPathExprs="$.token",
            JSONPostProcessor__match_numbers="1",
        ),
        method="POST",
        postBodyRaw="true",
        arguments=[jmx_argument("", '{"user": "${user}", "password": "${pw}"}')],
    )
    bearer = jmx_element(
        "HeaderManager",
        HeaderManager__headers=[
            {"Header__name": "Authorization", "Header__value": "Bearer ${token}"}
        ],
    )
    data = jmx_element(
        "CSVDataSet", filename="data/users.csv", variableNames="user,pw", delimiter=";"
    )
    cookies = jmx_element("CookieManager")
    json = jmx_element(
        "HeaderManager",
        HeaderManager__headers=[
            {"Header__name": "Content-Type", "Header__value": "application/json"}
        ],
    )
    orders = jmx_sampler("Orders", "/orders", bearer)
    group = jmx_group(
        data, cookies, json, login, orders, num_threads=20, ramp_time="${__P(ramp,20)}",
        scheduler="true", duration=600, loops="-1",
    )  # fmt: skip
    draft = jmx(group)
    read_back(draft)
    content = {"name": "Content-Type", "value": "application/json"}
    assert manifest(draft)["spec"] == {
        "target": {
            "http": {
                "url": "http://shop",
                "connections": "PerUser",
                "cookies": True,
                "headers": [content],
            }
        },
        "feeds": [
            {
                "name": "users",
                "csvFrom": {"secretKeyRef": {"name": "shop-data", "key": "users.csv"}},
            }
        ],
        "scenarios": [
            {
                "name": "buyers",
                "weight": 1,
                "steps": [
                    {
                        "name": "log-in",
                        "class": "Write",
                        "http": {
                            "method": "POST",
                            "path": "/login",
                            "json": {"user": "$(users.user)", "password": "$(users.pw)"},
                        },
                        "extract": {"token": {"json": "$.token"}},
                    },
                    {
                        "name": "orders",
                        "class": "Read",
                        "http": {
                            "path": "/orders",
                            "headers": [{"name": "Authorization", "value": "Bearer $(token)"}],
                        },
                    },
                ],
            }
        ],
        "load": {"closed": {"stages": [{"users": 20, "ramp": "20s", "hold": "580s"}]}},
        "slos": [
            {"metric": "errorRate", "max": "1%", "onBreach": "Fail"},
            {"metric": "latency.p95", "of": "class/Read", "max": "500ms"},
            {"metric": "latency.p95", "of": "class/Write", "max": "1s"},
        ],
    }
    assert draft.notes == ("From shop.jmx: 2 steps.",)
    assert draft.data_notes == (
        "Feed users: put users.csv, which begins with the line user,pw, into a Secret: kubectl "
        "create secret generic shop-data --from-file=users.csv; for perfrun run: --secrets DIR, "
        "with the file DIR/shop-data/users.csv. Its values are separated by commas here, not ;.",
    )


@pytest.mark.parametrize(
    ("group", "load"),
    [
        ({"loops": "5"}, {"burst": {"requests": 10, "concurrency": 2}}),
        ({"loops": "1", "num_threads": 600, "ramp_time": 60}, {"open": {"rate": "10/s", "duration": "60s"}}),
        (
            {"loops": "-1", "scheduler": "true", "duration": "60", "ramp_time": "10"},
            {"closed": {"stages": [{"users": 2, "ramp": "10s", "hold": "50s"}]}},
        ),
        ({"loops": "-1"}, {"closed": {"stages": [{"users": 2, "ramp": "0s", "hold": "120s"}]}}),
        ({"loops": "${n}"}, {"closed": {"users": 5, "duration": "2m", "thinkTime": "1s"}}),
        ({"loops": "2", "num_threads": "99999999999"}, {"burst": {"requests": 200000, "concurrency": 100000}}),
    ],
)  # fmt: skip
def test_thread_groups_are_the_load(group, load):
    assert spec(jmx_group(jmx_sampler(), **group))["load"] == load


def test_a_load_without_an_end_or_that_is_not_fixed_is_to_be_changed():
    assert jmx(jmx_group(jmx_sampler(), loops="-1")).load.notes[0].startswith("CHANGE THIS")
    assert notes(jmx_group(jmx_sampler(), loops="${n}")) == [
        'Not carried over: ThreadGroup "Buyers": its load is not fixed (line 7)'
    ]


def test_what_a_load_cannot_have_is_named():
    group = jmx_group(
        jmx_sampler(), loops="3", scheduler="true", duration="60", delay="5", ramp_time="1"
    )
    assert notes(group) == [
        'Not carried over: ThreadGroup "Buyers": its delay of 5 s (line 7)',
        'Not carried over: ThreadGroup "Buyers": that it ends after 3 loops (line 7)',
    ]
    assert notes(jmx_group(jmx_sampler(), ramp_time="1")) == [
        'Not carried over: ThreadGroup "Buyers": its ramp-up: all users begin at once (line 7)'
    ]


def test_several_thread_groups_share_a_load_by_their_users():
    first = jmx_group(jmx_sampler(), name="a", num_threads=30, loops="10")
    second = jmx_group(jmx_sampler(), name="b", num_threads=10, loops="10")
    found = spec(first, second)
    assert [(one["name"], one["weight"]) for one in found["scenarios"]] == [("a", 3), ("b", 1)]
    assert found["load"] == {"burst": {"requests": 400, "concurrency": 40}}
    assert "all scenarios share one load (lines 7, 20)" in notes(first, second)[0]


def test_a_concurrency_thread_group_is_a_load():
    kind = "com.blazemeter.jmeter.threads.concurrency.ConcurrencyThreadGroup"
    group = jmx_element(kind, "c", jmx_sampler(), TargetLevel="50", RampUp="1", Hold="4", Unit="M")
    assert spec(group)["load"] == {
        "closed": {"stages": [{"users": 50, "ramp": "60s", "hold": "240s"}]}
    }


def test_set_up_and_tear_down():
    extract = jmx_element(
        "RegexExtractor", RegexExtractor__refname="id", RegexExtractor__regex='id="(.+?)"',
        RegexExtractor__template="$1$", RegexExtractor__match_number="1",
    )  # fmt: skip
    once: dict[str, Any] = {"num_threads": 1, "loops": "1"}
    found = spec(
        jmx_group(jmx_sampler("make", below=extract, method="POST"), kind="SetupThreadGroup", **once),
        jmx_group(jmx_sampler("read", "/items/${id}")),
        jmx_group(jmx_sampler("drop", "/items/${id}", method="DELETE"), kind="PostThreadGroup", **once),
    )  # fmt: skip
    assert found["setup"] == [
        {
            "name": "make",
            "http": {"method": "POST", "path": "/items"},
            "extract": {"id": {"regex": 'id="(.+?)"'}},
        }
    ]
    assert found["scenarios"][0]["steps"][0]["http"] == {"path": "/items/$(id)"}
    assert found["teardown"] == [
        {"name": "drop", "http": {"method": "DELETE", "path": "/items/$(id)"}}
    ]


@pytest.mark.parametrize(
    ("props", "sent"),
    [
        ({"method": "GET", "arguments": [jmx_argument("q", "a b&c"), jmx_argument("r", "%20", encode=False)]},
         {"path": "/items?q=a%20b%26c&r=%20"}),
        ({"path": "/items?x=1", "arguments": [jmx_argument("q", "1")]}, {"path": "/items?x=1&q=1"}),
        ({"path": "items"}, {"path": "/items"}),
        ({"path": ""}, {"path": "/"}),
        ({"method": "POST", "arguments": [jmx_argument("a b", "c&d"), jmx_argument("e", "${__UUID()}")]},
         {"method": "POST", "path": "/items", "body": "a+b=c%26d&e=$(uuid())",
          "headers": [{"name": "Content-Type", "value": "application/x-www-form-urlencoded"}]}),
        ({"method": "POST", "arguments": [jmx_argument("", "raw ${__UUID}")]},
         {"method": "POST", "path": "/items", "body": "raw $(uuid())"}),
        ({"method": "POST", "DO_MULTIPART_POST": "true", "arguments": [jmx_argument("a", "b")]},
         {"method": "POST", "path": "/items",
          "body": '--perfrun-form-boundary\r\nContent-Disposition: form-data; name="a"\r\n\r\nb\r\n'
                  "--perfrun-form-boundary--\r\n",
          "headers": [{"name": "Content-Type",
                       "value": "multipart/form-data; boundary=perfrun-form-boundary"}]}),
        ({"path": "/a?token=abc&x=${v}"}, {"path": "/a?token=$(secrets.token)&x=$(v)"}),
    ],
)  # fmt: skip
def test_requests(props, sent):
    assert http(variables={"v": "1"}, **props) == sent


def test_defaults_headers_and_variables_are_inherited():
    defaults = jmx_element(
        "ConfigTestElement",
        HTTPSampler__domain="${host}",
        HTTPSampler__port="${__P(port,8443)}",
        HTTPSampler__protocol="https",
    )
    own = jmx_element(
        "HeaderManager", HeaderManager__headers=[{"Header__name": "accept", "Header__value": "*/*"}]
    )
    found = spec(
        defaults,
        HEADERS,
        jmx_group(jmx_sampler("a", domain="", below=own), jmx_sampler("b", "/b", domain="")),
        variables={"host": "shop.example", "tenant": "eu"},
    )
    target = found["target"]["http"]
    assert target["url"] == "https://shop.example:8443"
    assert target["headers"] == [{"name": "X-Tenant", "value": "$(tenant)"}]
    assert found["variables"] == {"tenant": "eu"}
    assert [step["http"]["headers"] for step in found["scenarios"][0]["steps"]] == [
        [{"name": "accept", "value": "*/*"}],
        [{"name": "Accept", "value": "application/json"}],
    ]


@pytest.mark.parametrize(
    ("text", "template"),
    [
        ("${__UUID}", "$(uuid())"),
        ("${__UUID()}", "$(uuid())"),
        ("${__Random(1,100)}", "$(int(1, 100))"),
        ("${__Random(1,100,)}", "$(int(1, 100))"),
        ("${__time()}", "$(nowMs())"),
        ("${__time(,)}", "$(nowMs())"),
        ("${__time(yyyy-MM-dd'T'HH:mm:ss.SSS'Z',)}", "$(now())"),
        ("${__counter(TRUE,)}", "$(seq())"),
        ("${__RandomString(8,)}", "$(text(8))"),
        ("${__P(region,eu)}", "$(region)"),
        ("${__property(region,,eu)}", "$(region)"),
        ("${__urlencode(a b)}", "a+b"),
        ("${__base64Encode(${known}:x)}", "djp4"),
        ("a${known}b${other}", "a$(known)b$(other)"),
        ("${nested}", "x$(known)"),
        (r"\${known}", "${known}"),
        ("${known", "${known"),
        ("$${known}", "$(choice('$'))$(known)"),
        ("$(uuid())", "$$(uuid())"),
    ],
)
def test_variables_and_functions(text, template):
    body = http(
        method="POST",
        arguments=[jmx_argument("", text)],
        variables={"known": "v", "nested": "x${known}"},
    )["body"]
    assert body == template
    parse(template)


@pytest.mark.parametrize(
    "call",
    ["${__threadNum}", "${__groovy(1+1)}", "${__Random(9,1)}", "${__time(yyyy)}", "${__P()}"],
)
def test_other_functions_are_variables_and_named(call):
    group = jmx_group(jmx_sampler(path=f"/a/{call}"))
    assert notes(group) == [
        f"Not carried over: the function {call}: it is a variable here (line 13)"
    ]


def judged(kind, **props):
    (step,) = steps(jmx_sampler(below=jmx_element(kind, "it", **props)))
    return {key: one for key, one in step.items() if key in ("expect", "extract")}


@pytest.mark.parametrize(
    ("texts", "kind", "status"),
    [
        (["200"], 8, [200]),
        (["200"], 16, [200]),
        (["200", "201"], 8 | 32, [200, 201]),
        (["20[01]"], 1, [200, 201]),
        (["^4"], 2 | 4, None),
        (["3.."], 1, [300, 301, 302, 303, 304, 305, 307, 308]),
    ],
)
def test_assertions_on_the_status(texts, kind, status):
    props = {
        "Assertion__test_field": "Assertion.response_code",
        "Assertion__test_type": kind,
        "Asserion__test_strings": texts,
    }
    assert judged("ResponseAssertion", **props) == (
        {"expect": {"status": status}} if status else {}
    )


def test_assertions_on_json_and_on_the_time():
    props = {"JSON_PATH": "$.state", "EXPECTED_VALUE": "new", "JSONVALIDATION": "true"}
    assert judged("JSONPathAssertion", **props) == {"expect": {"json": {"$.state": "new"}}}
    assert judged("JSONPathAssertion", **{**props, "EXPECTED_VALUE": "3"}) == {
        "expect": {"json": {"$.state": 3}}
    }
    limit = jmx_element("DurationAssertion", DurationAssertion__duration="250")
    assert spec(jmx_group(limit, jmx_sampler()))["slos"][-1] == {
        "metric": "latency.max",
        "of": "list",
        "max": "250ms",
    }


def test_a_limit_of_the_whole_plan_is_about_steps_of_the_load():
    limit = jmx_element("DurationAssertion", DurationAssertion__duration="250")
    setup = jmx_group(jmx_sampler("login"), kind="SetupThreadGroup", num_threads=1, loops="1")
    limited = [
        slo["of"] for slo in spec(limit, setup, jmx_group(jmx_sampler()))["slos"] if "of" in slo
    ]
    assert limited == ["list"]


def test_a_default_port_is_the_same_server():
    full, parts = jmx_sampler("a", path="https://shop:443/l"), jmx_sampler("b", protocol="https")
    found = spec(jmx_group(full, parts))
    assert found["target"]["http"]["url"] == "https://shop"
    assert [one["http"]["path"] for one in found["scenarios"][0]["steps"]] == ["/l", "/items"]


@pytest.mark.parametrize(
    ("kind", "props", "extract"),
    [
        ("JSONPostProcessor", {"JSONPostProcessor__referenceNames": "a; b",
                               "JSONPostProcessor__jsonPathExprs": "$.a;$..b"},
         {"a": {"json": "$.a"}, "b": {"json": "$..b"}}),
        ("RegexExtractor", {"RegexExtractor__refname": "a", "RegexExtractor__regex": "a(b)",
                            "RegexExtractor__template": "$1$"}, {"a": {"regex": "a(b)"}}),
        ("RegexExtractor", {"RegexExtractor__refname": "a", "RegexExtractor__regex": "ab",
                            "RegexExtractor__template": "$0$"}, {"a": {"regex": "ab"}}),
        ("BoundaryExtractor", {"BoundaryExtractor__refname": "a", "BoundaryExtractor__lboundary": 'v="',
                               "BoundaryExtractor__rboundary": '"'}, {"a": {"regex": 'v="(?s:(.*?))"'}}),
    ],
)  # fmt: skip
def test_extractors(kind, props, extract):
    assert judged(kind, **props) == {"extract": extract}


@pytest.mark.parametrize(
    ("kind", "props", "why"),
    [
        ("ResponseAssertion", {"Assertion__test_field": "Assertion.response_data"},
         "a step does not check response_data as text"),
        ("ResponseAssertion", {"Assertion__test_field": "Assertion.response_code",
                               "Asserion__test_strings": ["("], "Assertion__test_type": 1},
         "no statuses, or too many, would pass"),
        ("JSONPathAssertion", {"JSON_PATH": "$.a"}, "a step checks values only"),
        ("JSONPathAssertion", {"JSON_PATH": "$.["}, "$.[ is not a JSONPath (RFC 9535)"),
        ("RegexExtractor", {"RegexExtractor__refname": "a", "RegexExtractor__regex": "a",
                            "RegexExtractor__template": "$2$"}, "a step takes the first group, and not $2$"),
        ("RegexExtractor", {"RegexExtractor__refname": "a", "RegexExtractor__regex": "a",
                            "RegexExtractor__useHeaders": "true"}, "a regular expression reads the body only"),
        ("RegexExtractor", {"RegexExtractor__refname": "a", "RegexExtractor__regex": "("},
         "not a Python regular expression: missing ), unterminated subpattern at position 0"),
        ("RegexExtractor", {"RegexExtractor__refname": "a", "RegexExtractor__regex": "[a]" * 20},
         "its regular expression is too long, or not fixed"),
        ("JSONPostProcessor", {"JSONPostProcessor__referenceNames": "a"},
         "nothing is not a JSONPath (RFC 9535)"),
    ],
)  # fmt: skip
def test_what_a_step_cannot_check_or_take_is_named(kind, props, why):
    group = jmx_group(jmx_sampler(below=jmx_element(kind, "it", **props)))
    assert notes(group) == [f'Not carried over: {kind} "it": {why} (line 18)']


def test_other_matches_than_the_first_are_named():
    props = {"RegexExtractor__refname": "a", "RegexExtractor__regex": "a(b)", "RegexExtractor__match_number": "-1"}  # fmt: skip
    group = jmx_group(jmx_sampler(below=jmx_element("RegexExtractor", "it", **props)))
    assert notes(group) == [
        'Not carried over: RegexExtractor "it": match number -1: a step takes the first (line 18)'
    ]


def test_pauses_are_behind_the_step_before():
    timer = jmx_element("ConstantTimer", ConstantTimer__delay="1000")
    uniform = jmx_element(
        "UniformRandomTimer", "u", ConstantTimer__delay="100", RandomTimer__range="400"
    )
    pause = jmx_element("TestAction", ActionProcessor__action="1", ActionProcessor__duration="5000")
    found = steps(
        jmx_sampler("a", below=timer), jmx_sampler("b", below=uniform), pause, jmx_sampler("c")
    )
    assert [one.get("thinkTime") for one in found] == ["300ms", "5000ms", "1000ms"]
    assert notes(jmx_group(jmx_sampler(below=uniform))) == [
        'Not carried over: UniformRandomTimer "u": its pauses are random, those of a step are '
        "always the average (line 18)"
    ]


def test_controllers_that_only_order_are_passed_through():
    inner = jmx_element("GenericController", "g", jmx_sampler("a"))
    loop = jmx_element("LoopController", "l", jmx_sampler("b"), LoopController__loops="2")
    assert [one["name"] for one in steps(inner, loop)] == ["a", "b", "b-2"]


@pytest.mark.parametrize(
    ("element", "what"),
    [
        (
            jmx_element("IfController", "if", jmx_sampler()),
            'IfController "if", with 1 HTTP samplers',
        ),
        (jmx_element("JSR223PreProcessor", "js"), 'JSR223PreProcessor "js"'),
        (jmx_element("ThreadGroup", "inner"), 'ThreadGroup "inner"'),
        (jmx_element("JDBCSampler", "db"), 'JDBCSampler "db"'),
        (jmx_element("ResultCollector", "tree"), "listeners of the kind ResultCollector"),
        (jmx_element("CacheManager", "c"), 'CacheManager "c"'),
        (jmx_element("com.example.Odd", 'a "b"\nc'), 'com.example.Odd "a "b" c"'),
        (
            jmx_element("TransactionController", "t"),
            'TransactionController "t": the time of its requests together',
        ),
        (
            jmx_element("LoopController", "l", LoopController__loops="99"),
            'LoopController "l": its 99 repetitions: there is one',
        ),
    ],
)
def test_what_a_test_does_not_have_is_named(element, what):
    assert notes(jmx_group(element, jmx_sampler())) == [f"Not carried over: {what} (line 13)"]


@pytest.mark.parametrize(
    ("sampler", "what"),
    [
        ({"method": "TRACE"}, 'sampler "odd": the method TRACE'),
        ({"files": [{"File__path": "/etc/passwd"}]}, 'sampler "odd": it sends a file'),
        ({"domain": "a b"}, 'sampler "odd": it has no HTTP URL'),
        ({"path": "/" + "x" * 3000}, 'sampler "odd": its path is too long'),
        ({"domain": "other"}, 'sampler "odd": a test has one target, and it goes to http://other'),
        ({"image_parser": "true"}, "that embedded resources are fetched"),
    ],
)
def test_samplers_that_cannot_be_steps_are_named(sampler, what):
    group = jmx_group(jmx_sampler("a"), jmx_sampler("b"), jmx_sampler("odd", **sampler))
    assert notes(group) == [f"Not carried over: {what} (line 25)"]


def test_disabled_elements_take_no_part():
    off = jmx_sampler("off").replace("<HTTPSamplerProxy ", '<HTTPSamplerProxy enabled="false" ')
    assert [one["name"] for one in steps(off, jmx_sampler("on"))] == ["on"]


def test_data_sets_are_of_their_thread_group():
    def data(file):
        return jmx_element("CSVDataSet", filename=file, variableNames="id", recycle="false")

    found = spec(
        jmx_group(data("a.csv"), jmx_sampler("a", "/${id}"), name="a"),
        jmx_group(data("b.csv"), jmx_sampler("b", "/${id}"), name="b"),
        jmx_group(data("b.csv"), jmx_sampler("c", "/${id}"), name="c"),
    )
    paths = [step["http"]["path"] for one in found["scenarios"] for step in one["steps"]]
    assert paths == ["/$(a.id)", "/$(b.id)", "/$(b.id)"]
    assert [(one["name"], one["order"]) for one in found["feeds"]] == [
        ("a", "Unique"),
        ("b", "Unique"),
    ]


def test_a_data_set_whose_file_names_its_variables():
    data = jmx_element("CSVDataSet", filename=r"C:\data\my file.csv", variableNames="")
    found = spec(jmx_group(data, jmx_sampler(path="/${sku}")))
    assert found["scenarios"][0]["steps"][0]["http"]["path"] == "/$(my_file.sku)"
    assert found["feeds"][0]["csvFrom"]["secretKeyRef"]["key"] == "my-file.csv"


def test_credentials_redirects_and_timeouts():
    entry = {"Authorization__url": "http://shop", "Authorization__username": "ada", "Authorization__password": "tiger"}  # fmt: skip
    auth = jmx_element("AuthManager", AuthManager__auth_list=[entry])
    draft = jmx(auth, jmx_group(jmx_sampler(follow_redirects="false", response_timeout="2000")))
    read_back(draft)
    assert "tiger" not in str(draft)
    assert draft.http["redirects"] == 0
    assert draft.http["timeout"] == "2000ms"
    ref = {"name": "shop-credentials"}
    assert draft.http["auth"] == {
        "basic": {
            "usernameFrom": {"secretKeyRef": {**ref, "key": "username"}},
            "passwordFrom": {"secretKeyRef": {**ref, "key": "password"}},
        }
    }


@pytest.mark.parametrize("url", ["https://payments.example/a", "https://shop", "http://[x", "shop"])
def test_credentials_of_another_server_are_not_those_of_the_target(url):
    entry = {"Authorization__url": url, "Authorization__username": "ada", "Authorization__password": "tiger"}  # fmt: skip
    auth = jmx_element("AuthManager", AuthManager__auth_list=[entry])
    draft = jmx(auth, jmx_group(jmx_sampler()))
    assert "auth" not in draft.http
    assert any(f"it is for {url}, not for the target" in note for note in draft.notes)


def test_a_path_that_is_no_url_is_named():
    group = jmx_group(jmx_sampler(), jmx_sampler("x", path="http://[x/"))
    assert any("it has no HTTP URL" in note for note in notes(group))


@pytest.mark.parametrize(
    ("body", "sent"),
    [
        ("user=a&password=hunter2secret", "user=a&password=$(secrets.password)"),
        ("<a><password>hunter2</password></a>", "<a><password>$(secrets.password)</password></a>"),
        ("password=hunter2\nx=1", "password=$(secrets.password)\nx=1"),
        ("if a==b then <c>1</c>", "if a==b then <c>1</c>"),
    ],
)
def test_secrets_of_a_body_of_any_kind_are_not_copied(body, sent):
    assert http(method="POST", arguments=[jmx_argument("", body)])["body"] == sent


def test_a_server_without_a_value_is_to_be_changed():
    draft = jmx(jmx_group(jmx_sampler(domain="${__P(Server)}", port="${port}")))
    assert draft.target_notes == (
        "CHANGE THIS: the source has no value for http://${__P(Server)}:${port}.",
    )
    assert jmx(jmx_group(jmx_sampler(domain="")), url="http://x:1").url == "http://x:1"
    whole = jmx(jmx_group(jmx_sampler(path="https://a.example:8443/b?c=d")))
    assert (whole.url, whole.scenarios[0].steps[0].path) == ("https://a.example:8443", "/b?c=d")


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"<html/>", "not a JMeter test plan: its root is <html>"),
        (b"<jmeterTestPlan/>", "no HTTP sampler can be used"),
        (jmx_plan(jmx_sampler()), "no HTTP sampler can be used.*it is in no thread group .line 7"),
        (
            jmx_plan(jmx_group(jmx_element("JDBCSampler"))),
            "JDBCSampler.*line 13.*it has no requests",
        ),
    ],
)
def test_plans_without_requests_are_told(data, sentence):
    with pytest.raises(SourceError, match=sentence):
        jmeter_draft(data, "p.jmx", name="", url="", writes=True)


TEXTS = st.text(
    st.characters(
        codec="utf-8", exclude_categories=("Cc", "Cs"), exclude_characters="\ufffe\uffff"
    ),
    max_size=30,
) | st.sampled_from(["$(uuid())", "$$(", "${", "}", "\\${a}", "$", "\"'\n# a: b", "${__P(a,$(x))}"])


@given(TEXTS, TEXTS, TEXTS)
def test_no_text_of_a_plan_becomes_a_template(name, value, path):
    value, path = (one.replace("${", "$ {") for one in (value, path))
    header = {"Header__name": "X-A", "Header__value": f"$(uuid()){value}"}
    sampler = jmx_sampler(
        name,
        f"/{path}",
        jmx_element("HeaderManager", HeaderManager__headers=[header]),
        method="POST",
        arguments=[jmx_argument("", f"$(now()){value}")],
    )
    try:
        draft = jmx(jmx_group(sampler, name=name), name=name)
    except SourceError:
        reject()
    read_back(draft)
    (step,) = draft.scenarios[0].steps
    texts = [step.path, step.body or "", *(one["value"] for one in step.headers)]
    for text in texts:
        assert "$(secrets." in text or all(isinstance(one, Literal) for one in parse(text))


KINDS = st.sampled_from(
    ["HTTPSamplerProxy", "HeaderManager", "LoopController", "IfController", "TestAction",
     "ConstantTimer", "CSVDataSet", "RegexExtractor", "JSONPostProcessor", "ResponseAssertion",
     "ThreadGroup", "AuthManager", "Arguments", "ConfigTestElement"]
)  # fmt: skip
KEYS = st.sampled_from(
    ["HTTPSampler__domain", "HTTPSampler__path", "HTTPSampler__port", "HTTPSampler__method",
     "RegexExtractor__refname", "RegexExtractor__regex", "LoopController__loops", "filename",
     "variableNames", "ConstantTimer__delay", "ThreadGroup__num_threads", "Assertion__test_type",
     "JSONPostProcessor__referenceNames", "JSONPostProcessor__jsonPathExprs"]
)  # fmt: skip
TREES = st.recursive(
    st.builds(lambda kind, props: jmx_element(kind, **props), KINDS, st.dictionaries(KEYS, TEXTS, max_size=3)),
    lambda inner: st.builds(
        lambda kind, below: jmx_element(kind, below="".join(below)), KINDS, st.lists(inner, max_size=3)
    ),
    max_leaves=8,
)  # fmt: skip


@given(st.lists(TREES, max_size=3))
def test_any_tree_is_a_draft_or_a_sentence(trees):
    try:
        draft = jmx(*trees, jmx_group(*trees, jmx_sampler()))
    except SourceError:
        reject()
    read_back(draft)


def test_variables_and_loops_that_multiply_are_bounded():
    names = "abcdef"
    pairs = pairwise(names)
    variables = {one: f"${{{other}}}" * 500 for one, other in pairs}
    loop = jmx_sampler(path="/x")
    for _ in range(20):
        loop = jmx_element("LoopController", "l", loop, LoopController__loops="10")
    managers = "".join(jmx_element("HeaderManager", f"h{number}") for number in range(2000))
    started = time.process_time()
    found = notes(jmx_group(managers, jmx_sampler(path="/${a}"), loop), variables=variables)
    assert time.process_time() - started < 20
    assert any("its 10 repetitions: there is one" in one for one in found)
    assert any("more than 100 apply to a sampler" in one for one in found)
    assert any("its path is too long" in one for one in found)


def test_steps_of_a_set_up_are_bounded_and_named():
    once: dict[str, Any] = {"num_threads": 1, "loops": "1"}
    many = [jmx_sampler(f"s{number}") for number in range(22)]
    found = notes(jmx_group(*many, kind="SetupThreadGroup", **once), jmx_group(jmx_sampler()))
    assert found == [
        "Not carried over: setup: more than 20 steps, from s20",
        "Not carried over: setup: more than 20 steps, from s21",
    ]


# --- controllers that choose --------------------------------------------------------------------


def throughput(percent: str, *below: str, name: str, style: str = "1") -> str:
    made = jmx_element(
        "ThroughputController", name, "".join(below), ThroughputController__style=style
    )
    share = (
        "<FloatProperty><name>ThroughputController.percentThroughput</name>"
        f"<value>{percent}</value><savedValue>0.0</savedValue></FloatProperty>"
    )
    return made.replace("</ThroughputController>", f"{share}</ThroughputController>", 1)


def shares(*below: str) -> list[tuple[str, int, list[str]]]:
    return [
        (one.name, one.weight, [step.path for step in one.steps])
        for one in jmx(jmx_group(*below, name="g")).scenarios
    ]


A, B, C = (jmx_sampler(one, f"/{one}") for one in "abc")


def test_a_random_controller_runs_each_of_its_parts_equally_often():
    random = jmx_element("RandomController", "pick", A + B)
    assert shares(C, random) == [("g-a", 1, ["/c", "/a"]), ("g-b", 1, ["/c", "/b"])]
    nested = jmx_element("RandomController", "pick", A + jmx_element("RandomController", "", B + C))
    assert [one[1:] for one in shares(nested)] == [(2, ["/a"]), (1, ["/b"]), (1, ["/c"])]


def test_an_interleave_controller_is_one_of_equal_shares_and_says_so():
    turns = jmx_element("InterleaveControl", "turns", A + B)
    assert [one[1:] for one in shares(turns)] == [(1, ["/a"]), (1, ["/b"])]
    (note,) = notes(jmx_group(turns))
    assert 'InterleaveControl "turns": that its parts take turns' in note
    assert "(line " in note
    deeper = jmx_element("InterleaveControl", "turns", A, InterleaveControl__style="1")
    (note,) = notes(jmx_group(deeper, B))
    assert "with 1 HTTP samplers: it chooses among the parts of its parts (line " in note


@pytest.mark.parametrize(
    ("value", "path"), [("", "/a"), ("1", "/b"), ("b", "/b"), ("9", "/a"), ("x", "/d")]
)
def test_a_switch_controller_runs_the_part_that_its_value_names(value, path):
    switch = jmx_element(
        "SwitchController", "s", A + B + jmx_sampler("Default", "/d"), SwitchController__value=value
    )
    assert [one[1:] for one in shares(C, switch)] == [(1, ["/c", path])]


def test_throughput_controllers_share_out_the_iterations():
    parts = throughput("60.0", A, name="most") + throughput("40.0", B, name="few")
    assert shares(parts) == [("g-most", 3, ["/a"]), ("g-few", 2, ["/b"])]
    assert [one[1:] for one in shares(C, throughput("25.0", A, name="some"))] == [
        (1, ["/c", "/a"]),
        (3, ["/c"]),
    ]
    (note,) = notes(jmx_group(throughput("25.0", A, name="some")))
    assert "its iterations without requests" in note


@pytest.mark.parametrize(
    ("controller", "why"),
    [
        (throughput("5", A, name="t", style="0"), "it counts executions: only percentages have"),
        (throughput("${p}", A, name="t"), "its percentage ${p} is not fixed"),
        (
            throughput("70", A, name="t") + throughput("70", B, name="u"),
            "its percentage and those beside it are more than 100",
        ),
        (
            jmx_element("SwitchController", "t", A, SwitchController__value="${which}"),
            "its value ${which} is not fixed",
        ),
        (
            jmx_element("RandomController", "t", "".join(jmx_sampler(f"s{i}") for i in range(51))),
            "a test has at most 50 scenarios",
        ),
    ],
)
def test_a_controller_that_weights_cannot_express_is_named_with_its_line(controller, why):
    first = notes(jmx_group(controller, C))[0]
    assert f"HTTP samplers: {why}" in first
    assert "(line " in first


def test_weights_multiply_with_those_of_thread_groups():
    random = jmx_element("RandomController", "pick", A + B)
    made = jmx(jmx_group(random, name="g", num_threads=4), jmx_group(C, name="h", num_threads=2))
    assert [(one.name, one.weight) for one in made.scenarios] == [("g-a", 1), ("g-b", 1), ("h", 1)]
    assert made.load.load == {"burst": {"requests": 60, "concurrency": 6}}
