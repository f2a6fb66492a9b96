"""What the other generators print, as their present versions do."""

import json
from pathlib import Path

import pytest

from benchmarks.clients import CLIENTS, Job, Said

JOB = Job("http://127.0.0.1:1/", seconds=1)

WRK = """Running 1s test @ http://127.0.0.1:1/
  1 threads and 4 connections
  28028 requests in 1.00s, 8.23MB read
{more}Requests/sec:  28003.75
Transfer/sec:      8.23MB
"""
HEY = """
Summary:
  Total:	2.0000 secs
  Requests/sec:	12910.0000

Status code distribution:
  [200]	25000 responses
  [503]	820 responses

Error distribution:
  [7]	Get "http://127.0.0.1:1/": EOF
"""


def read(name: str, output: str, folder: Path = Path()) -> Said:
    return CLIENTS[name].read(output, JOB, folder)


def test_wrk_counts_what_succeeded():
    assert read("wrk", WRK.format(more="")) == Said(28003.75, 0)


def test_wrk_that_was_only_refused_has_no_rate():
    refused = "  Non-2xx or 3xx responses: 28028\n"
    assert read("wrk", WRK.format(more=refused)) == Said(0.0, 28028)


def test_errors_of_sockets_count_as_failed():
    broken = "  Socket errors: connect 1, read 2, write 3, timeout 4\n"
    assert read("wrk", WRK.format(more=broken)) == Said(28003.75, 10)


def test_hey_tells_statuses_and_errors_apart():
    assert read("hey", HEY) == Said(12500.0, 827)


def test_what_oha_cuts_off_at_the_end_has_not_failed():
    said = {
        "summary": {"total": 2.0},
        "statusCodeDistribution": {"200": 100, "404": 5},
        "errorDistribution": {"aborted due to deadline": 32, "connection refused": 1},
    }
    assert read("oha", json.dumps(said)) == Said(50.0, 6)


def test_k6_is_read_from_its_summary(tmp_path):
    metrics = {
        "http_reqs": {"rate": 100.0, "count": 200},
        "http_req_failed": {"passes": 20},
        "checks": {"fails": 3},
    }
    (tmp_path / "k6.json").write_text(json.dumps({"metrics": metrics}))
    assert read("k6", "", tmp_path) == Said(90.0, 23)


def test_locust_prints_more_than_its_figures():
    said = {"num_requests": 30, "num_failures": 10, "start_time": 5.0}
    output = "some log\n" + json.dumps([{**said, "last_request_timestamp": 7.0}], indent=1)
    assert read("locust", output) == Said(10.0, 10)


@pytest.mark.parametrize("name", ["wrk", "hey", "oha", "locust"])
def test_output_of_another_kind_is_refused(name):
    with pytest.raises((ValueError, KeyError)):
        read(name, "usage: something else")
