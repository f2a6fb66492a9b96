"""Targets at another address than their manifests say."""

import pytest

from perfrun.api.test.perftest import PerfTest
from perfrun.local.files.retarget import moved_to

HTTP = {"http": {"url": "http://shop:8000/api?region=eu", "timeout": "3s"}}
SQL = {"sql": {"dsnFrom": {"secretKeyRef": {"name": "shop", "key": "dsn"}}}}

CHAT = {"extension": {"kind": "websocket", "address": "chat:8765", "options": {"path": "/a"}}}


def perf_test(target: object) -> PerfTest:
    request = {"sql": {"statement": "select 1"}} if target is SQL else {"extension": {}}
    steps = [{"name": "one", **request}]
    scenarios = [{"name": "all", "steps": steps}] if target is not HTTP else None
    spec = {
        "target": target,
        "load": {"burst": {"requests": 1, "concurrency": 1}},
        **({"scenarios": scenarios} if scenarios else {}),
    }
    return PerfTest.parse({"metadata": {"name": "shop", "namespace": "team"}, "spec": spec})


@pytest.mark.parametrize("origin", ["https://localhost:8443", "https://localhost:8443/"])
def test_the_origin_is_another_one_and_all_else_stays(origin: str) -> None:
    before = perf_test(HTTP)
    (after,) = moved_to(origin, [before])
    assert after.spec.target.the_http.url == "https://localhost:8443/api?region=eu"
    assert after.spec.target.timeout == before.spec.target.timeout == 3_000_000_000
    assert after.metadata == before.metadata
    assert before.spec.target.the_http.url == "http://shop:8000/api?region=eu"


@pytest.mark.parametrize(
    ("origin", "address"),
    [
        ("http://localhost:8765", "localhost:8765"),
        ("http://[::1]:8765/", "[::1]:8765"),
        ("https://chat.example.com", "chat.example.com:443"),
    ],
)
def test_of_an_extension_only_the_address_is_another_one(origin: str, address: str) -> None:
    (after,) = moved_to(origin, [perf_test(CHAT)])
    assert after.spec.target.the_extension.address == address
    assert after.spec.target.the_extension.options == {"path": "/a"}


def test_a_database_stays_where_it_is() -> None:
    database = perf_test(SQL)
    moved = moved_to("http://localhost", [perf_test(HTTP), database])
    assert moved[1] is database
    with pytest.raises(ValueError, match="--url http://localhost: no test has a target with a URL"):
        moved_to("http://localhost", [database])


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
def test_anything_but_an_origin_is_refused(origin: str) -> None:
    with pytest.raises(ValueError, match="--url "):
        moved_to(origin, [perf_test(HTTP)])
