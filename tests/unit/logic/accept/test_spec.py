"""Acceptance: what is refused or doubted, where, and in which words."""

from typing import Any

import pytest
from pydantic import ValidationError

from perfrun.api.test.perftest import PerfTest, PerfTestSpec
from perfrun.logic.accept.spec import check
from perfrun.logic.problems import parse_problems

OPEN = {"open": {"rate": "100/s", "duration": "100s"}}
BURST = {"burst": {"requests": 100, "concurrency": 10}}


def spec(load: dict[str, Any] = OPEN, http: Any = (), **parts: Any) -> PerfTestSpec:
    target = {"http": {"url": "http://shop", **dict(http)}}
    return PerfTestSpec.model_validate({"target": target, "load": load, **parts})


def problems(one: PerfTestSpec) -> list[str]:
    return [str(problem) for problem in check(one).problems]


def warnings(one: PerfTestSpec) -> list[str]:
    assert check(one).problems == []
    return [str(warning) for warning in check(one).warnings]


def steps(*those: dict[str, Any]) -> dict[str, Any]:
    named = [{"name": f"s{number}", **step} for number, step in enumerate(those)]
    return {"scenarios": [{"name": "all", "steps": named}]}


def test_a_good_test_has_no_problems_and_no_warnings() -> None:
    good = spec(
        variables={"region": "eu"},
        **steps(
            {"class": "Read", "http": {"path": "/items?region=$(region)"}},
            {
                "http": {
                    "method": "POST",
                    "json": {"id": ["$(uuid())", 5, None], "at": "$(now())"},
                    "headers": [{"name": "X", "value": "$$(x) $(seq())"}],
                },
                "expect": {"json": {"$.state": "new", "$.a[?@.b == 1]": 1}},
            },
        ),
        slos=[
            {"metric": "latency.p95", "of": "s1", "max": "1s"},
            {"metric": "latency.p95", "of": "all", "max": "1s"},
            {"metric": "errorRate", "of": "class/Read", "max": "1%"},
            {"metric": "errorRate", "of": "class/Read", "max": "5%", "onBreach": "Fail"},
            {"metric": "transactions", "of": "all", "min": "90/s"},
        ],
        schedule={"cron": "0 2 * * *", "timeZone": "Europe/Berlin"},
    )
    assert check(good) == ([], [], [])


