"""Load and objectives of k6 scripts, from what ``k6 inspect`` prints (as k6 1.8.1 does)."""

import json
import stat
import tarfile

import pytest

from perfrun.cli.init.draft import SourceError, amended
from perfrun.cli.init.k6 import k6_amendment
from perfrun.cli.init.kinds import SourceKind, kind_of
from perfrun.cli.init.source import SourceFile
from tests.unit.cli.init.given import document, get, openapi, quiet, read_back

SCRIPT = """import http from 'k6/http';
export const options = {
  scenarios: { browse: {}, buy: {} },
  thresholds: { http_req_duration: [], checks: [] },
};
export default function () {}
"""
NOTHING = dict.fromkeys(("vus", "duration", "iterations", "stages", "scenarios", "rps", "dns"))


@pytest.fixture
def inspect(tmp_path, monkeypatch):
    """Reads a script with a k6 that prints these options."""

    def read(options, script=SCRIPT, code=0, printed=None):
        program = tmp_path / "bin" / "k6"
        program.parent.mkdir(exist_ok=True)
        (tmp_path / "out").write_text(json.dumps(options) if printed is None else printed)
        log = tmp_path / "argv"
        program.write_text(
            f'#!/bin/sh\necho "$@" > {log}\necho "went wrong" >&2\ncat {tmp_path / "out"}\nexit {code}\n'
        )
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setenv("PATH", str(program.parent), prepend=":")
        file = tmp_path / "s.js"
        file.write_bytes(script if isinstance(script, bytes) else script.encode())
        err, said = quiet()
        with SourceFile(str(file)) as source:
            assert kind_of(source) is SourceKind.K6
            found = k6_amendment(source, err)
        assert "k6 executes the script to read its options (k6 inspect)" in said.getvalue()
        assert log.read_text() == f"inspect -- {file}\n"
        return found

    return read


def scenario(**fields):
    return {**NOTHING, "scenarios": {"browse": {"startTime": None, **fields}}}


@pytest.mark.parametrize(
    ("options", "load"),
    [
        (
            scenario(executor="constant-arrival-rate", rate=100, timeUnit="1m0s", duration="1m30s",
                     preAllocatedVUs=5, maxVUs=50),
            {"open": {"rate": "100/m", "duration": "90s", "maxInFlight": 50}},
        ),
        (
            scenario(executor="ramping-arrival-rate", startRate=10, preAllocatedVUs=5,
                     stages=[{"target": 100, "duration": "30s"}, {"target": 0, "duration": "500ms"}]),
            {"open": {"stages": [{"rate": "10/s", "ramp": "0s", "hold": "0s"},
                                 {"rate": "100/s", "ramp": "30s", "hold": "0s"},
                                 {"rate": "0/s", "ramp": "500ms", "hold": "0s"}], "maxInFlight": 5}},
        ),
        (scenario(executor="constant-vus", vus=7, duration="1h0m0s"),
         {"closed": {"users": 7, "duration": "3600s"}}),
        (scenario(executor="shared-iterations", vus=7, iterations=70),
         {"burst": {"requests": 70, "concurrency": 7}}),
        (scenario(executor="per-vu-iterations", vus=7, iterations=10),
         {"burst": {"requests": 70, "concurrency": 7}}),
        ({**NOTHING, "vus": 3, "duration": "10s"}, {"closed": {"users": 3, "duration": "10s"}}),
        ({**NOTHING, "vus": 3, "iterations": 10}, {"burst": {"requests": 10, "concurrency": 3}}),
        ({**NOTHING, "stages": [{"target": 20, "duration": "1m0s"}]},
         {"closed": {"stages": [{"users": 1, "ramp": "0s", "hold": "0s"},
                                {"users": 20, "ramp": "60s", "hold": "0s"}]}}),
    ],
)  # fmt: skip
def test_executors_are_loads(inspect, options, load):
    amendment = inspect(options)
    assert amendment.load == load
    (test,) = read_back(amended(openapi(document({"/a": get()})), amendment))
    assert test.spec.scenarios[0].steps[0].class_ is None
    assert amendment.notes == (
        "Not carried over: the requests of the script: also pass a HAR or OpenAPI file",
    )


