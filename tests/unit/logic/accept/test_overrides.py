"""A test's spec as a run changes it."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from perfrun.api.quantities import format_exact_rate, nearest_rate, parse_rate
from perfrun.api.run.overrides import Overrides
from perfrun.api.test.load import Load, OpenStage
from perfrun.api.test.perftest import Overridable, PerfTestSpec
from perfrun.logic.accept.overrides import overridden, overrides_text, sent_elsewhere
from perfrun.logic.accept.spec import check
from perfrun.logic.plan.run_plan import comparison_key, what_runs_hash
from perfrun.logic.problems import parse_problems
from perfrun.logic.schedule.policy import asks_of
from tests.unit.logic.build import BURST, CLOSED, OPEN, S, spec

STAGES = [{"rate": "10/s", "ramp": "10s", "hold": "20s"}, {"rate": "100/s", "hold": "30s"}]
USERS = [{"users": 5, "ramp": "10s"}, {"users": 50, "hold": "20s"}, {"users": 0, "ramp": "10s"}]
CAPACITY = {"capacity": {"from": "100/s", "to": "2000/s"}}
BENCHMARK = {
    "target": {"benchmark": {"image": "a", "command": ["b"], "results": "PytestBenchmark"}}
}
LOADS = [OPEN, CLOSED, BURST, CAPACITY, {"open": {"stages": STAGES}}, {"closed": {"stages": USERS}}]


def changed(before: PerfTestSpec, **overrides: Any) -> PerfTestSpec:
    found = overridden(before, Overrides.parse(overrides))
    assert found.problems == ()
    return found.spec


def problems(before: PerfTestSpec, **overrides: Any) -> list[str]:
    return [str(problem) for problem in overridden(before, Overrides.parse(overrides)).problems]


def load(written: dict[str, Any], **overrides: Any) -> Load:
    return changed(spec(written), load=overrides).load


def lasted(stages: list[OpenStage] | None) -> int:
    return sum(stage.ramp + stage.hold for stage in stages or [])


# --- where ------------------------------------------------------------------------------------


@pytest.mark.parametrize("origin", ["https://shop-2:8443", "https://shop-2:8443/"])
def test_the_origin_is_another_one_and_the_path_stays(origin):
    before = spec(target={"http": {"url": "http://shop:8000/api?region=eu", "timeout": "3s"}})
    after = changed(before, url=origin)
    assert after.target.the_http.url == "https://shop-2:8443/api?region=eu"
    assert after.target.timeout == 3 * S
    assert (after.load, after.slos) == (before.load, before.slos)
    assert before.target.url == "http://shop:8000/api?region=eu"


@pytest.mark.parametrize(
    ("origin", "address"),
    [
        ("http://localhost:8765", "localhost:8765"),
        ("http://[::1]:8765/", "[::1]:8765"),
        ("https://chat.example.com", "chat.example.com:443"),
    ],
)
def test_of_an_extension_only_the_address_is_another_one(origin, address):
    before = spec(target={"extension": {"kind": "websocket", "address": "chat:8765"}})
    assert changed(before, url=origin).target.the_extension.address == address


def test_what_has_no_url_is_refused():
    before = spec(target={"sql": {"dsnFrom": {"secretKeyRef": {"name": "shop", "key": "dsn"}}}})
    assert problems(before, url="http://a") == ["spec.overrides.url: a sql target has no URL"]


@pytest.mark.parametrize(
    "origin",
    [
        "localhost:8000",
        "ftp://localhost",
        "http://",
        "http://me:secret@localhost",
        "http://localhost/api",
        "http://localhost?x=1",
        "http://local host",
        "http://localhost\n",
        "http://a\\b",
    ],
)
def test_anything_but_an_origin_is_refused(origin):
    with pytest.raises(ValidationError) as caught:
        Overrides.parse({"url": origin})
    (problem,) = parse_problems(caught.value)
    assert problem.field == "spec.overrides.url"
    assert "write scheme, host and port only" in problem.message


def test_a_port_that_is_none_is_refused():
    assert "Port out of range" in problems(spec(), url="http://shop:99999")[0]


# --- what it may take along -------------------------------------------------------------------

TOKEN = {"secretKeyRef": {"name": "shop-token", "key": "token"}}
SECRETS: list[dict[str, Any]] = [
    {"auth": {"bearer": {"tokenFrom": TOKEN}}},
    {"auth": {"serviceAccountToken": {"audience": "shop"}}},
    {"headers": [{"name": "X-Key", "valueFrom": TOKEN}]},
    {"tls": {"clientCertificateFrom": {"secretRef": {"name": "shop-tls"}}}},
]
HARMLESS: list[dict[str, Any]] = [
    {},
    {"headers": [{"name": "X-Key", "value": "open"}]},
    {"headers": [{"name": "X", "valueFrom": {"configMapKeyRef": {"name": "a", "key": "b"}}}]},
    {"tls": {"caFrom": TOKEN}},
]


def elsewhere(target: dict[str, Any], url: str, **parts: Any) -> list[str]:
    before = spec(target={"http": {"url": "http://shop:8000/api", **target}}, **parts)
    return [str(one) for one in sent_elsewhere(before, changed(before, url=url), "team")]


@pytest.mark.parametrize("target", SECRETS)
def test_a_secret_is_not_sent_to_another_origin(target):
    (problem,) = elsewhere(target, "http://evil:8000")
    assert problem.startswith("spec.overrides.url: this run would send ")
    assert "evil, which is not the target of the test" in problem
    assert "spec.overridable.hosts" in problem


@pytest.mark.parametrize("target", HARMLESS)
def test_what_is_no_secret_goes_anywhere(target):
    assert elsewhere(target, "http://evil:8000") == []


@pytest.mark.parametrize("origin", ["http://shop:8000", "http://SHOP:8000/", "http://shop.:8000"])
def test_another_spelling_of_the_origin_is_the_same_one(origin):
    assert elsewhere(SECRETS[0], origin) == []


@pytest.mark.parametrize("origin", ["https://shop:8000", "http://shop:8001", "http://shop"])
def test_another_scheme_or_port_is_another_origin(origin):
    assert len(elsewhere(SECRETS[0], origin)) == 1


@pytest.mark.parametrize(
    "host", ["[2002:a00:5::66]", "[::ffff:10.0.0.5]", "[64:ff9b::a00:5]", "[2001:db8::1]"]
)
def test_an_ipv6_address_is_not_the_ipv4_address_in_it(host):
    before = spec(target={"http": {"url": "http://10.0.0.5:80", **SECRETS[0]}})
    listed = before.model_copy(update={"overridable": Overridable(hosts=["10.0.0.5", "*"])})
    after = changed(before, url=f"http://{host}:80")
    assert (
        len([*sent_elsewhere(before, after, "team"), *sent_elsewhere(listed, after, "team")]) == 2
    )


def test_a_name_with_a_percent_sign_is_not_the_address_before_it():
    with pytest.raises(ValidationError):
        Overrides.parse({"url": "http://10.0.0.5%x.evil.example:80"})
    targets = [
        {"http": {"url": f"http://{host}", **SECRETS[0]}}
        for host in ("10.0.0.5", "10.0.0.5%x.evil")
    ]
    before, after = (spec(target=target) for target in targets)
    assert len(list(sent_elsewhere(before, after, "team"))) == 1


@pytest.mark.parametrize("place", ["setup", "scenarios", "teardown"])
def test_the_headers_of_steps_count_too(place):
    step = {"name": "one", "http": {"headers": [{"name": "X", "valueFrom": TOKEN}]}}
    part: list[Any] = [{"name": "s", "steps": [step]}] if place == "scenarios" else [step]
    (problem,) = elsewhere({}, "http://evil", **{place: part})
    assert "values of the Secret shop-token to evil" in problem


def test_a_feed_of_a_secret_counts_too():
    feeds = [{"name": "users", "csvFrom": TOKEN}]
    assert "values of the Secret shop-token" in elsewhere({}, "http://evil", feeds=feeds)[0]


@pytest.mark.parametrize(
    ("pattern", "origin", "allowed"),
    [
        ("shop-pr-12", "http://shop-pr-12", True),
        ("shop-pr-12", "https://SHOP-pr-12:8443", True),
        ("shop-pr-*", "http://shop-pr-12:8000", True),
        ("shop-pr-*", "http://shop-pr-12.evil.com", False),
        ("shop-pr-*", "http://evil", False),
        ("shop-pr-*.team.svc", "http://shop-pr-1", True),
        ("shop-pr-*.other.svc", "http://shop-pr-1", False),
        ("shop.pr-*.svc", "http://shop.pr-7.svc.cluster.local", True),
        ("shop.pr-*.svc", "http://shop.pr-7", False),  # may be a name of the internet
        ("*.example.com", "https://a.example.com", True),
        ("*.example.com", "https://a.b.example.com", False),
        ("*.example.com", "https://aexample.com", False),
        ("shop.example.com", "https://shopXexample.com", False),
        ("10.0.0.7", "http://10.0.0.7", True),
        ("10.0.0.7", "http://0xa000007", True),
        ("*", "http://10.0.0.7", False),
    ],
)
def test_which_hosts_a_test_lists(pattern, origin, allowed):
    found = elsewhere(SECRETS[0], origin, overridable={"hosts": ["nobody", pattern]})
    assert (found == []) is allowed


VHOST = {"name": "host", "value": "$(vhost)"}
FIRST = {"http": {"url": "http://shop:8000", "auth": {"bearer": {"tokenFrom": TOKEN}}}}


def by_variable(value: str, target: dict[str, Any] | None = None, **parts: Any) -> list[str]:
    """What is wrong with a test if a run sets its variable vhost."""
    given = {"http": {**FIRST["http"], "headers": [VHOST]}} if target is None else target
    variables = {"vhost": "shop.example", "region": "eu"}
    load = {} if "benchmark" in given else {"load": OPEN}
    before = PerfTestSpec.parse({"target": given, "variables": variables, **load, **parts})
    after = changed(before, variables={"vhost": value, "region": "us"})
    return [str(one) for one in sent_elsewhere(before, after, "team")]


@pytest.mark.parametrize(
    "value", ["evil.example", "evil.example:80", "[2001:db8::1]", "a b", "x@y"]
)
def test_a_variable_does_not_send_a_secret_to_another_host_behind_the_same_origin(value):
    (problem,) = by_variable(value, overridable={"hosts": ["shop-*", "*"]})
    assert problem.startswith("spec.overrides.variables.vhost: this run would send values of")
    assert "spec.overridable.hosts" in problem


@pytest.mark.parametrize("place", ["setup", "scenarios", "teardown"])
def test_nor_does_one_in_the_host_header_of_a_step(place):
    step = {"name": "one", "http": {"headers": [VHOST]}}
    part: list[Any] = [{"name": "s", "steps": [step]}] if place == "scenarios" else [step]
    (problem,) = by_variable("evil.example", FIRST, **{place: part})
    assert "to evil.example, which" in problem


def test_nor_does_one_in_a_generated_column():
    feeds = [{"name": "f", "generate": {"rows": 1, "columns": {"h": "$(vhost)"}}}]
    target = {"http": {**FIRST["http"], "headers": [{"name": "Host", "value": "$(f.h)"}]}}
    assert len(by_variable("evil.example", target, feeds=feeds)) == 1


@pytest.mark.parametrize(
    ("value", "hosts"),
    [
        ("shop-pr-1.example:8000", ["shop-pr-*.example"]),
        ("shop-pr-1", ["shop-pr-*"]),
        ("SHOP", ["nobody"]),  # the target itself
        ("shop.example", ["nobody"]),  # as the test has it
    ],
)
def test_a_variable_may_name_a_host_that_the_test_lists_or_has(value, hosts):
    assert by_variable(value, overridable={"hosts": hosts}) == []


def test_a_variable_elsewhere_decides_nothing_and_without_secrets_all_may_be_set():
    elsewhere_in_it = {"name": "X", "value": "$(vhost).example"}
    assert by_variable("evil", {"http": {**FIRST["http"], "headers": [elsewhere_in_it]}}) == []
    assert by_variable("evil", {"http": {"url": "http://shop", "headers": [VHOST]}}) == []


@pytest.mark.parametrize("place", ["command", "env"])
def test_a_command_with_a_secret_is_not_told_another_host(place):
    env: list[Any] = [{"name": "TOKEN", "valueFrom": TOKEN}]
    command = ["bench", "--url", "$(vhost)"] if place == "command" else ["bench"]
    if place == "env":
        env.append({"name": "URL", "value": "$(vhost)"})
    bench = {"image": "a", "command": command, "env": env, "results": "PytestBenchmark"}
    allowed = {"overridable": {"hosts": ["shop-pr-*"]}}
    (problem,) = by_variable("http://evil.example", {"benchmark": bench}, **allowed)
    assert problem.startswith("spec.overrides.variables.vhost: this run would send values of")
    assert by_variable("http://shop-pr-1:80", {"benchmark": bench}, **allowed) == []
    assert len(by_variable("http://shop-pr-1;id", {"benchmark": bench}, **allowed)) == 1
    assert by_variable("http://evil", {"benchmark": {**bench, "env": env[1:]}}) == []


def test_what_may_be_overridden_changes_neither_what_runs_nor_what_it_is_compared_with():
    plain, listed = spec(), spec(overridable={"hosts": ["shop-2"]})
    assert what_runs_hash(plain) == what_runs_hash(listed)
    assert comparison_key(plain) == comparison_key(listed)


def test_the_line_about_overrides_is_one_line_without_control_characters():
    line = overrides_text(
        Overrides.parse({"variables": {"a": "x\n::error::\x1b[31mred", "b": "\u202ey"}})
    )
    assert line.isprintable()
    assert line.startswith("variables.a: x ")


# --- variables, labels ------------------------------------------------------------------------


def test_variables_are_replaced_and_the_others_stay():
    after = changed(spec(variables={"region": "eu", "tier": "a"}), variables={"region": "us"})
    assert after.variables == {"region": "us", "tier": "a"}


def test_a_variable_that_the_test_does_not_have_is_refused():
    (found,) = problems(spec(variables={"region": "eu"}), variables={"regoin": "us"})
    assert found.startswith("spec.overrides.variables.regoin: the test does not define it")
    assert found.endswith('did you mean "region"?')


def test_labels_change_nothing_that_is_measured():
    assert changed(spec(), labels={"pull-request": "1"}) == spec()


def test_url_variables_and_load_enter_the_comparison_key():
    before = spec(variables={"region": "eu"})
    ways: list[dict[str, Any]] = [
        {"labels": {"a": "b"}},
        {"url": "http://other"},
        {"variables": {"region": "us"}},
        {"load": {"scale": 0.5}},
        {"load": {"duration": "5s"}},
        {"load": {"workers": 2}},
    ]
    keys = [comparison_key(changed(before, **way)) for way in ways]
    assert keys[0] == comparison_key(before)
    assert len(set(keys)) == len(ways)


# --- load -------------------------------------------------------------------------------------


def test_the_load_is_scaled():
    assert load(OPEN, scale=0.1).open.rate == 10
    assert load(CLOSED, scale=2.5).closed.users == 25
    burst = load(BURST, scale=0.1).burst
    assert (burst.requests, burst.concurrency) == (100, 1)
    search = load(CAPACITY, scale=0.5).capacity
    assert (search.from_, search.to, search.hold) == (50, 1000, 30 * S)


def test_the_bound_of_an_open_load_is_scaled_with_it():
    written = {"open": {"rate": "100/s", "duration": "10s", "maxInFlight": 50}}
    assert load(written, scale=0.1).open.max_in_flight == 5
    assert load(written, rate="10/s").open.max_in_flight == 50


def test_stages_keep_their_proportions():
    stages = load({"open": {"stages": STAGES}}, rate="50/s", duration="30s").open.stages
    assert [stage.rate for stage in stages] == [5, 50]
    assert [(stage.ramp, stage.hold) for stage in stages] == [(5 * S, 10 * S), (0, 15 * S)]
    stages = load({"closed": {"stages": USERS}}, users=7).closed.stages
    assert [stage.users for stage in stages] == [1, 7, 0]


def test_what_is_said_exactly_is_taken_exactly():
    assert load(OPEN, rate="7/m", duration="1h").open.levels()[0].rate == parse_rate("7/m")
    assert load(OPEN, duration="1h").open.duration == 3600 * S
    assert load(CLOSED, users=3, duration="1m").closed.levels()[0].hold == 60 * S
    burst = load(BURST, requests=30, users=4).burst
    assert (burst.requests, burst.concurrency) == (30, 4)
    assert load(OPEN, workers=4).workers == 4


def test_there_are_no_more_workers_than_have_something_to_do():
    assert load({**CLOSED, "workers": 8}, scale=0.3).workers == 3
    assert load({**BURST, "workers": 8}, requests=5).workers == 5
    assert load({**OPEN, "workers": 8}, scale=0.01).workers == 8


def test_more_workers_than_have_something_to_do_are_refused_where_they_are_asked_for():
    (found,) = problems(spec(CLOSED), load={"users": 2, "workers": 3})
    assert found.startswith("spec.overrides.load: it does not fit: spec.load.closed: closed.users")


@pytest.mark.parametrize(
    ("written", "wanted", "says"),
    [
        (
            CLOSED,
            {"rate": "1/s"},
            "load.rate: the load of the test is closed: runs can set load.scale, load.users, ",
        ),
        (OPEN, {"users": 1}, "load.users: the load of the test is open"),
        (OPEN, {"requests": 1}, "load.requests: the load of the test is open"),
        (BURST, {"duration": "1s"}, "load.duration: the load of the test is burst"),
        (CAPACITY, {"rate": "1/s"}, "load.rate: the load of the test is capacity"),
        (CLOSED, {"scale": 10_000, "workers": 1000}, None),
        ({"closed": {"users": 1000, "duration": "1s"}}, {"scale": 10_000}, "at most 1000000"),
        ({"open": {"rate": "900000000/s", "duration": "1s"}}, {"scale": 9}, "too high a rate"),
    ],
)
def test_what_does_not_fit_the_load_is_refused(written, wanted, says):
    found = problems(spec(written), load=wanted)
    assert (says is None) is (found == [])
    assert says is None or says in found[0]


def test_workers_may_grow_with_a_load():
    assert load(CLOSED, scale=10_000, workers=1000).workers == 1000


def scripted(**script: Any) -> PerfTestSpec:
    target = {"tool": "k6", "image": "a", "entry": "/a.js", "targets": ["shop:80"], **script}
    return spec({"maxDuration": "10m", "workers": 4}, target={"script": target})


def test_of_a_script_the_workers_and_the_longest_time_are_others():
    after = changed(scripted(), load={"workers": 2, "maxDuration": "1m"})
    assert (after.load.workers, after.load.max_duration) == (2, 60 * S)
    assert changed(scripted(), load={"workers": 2}).load.max_duration == 600 * S
    assert comparison_key(after) != comparison_key(scripted())


@pytest.mark.parametrize("name", ["scale", "rate", "users", "requests", "duration"])
def test_how_much_load_a_script_makes_is_refused_by_name(name):
    value = {"rate": "1/s", "duration": "1m"}.get(name, 1)
    assert problems(scripted(), load={name: value}) == [
        f"spec.overrides.load.{name}: the load of the test is in its script, which may use variables in "
        "args and env: runs can set load.maxDuration and load.workers"
    ]


def test_a_script_has_no_url():
    (told,) = problems(scripted(), url="http://other:80")
    assert told == "spec.overrides.url: a script target has no URL"


@pytest.mark.parametrize(
    ("written", "wanted", "refused"),
    [
        (OPEN, {"maxDuration": "1h"}, True),
        (CLOSED, {"maxDuration": "1h", "duration": "1m"}, True),
        (OPEN, {"maxDuration": "1h", "duration": "UntilStopped"}, False),
    ],
)
def test_the_longest_time_is_for_scripts_and_loads_until_stopped(written, wanted, refused):
    why = "spec.overrides.load.maxDuration: is only for duration: UntilStopped, and for scripts"
    found = problems(spec(written), load=wanted)
    assert [one.partition(": remove")[0] for one in found] == [why] * refused


def test_a_benchmark_has_no_load():
    before = PerfTestSpec.parse(BENCHMARK)
    assert problems(before, load={"scale": 2}) == [
        "spec.overrides.load: a benchmark has no load: its command runs once"
    ]


@pytest.mark.parametrize(
    ("wanted", "says"),
    [
        ({}, "needs at least one of"),
        ({"load": {"scale": 0.5, "users": 1}}, "cannot be used together with rate"),
        ({"load": {"scale": 0}}, "must be at least 0.0001"),
        ({"load": {"scale": "0.5"}}, "must be a number"),
        ({"load": {"scale": True}}, "must be a number"),
        ({"load": {"rate": "0/s"}}, "must be more than 0/s"),
        ({"load": {"duration": "0s"}}, "must be more than 0s"),
        ({"load": {"slos": []}}, "unknown field"),
        ({"slos": []}, "unknown field"),
        ({"labels": {"a b": "c"}}, "write the key of a label"),
        ({"labels": {"a": "b c"}}, "use letters, digits"),
    ],
)
def test_overrides_that_are_none(wanted, says):
    with pytest.raises(ValidationError) as caught:
        Overrides.parse(wanted)
    assert says in str(parse_problems(caught.value)[0])


# --- laws -------------------------------------------------------------------------------------

RATES = st.floats(1e-9, 99_999, allow_nan=False)
SCALES = st.floats(0.0001, 10_000, allow_nan=False)
UNITS = st.sampled_from(["s", "m", "h"])


@pytest.mark.parametrize("written", LOADS)
def test_a_scale_of_one_changes_nothing(written):
    before = spec({**written, "workers": 3})
    after = changed(before, load={"scale": 1})
    assert after == before
    assert comparison_key(after) == comparison_key(before)


@given(whole=st.integers(1, 9_999), unit=UNITS, decimals=st.integers(0, 999_999))
def test_a_scale_of_one_changes_no_rate(whole, unit, decimals):
    written = {"open": {"rate": f"{whole}.{decimals:06}/{unit}", "duration": "10s"}}
    assert load(written, scale=1).open.rate == parse_rate(written["open"]["rate"])


@given(rate=st.floats(1e-12, 1e9 - 2, allow_nan=False))
def test_a_rate_is_never_zero_and_can_be_written(rate):
    nearest = nearest_rate(rate)
    assert nearest > 0
    assert parse_rate(format_exact_rate(nearest)) == nearest
    assert abs(nearest - rate) <= 6e-7


@pytest.mark.parametrize("written", LOADS)
@given(scale=SCALES)
def test_every_scale_gives_a_load_or_a_reason(written, scale):
    found = overridden(spec({**written, "workers": 4}), Overrides.parse({"load": {"scale": scale}}))
    if found.problems:
        assert scale > 1
        return
    after = found.spec.load
    if after.burst is not None:
        assert 1 <= after.burst.concurrency <= after.burst.requests
        assert abs(after.burst.requests - 1000 * scale) <= max(0.5, 1 - 1000 * scale)
    assert after.closed is None or max(stage.users for stage in after.closed.levels()) >= 1
    assert after.open is None or min(stage.rate for stage in after.open.levels()) > 0
    assert 1 <= after.workers <= 4


@given(duration=st.integers(1, 24 * 3600 * S))
def test_stages_last_as_long_as_was_asked_for(duration):
    wanted = {"duration": f"{duration // S}s{duration % S}ns"}
    stages = load({"open": {"stages": STAGES}}, **wanted).open.stages
    assert lasted(stages) == duration


@given(scale=st.floats(0.01, 100, allow_nan=False))
def test_policies_are_asked_about_what_runs(scale):
    found = overridden(spec(OPEN), Overrides.parse({"url": "http://b", "load": {"scale": scale}}))
    asks = asks_of(found.spec)
    assert asks.rate.amount == pytest.approx(100 * scale, rel=1e-6)
    assert asks.hosts == {"spec.target.http.url": "b"}
    assert check(found.spec).problems == []


def test_the_line_about_overrides():
    overrides = Overrides.parse(
        {
            "labels": {"example.com/team": "a"},
            "load": {"scale": 0.1, "duration": "1m"},
            "url": "http://b",
            "variables": {"text": "x" * 100},
        }
    )
    assert overrides_text(overrides) == (
        f"url: http://b, variables.text: {'x' * 57}..., load.scale: 0.1, load.duration: 1m, "
        "labels.example.com/team: a"
    )