@pytest.mark.parametrize(
    ("one", "field", "words"),
    [
        (spec(schedule={"cron": "0 0 30 2 *"}), "spec.schedule.cron", "never occurs"),
        (
            spec(schedule={"cron": "@daily", "timeZone": "Europe/Berln"}),
            "spec.schedule.timeZone",
            'did you mean "Europe/Berlin"',
        ),
        # Templates: everywhere that they may stand.
        (
            spec(
                http={"headers": [{"name": "X", "value": "$(rgion)"}]}, variables={"region": "eu"}
            ),
            "spec.target.http.headers[0].value",
            '$(rgion) is not a variable; did you mean "region"?',
        ),
        (
            spec(**steps({"http": {"path": "/$(a)"}})),
            "spec.scenarios[0].steps[0].http.path",
            "define variables in spec.variables",
        ),
        (
            spec(**steps({}, {"http": {"json": {"a": [{"b c": "$(uid())"}]}}})),
            'spec.scenarios[0].steps[1].http.json.a[0]["b c"]',
            "uid does not exist",
        ),
        (
            spec(**steps({"http": {"body": "$(now("}})),
            "spec.scenarios[0].steps[0].http.body",
            "is not closed",
        ),
        (
            spec(**steps({"http": {"headers": [{"name": "X", "value": "$(1)"}]}})),
            "spec.scenarios[0].steps[0].http.headers[0].value",
            "neither a name nor",
        ),
        # JSONPath.
        (
            spec(**steps({"expect": {"json": {"$[": 1}}})),
            'spec.scenarios[0].steps[0].expect.json["$["]',
            "is not a JSONPath (RFC 9535)",
        ),
        # A path behind a query.
        (
            spec(http={"url": "http://shop/?a=b"}, **steps({}, {"http": {"path": "/x"}})),
            "spec.target.http.url",
            "spec.scenarios[0].steps[1].http.path would be appended",
        ),
        # One name space.
        (
            spec(**steps({"name": "a"}, {"name": "a"})),
            "spec.scenarios[0].steps[1].name",
            '"a" is already the name of spec.scenarios[0].steps[0].name',
        ),
        (
            spec(**steps({"name": "all"})),
            "spec.scenarios[0].steps[0].name",
            "already the name of spec.scenarios[0].name",
        ),
        (
            spec(
                scenarios=[
                    {"name": "a", "steps": [{"name": "x"}]},
                    {"name": "b", "steps": [{"name": "x"}]},
                ]
            ),
            "spec.scenarios[1].steps[0].name",
            "must be unique",
        ),
        # Objectives.
        (
            spec(
                **steps({"name": "list"}),
                slos=[{"metric": "latency.avg", "of": "lst", "max": "1s"}],
            ),
            "spec.slos[0].of",
            '"lst" is not a step, scenario or class of this test; did you mean "list"?',
        ),
        (
            spec(slos=[{"metric": "latency.avg", "of": "x", "max": "1s"}]),
            "spec.slos[0].of",
            "use one of: default, get",
        ),
        (
            spec(
                **steps({"class": "Read"}),
                slos=[{"metric": "latency.avg", "of": "class/Write", "max": "1s"}],
            ),
            "spec.slos[0].of",
            "class/Read",
        ),
        (
            spec(slos=[{"metric": "dropped", "of": "get", "max": 0}]),
            "spec.slos[0].of",
            "counted per scenario",
        ),
        (
            spec(slos=[{"metric": "errorRate", "min": "5%", "max": "1%"}]),
            "spec.slos[0].min",
            "5% is more than max, 1%",
        ),
        # Loads.
        (spec({"open": {"rate": "0/s", "duration": "5s"}}), "spec.load.open", "has no load"),
        (spec({"open": {"rate": "5/s", "duration": "0s"}}), "spec.load.open", "has no load"),
        (
            spec({"open": {"rate": "1/h", "duration": "1m"}, "warmup": "1m"}),
            "spec.load.open",
            "has no iteration after the warm-up",
        ),
        (spec({"closed": {"users": 3, "duration": "0s"}}), "spec.load.closed", "has no load"),
        (
            spec({"open": {"rate": "1/h", "duration": "24h"}, "warmup": "6m"}),
            "spec.load.open",
            "lasts 24.1h with its warm-up; at most 24h",
        ),
        (
            spec({"open": {"rate": "1/s", "duration": "999999999h"}}),
            "spec.load.open",
            "at most 24h",
        ),
        (
            spec({"open": {"rate": "999999/s", "duration": "1h"}}),
            "spec.load.open",
            "at most 1000000000 are allowed",
        ),
        (
            spec({"workers": 4, "closed": {"stages": [{"users": 3, "hold": "5s"}]}}),
            "spec.load.closed.stages",
            "at most 3 users for 4 workers",
        ),
        (
            spec({"workers": 4, "open": {"rate": "9/s", "duration": "9s", "maxInFlight": 3}}),
            "spec.load.open.maxInFlight",
            "less than the 4 workers",
        ),
        # Sizes.
        (
            spec(
                scenarios=[
                    {"name": f"c{c}", "steps": [{"name": f"s{c}-{s}"} for s in range(50)]}
                    for c in range(3)
                ]
            ),
            "spec.scenarios",
            "has 150 steps in total",
        ),
        (
            spec(
                **steps(*[{"class": "Read"}] * 40),
                slos=[{"metric": "latency.avg", "of": f"s{n}", "max": "1s"} for n in range(40)],
            ),
            "spec.slos",
            "has 120 objectives",
        ),
        (
            spec(**steps(*[{"http": {"method": "POST", "body": "x" * 250_000}}] * 4)),
            "spec.scenarios",
            "at most 900 KiB are allowed: use smaller bodies",
        ),
    ],
)
def test_what_is_refused(one: PerfTestSpec, field: str, words: str) -> None:
    (problem,) = check(one).problems
    assert problem.field == field
    assert words in problem.message