def test_thresholds_are_objectives(inspect):
    thresholds = {
        "http_req_duration": ["p(95)<500", "med<=200", "avg<1500.5"],
        "http_req_failed": [{"threshold": "rate<0.01", "abortOnFail": False}],
        "http_reqs": ["rate>100"],
        "http_req_waiting{expected_response:true}": ["p(99)<300"],
    }
    amendment = inspect(
        {**scenario(executor="constant-vus", vus=1, duration="1s"), "thresholds": thresholds}
    )
    assert amendment.slos == (
        {"metric": "latency.p95", "max": "500ms", "onBreach": "Fail"},
        {"metric": "latency.p50", "max": "200ms", "onBreach": "Fail"},
        {"metric": "latency.avg", "max": "1500ms", "onBreach": "Fail"},
        {"metric": "errorRate", "max": "1%", "onBreach": "Fail"},
        {"metric": "throughput", "min": "100/s", "onBreach": "Fail"},
        {"metric": "ttfb.p99", "max": "300ms", "onBreach": "Fail"},
    )
    read_back(amended(openapi(document({"/a": get()})), amendment))


def test_thresholds_are_read_as_k6_reads_them(inspect):
    thresholds = {
        "http_req_duration{expected_response: true}": ["p(95.0)<1e3"],
        "http_reqs": ["rate>=+5"],
        "http_req_failed{expected_response:true}": ["rate<1e-7"],
        "http_req_waiting{}": ["avg<500"],  # k6 refuses it
        "http_req_failed": ["rate<-1"],  # never true
    }
    amendment = inspect({"thresholds": thresholds})
    assert amendment.slos == (
        {"metric": "latency.p95", "max": "1s", "onBreach": "Fail"},
        {"metric": "throughput", "min": "5/s", "onBreach": "Fail"},
        {"metric": "errorRate", "max": "0.00001%", "onBreach": "Fail"},
    )
    named = [one for one in amendment.notes if "threshold " in one]
    assert named == [
        "Not carried over: threshold http_req_waiting{}: avg<500",
        "Not carried over: threshold http_req_failed: rate<-1",
    ]


def test_what_a_test_cannot_have_is_named_with_its_line(inspect):
    options = {
        "scenarios": {
            "browse": {"executor": "externally-controlled", "exec": "b", "env": {"A": "1"}},
            "buy": {"executor": "constant-vus", "vus": 1, "duration": "1s"},
            "more": {"executor": "constant-vus", "vus": 1, "duration": "1s"},
        },
        "thresholds": {
            "http_req_duration": ["p(98)<500", {"threshold": "p(95)<9", "abortOnFail": True}],
            "http_req_duration{name:x}": ["p(95)<500"],
            "checks": ["rate>0.9"],
            "http_reqs": ["count>9", 7],
        },
        "rps": 10,
        "dns": {"ttl": None},
        "hosts": {"a": "b"},
    }
    assert [one.removeprefix("Not carried over: ") for one in inspect(options).notes] == [
        "the requests of the script: also pass a HAR or OpenAPI file",
        "option rps",
        "option hosts",
        'scenario "browse" (externally-controlled): its load (line 3)',
        'scenario "browse" (externally-controlled): exec (line 3)',
        'scenario "browse" (externally-controlled): env (line 3)',
        'scenario "more" (constant-vus): a test has one load',
        "threshold http_req_duration: p(98)<500 (line 4)",
        "threshold http_req_duration: p(95)<9: that it stops the run: see load.stopWhen (line 4)",
        "threshold http_req_duration{name:x}: p(95)<500",
        "threshold checks: rate>0.9 (line 4)",
        "threshold http_reqs: count>9",
        "threshold http_reqs:",
    ]


def test_an_archive_is_read_as_a_script_is(inspect, tmp_path):
    with tarfile.open(tmp_path / "a.tar", "w", format=tarfile.USTAR_FORMAT) as archive:
        (tmp_path / "data").write_text(SCRIPT)
        archive.add(tmp_path / "data", "data")
    found = inspect(
        scenario(executor="constant-vus", vus=1, duration="1s"), (tmp_path / "a.tar").read_bytes()
    )
    assert found.load == {"closed": {"users": 1, "duration": "1s"}}


def test_a_script_that_k6_cannot_read_is_told(inspect, monkeypatch, tmp_path):
    with pytest.raises(SourceError, match=r"s\.js: k6 inspect: went wrong"):
        inspect({}, code=1)
    with pytest.raises(SourceError, match="its output is not JSON"):
        inspect({}, printed="{")
    monkeypatch.setenv("PATH", str(tmp_path))
    err, said = quiet()
    with (
        SourceFile(str(tmp_path / "s.js")) as source,
        pytest.raises(
            SourceError, match=r"s\.js: is a k6 script: k6 reads it, but is not in the PATH"
        ),
    ):
        k6_amendment(source, err)
    assert said.getvalue() == ""  # nothing is executed, and so nothing is said of it
