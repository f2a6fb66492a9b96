"""A database under load on the real cluster, beside what the server itself has counted."""

import re

import pytest

from tests.e2e.processes import kill
from tests.e2e.shop import HERE, ROOT, Shop, until

pytestmark = pytest.mark.timing

EXAMPLE = ROOT / "examples/databases/postgresql.yaml"
SLOW = """
apiVersion: perfrun.dev/v1alpha1
kind: PerfTest
metadata: {name: slow-query}
spec:
  target: {sql: {dsnFrom: {secretKeyRef: {name: orders-db, key: dsn}}}}
  scenarios:
  - name: s
    steps:
    - {name: slow, class: SimpleQuery, sql: {statement: "select pg_sleep(0.15)"}}
  load: {burst: {requests: 250, concurrency: 10}}
"""
KILLED = """
apiVersion: perfrun.dev/v1alpha1
kind: PerfTest
metadata: {name: killed}
spec:
  target: {sql: {dsnFrom: {secretKeyRef: {name: orders-db, key: dsn}}}}
  teardown:
  - {name: clean-up, sql: {statement: "delete from orders where note = 'of the killed'"}}
  scenarios:
  - name: s
    steps:
    - {name: write, sql: {statement: "insert into orders(item, note) values (1, 'of the killed')"}}
  load: {workers: 2, open: {rate: 20/s, duration: 20s}}
"""


def psql(shop: Shop, statement: str) -> str:
    """What the server says, asked on its own node."""
    return shop.kubectl(
        *("exec", "deploy/orders-db", "--"),
        *("psql", "-h", "/data", "-U", "postgres", "-d", "shop", "-qAtc", statement),
    ).strip()


@pytest.fixture(scope="module")
def database(shop: Shop) -> Shop:
    text = (HERE / "database.yaml").read_text()
    shop.apply(text.replace("TARGET_IMAGE", shop.cluster.target_image))
    shop.kubectl("rollout", "status", "deploy/orders-db", "--timeout=90s")
    shop.apply_all_but_tests(EXAMPLE)
    return shop


def test_the_example_passes_and_the_server_counted_the_same(database: Shop) -> None:
    psql(database, "select pg_stat_statements_reset()")
    database.kubectl("apply", "-f", EXAMPLE)
    status = database.done(database.first_run("orders-db"))["status"]
    assert status["verdict"] == "Pass", status["message"]
    sent = {step["name"]: step["attempts"]["window"] for step in status["steps"]}

    def calls(like: str) -> int:
        told = psql(
            database,
            f"select coalesce(sum(calls), 0) from pg_stat_statements where query ilike '{like}%'",
        )
        return int(told)

    assert calls("select name, price") == sent["by-id"]
    assert calls("select i.id, count") == sent["best-sellers"]
    assert calls("update items set stock") == sent["order"]
    # The teardown has left nothing of the load, and nobody is connected any more.
    assert psql(database, "select count(*) from orders where note <> 'before'") == "0"
    assert psql(database, "select count(*) from pg_stat_activity where usename = 'loader'") == "0"


def test_a_slow_query_misses_the_objective_of_its_class(database: Shop) -> None:
    database.apply(SLOW)
    status = database.done(database.first_run("slow-query"))["status"]
    assert status["verdict"] == "Warn"
    assert re.search(r"latency.p95 of slow was 1\d\d.*ms, at most 100ms", status["message"])


def test_workers_that_are_evicted_leave_no_rows_and_no_connections(database: Shop) -> None:
    run = _writing(database, "killed")
    selector = f"perfrun.dev/run={run}"
    database.kubectl("delete", "pod", "-l", selector, "--wait=false")
    status = database.done(run)["status"]
    assert (status["verdict"], status["workers"]["reported"]) == ("Inconclusive", 2)
    assert status["message"].startswith("stopped (no worker was left); ")
    lost = (
        r"; lost: worker [01]\b.*: .*\(its measurements before that are counted\) \(and 1 more\)$"
    )
    assert re.search(lost, status["message"])
    _nothing_is_left(database)


@pytest.mark.parametrize("indexes", [[0], [0, 1]], ids=["worker-0", "all"])
def test_workers_that_are_killed_leave_no_rows_and_no_connections(
    database: Shop, indexes: list[int]
) -> None:
    name = f"killed-hard-{len(indexes)}"
    run = _writing(database, name)
    for index in indexes:
        selector = f"perfrun.dev/run={run},batch.kubernetes.io/job-completion-index={index}"
        kill(database.cluster, database.namespace, selector, b"perfrun.worker")
    status = database.done(run)["status"]
    assert "teardown failed" not in status["message"]
    _nothing_is_left(database)


def _writing(database: Shop, name: str) -> str:
    """A run of KILLED under that name, once it has written something."""
    database.apply(KILLED.replace("name: killed}", f"name: {name}}}"))
    run = database.first_run(name)
    asked = "select count(*) > 20 from orders where note = 'of the killed'"
    until("rows are written", lambda: psql(database, asked) == "t")
    return run


def _nothing_is_left(database: Shop) -> None:
    asked = "select count(*) from pg_stat_activity where usename = 'loader'"
    until("no connection is left", lambda: psql(database, asked) == "0")
    assert psql(database, "select count(*) from orders where note = 'of the killed'") == "0"