def bodies(kib: int) -> PerfTestSpec:
    """A test whose plan takes about so much: the bodies of its steps, in lumps of 200 KiB."""
    sizes = [200] * (kib // 200) + [kib % 200]
    return spec(
        **steps(*({"http": {"method": "POST", "body": "x" * (1024 * size)}} for size in sizes))
    )


def test_plan_that_fits_into_no_config_map_is_refused_before_anything_is_created() -> None:
    assert problems(bodies(895)) == []
    (problem,) = problems(bodies(905))
    assert problem.startswith("spec.scenarios: and the rest of the plan take 90")
    assert problem.endswith(" KiB; at most 900 KiB are allowed: use smaller bodies")


def test_objectives_that_are_the_same_are_both_named() -> None:
    slo = {"metric": "errorRate", "max": "1%"}
    fields = [problem.field for problem in check(spec(slos=[slo, slo])).problems]
    assert fields == ["spec.slos[0]", "spec.slos[1]"]


def test_every_problem_is_told_at_once() -> None:
    several = spec(
        {"open": {"rate": "0/s", "duration": "5s"}},
        schedule={"cron": "61 * * * *"},
        slos=[{"metric": "errorRate", "of": "x", "max": "1%"}],
    )
    fields = [problem.field for problem in check(several).problems]
    assert fields == ["spec.schedule.cron", "spec.load.open", "spec.slos[0].of"]


P99 = [{"metric": "latency.p99", "max": "1s"}]
TWO = {
    "scenarios": [
        {
            "name": "browse",
            "weight": 9,
            "steps": [{"name": "list", "class": "Read"}, {"name": "show"}],
        },
        {"name": "buy", "weight": 1, "steps": [{"name": "order", "class": "Write"}]},
    ]
}


@pytest.mark.parametrize(
    ("one", "expected"),
    [
        # Enough samples in all.
        (spec({"burst": {"requests": 1000, "concurrency": 10}}, slos=P99), []),
        (
            spec(BURST, slos=P99),
            [
                "spec.slos[0]: latency.p99 needs 1000 samples, but this load gives only about 100: it will be "
                "Inconclusive"
            ],
        ),
        # The warm-up does not count.
        (
            spec({"open": {"rate": "10/s", "duration": "99s"}, "warmup": "5m"}, slos=P99),
            [
                "spec.slos[0]: latency.p99 needs 1000 samples, but this load gives only about 990: it will be "
                "Inconclusive"
            ],
        ),
        # How many a closed load makes is not known.
        (spec({"closed": {"users": 1, "duration": "1s"}}, slos=P99), []),
        # A rare scenario has its share of samples and of the rate; a class tells its place.
        (
            spec({"open": {"rate": "200/s", "duration": "9s"}}, **TWO),
            [
                "spec.scenarios[1].steps[0].class: latency.p95 of order needs 200 samples, but this load "
                "gives only about 180: it will be Inconclusive",
                "spec.scenarios[1].steps[0].class: throughput of order cannot reach 50/s: the "
                "highest rate of the load gives 20/s: it will be NotApplicable",
            ],
        ),
        # A scenario's own latency has one sample an iteration, not one a step.
        (
            spec(
                BURST, **{**TWO, "slos": [{"metric": "latency.p90", "of": "browse", "max": "1s"}]}
            ),
            [
                "spec.slos[0]: latency.p90 of browse needs 100 samples, but this load gives only about 90: it "
                "will be Inconclusive",
                "spec.scenarios[0].steps[0].class: latency.p95 of list needs 200 samples, but this load "
                "gives only about 90: it will be Inconclusive",
                "spec.scenarios[1].steps[0].class: latency.p95 of order needs 200 samples, but this load "
                "gives only about 10: it will be Inconclusive",
            ],
        ),
        # How many connections are made is the pool's affair.
        (spec(BURST, slos=[{"metric": "connect.p99", "max": "1s"}]), []),
        # Floors.
        (
            spec(slos=[{"metric": "throughput", "min": "101/s"}]),
            [
                "spec.slos[0]: throughput cannot reach 101/s: the highest rate of the load gives 100/s: it "
                "will be NotApplicable"
            ],
        ),
        (
            spec(BURST, slos=[{"metric": "throughput", "min": "1/s"}]),
            ["spec.slos[0]: throughput: min is not judged in a burst"],
        ),
        # A deadline that the operator's own pace may miss.
        (
            spec(schedule={"cron": "@daily", "startingDeadlineSeconds": 5}),
            [
                "spec.schedule.startingDeadlineSeconds: 5 is less than 10 seconds: the operator may notice a scheduled "
                "time too late and miss the run"
            ],
        ),
    ],
)
def test_what_is_doubted(one: PerfTestSpec, expected: list[str]) -> None:
    assert warnings(one) == expected


def parsed(document: Any, model: Any = PerfTestSpec) -> list[str]:
    with pytest.raises(ValidationError) as caught:
        model.model_validate(document)
    return [str(problem) for problem in parse_problems(caught.value)]


GOOD = {"target": {"http": {"url": "http://shop"}}, "load": BURST}


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"loda": {}}, 'spec.loda: unknown field; did you mean "load"?'),
        ({"zzz": 1}, "spec.zzz: unknown field"),
        (
            {"target": {"http": {"url": "http://a", "timeuot": "1s"}}},
            'spec.target.http.timeuot: unknown field; did you mean "timeout"?',
        ),
        # The field is looked up in the step's own model, through lists.
        (
            {"scenarios": [{"name": "a", "steps": [{"name": "x", "expct": {}}]}]},
            'spec.scenarios[0].steps[0].expct: unknown field; did you mean "expect"?',
        ),
        (
            {"scenarios": [{"name": "a", "steps": [{"name": "x", "class": "Raed"}]}]},
            "spec.scenarios[0].steps[0].class: 'Raed' is not one of Health, Read, Write, Complex, "
            'SimpleQuery, ComplexQuery, WriteOperation, BatchOperation, Page; did you mean "Read"?',
        ),
        (
            {"load": {"burst": {"requests": 1, "concurrency": 5}}},
            "spec.load.burst: burst.concurrency must be at most burst.requests: raise requests, or "
            "lower concurrency (1 requests, 5 at a time)",
        ),
        (
            {"load": {}},
            "spec.load: load needs exactly one of burst, closed, open or capacity; for a script, "
            "maxDuration",
        ),
        (
            {"load": {**BURST, "workers": 2000}},
            "spec.load.workers: must be at most 1000, but is 2000",
        ),
        (
            {"load": {"open": {"rate": "fast", "duration": "1s"}}},
            "spec.load.open.rate: 'fast' is not a rate: write a number per unit of time, as in 100/s "
            "or 30/m",
        ),
        (
            {"slos": [{"metric": "latency.p95", "max": "1%"}]},
            "spec.slos[0].max: the limit of this metric must be a duration, as in 500ms",
        ),
        (
            {"slos": [{"metric": "latency.p95"}]},
            "spec.slos[0]: an objective needs max, min or both",
        ),
        ({"variables": {"b": 3}}, "spec.variables.b: must be a text, but is 3; put it in quotes"),
        ({"suspend": "maybe"}, "spec.suspend: must be true or false, but is 'maybe'"),
        (
            {"variables": {"1a": "x"}},
            "spec.variables[\"1a\"]: '1a' is not valid: use letters, digits and '_', and do not begin "
            "with a digit",
        ),
        (
            {"target": {"http": {"url": "shop"}}},
            "spec.target.http.url: 'shop' is not valid: write http:// or https:// and a host, without "
            "user, password or fragment",
        ),
        ({"scenarios": []}, "spec.scenarios: is too short: at least 1 item(s)"),
        (
            {"baseline": {"compare": "Pinned"}},
            "spec.baseline: compare Pinned requires run, and run requires compare Pinned: set both or neither",
        ),
        ({"load": None}, "spec.load: must be a mapping, but is empty"),
    ],
)
def test_what_does_not_parse(changed: dict[str, Any], expected: str) -> None:
    assert parsed({**GOOD, **changed}) == [expected]


def test_a_whole_manifest_names_the_same_fields() -> None:
    manifest = {"metadata": {"name": "api"}, "spec": {**GOOD, "loda": {}}}
    assert parsed(manifest, PerfTest) == ['spec.loda: unknown field; did you mean "load"?']


def test_every_error_is_told_at_once() -> None:
    assert parsed({"loda": {}}) == [
        "spec.target: this field is required",
        'spec.loda: unknown field; did you mean "load"?',
    ]


OBSERVE = [
    {"name": "api", "workload": {"kind": "Deployment", "name": "api"}},
    {"name": "db", "sql": {"dsnFrom": {"secretKeyRef": {"name": "db", "key": "dsn"}}}},
]


@pytest.mark.parametrize(
    ("slo", "said"),
    [
        (
            {"metric": "cpu.max", "max": "1"},
            "spec.slos[0].of: cpu.max requires of: the name of a workload",
        ),
        (
            {"metric": "cpu.max", "of": "apo", "max": "1"},
            "spec.slos[0].of: cpu.max requires of: the name of a workload in "
            'spec.observe; did you mean "api"?',
        ),
        (
            {"metric": "cpu.max", "of": "db", "max": "1"},
            'spec.slos[0].of: "db" is a sql in spec.observe, but cpu.max is a metric of a workload',
        ),
        (
            {"metric": "latency.avg", "of": "db", "max": "1s"},
            'spec.slos[0].of: "db" is an entry of spec.observe, but latency.avg is a metric of the load',
        ),
    ],
)
def test_an_observed_metric_needs_a_thing_that_has_it(slo: dict[str, Any], said: str) -> None:
    (problem,) = problems(spec(slos=[slo], observe=OBSERVE))
    assert problem.startswith(said)


def test_what_is_observed_shares_its_names_with_steps() -> None:
    (problem,) = problems(spec(**steps({"name": "api"}), observe=OBSERVE))
    assert problem.startswith(
        'spec.observe[0].name: "api" is already the name of spec.scenarios[0].steps'
    )


def test_a_window_too_short_for_pods_is_doubted() -> None:
    slos = [{"metric": "memory.growth", "of": "api", "max": "1Mi"}]
    short = spec({"open": {"rate": "100/s", "duration": "30s"}}, slos=slos, observe=OBSERVE)
    assert "in a window of less than 60s" in warnings(short)[0]
    assert check(short).in_cluster == check(short).warnings
    assert warnings(spec(slos=slos, observe=OBSERVE)) == []


def test_a_prometheus_that_names_no_host_is_refused() -> None:
    thing = {"name": "q", "prometheus": {"url": "http://[::1", "query": "up"}}
    (problem,) = problems(spec(observe=[thing]))
    assert problem.startswith("spec.observe[0].prometheus.url: ")
