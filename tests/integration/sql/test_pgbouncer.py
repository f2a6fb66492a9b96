"""A load on PostgreSQL through a real PgBouncer, which refuses settings that it does not know."""

from collections.abc import Iterator
from time import monotonic_ns

import pytest

from tests.databases import Postgres, pgbouncer, postgres

from .loads import burst, run

BY_ID = {"statement": "SELECT name FROM items WHERE id = $1", "parameters": ["$(int(1, 9))"]}


@pytest.fixture(scope="module")
def server(database_tools: None) -> Iterator[Postgres]:
    with postgres() as started:
        started.ask(
            "CREATE TABLE items(id int PRIMARY KEY, name text);"
            "INSERT INTO items SELECT i, 'item ' || i FROM generate_series(1, 9) i;"
            "GRANT ALL ON items TO loader"
        )
        yield started


@pytest.fixture(scope="module", params=["session", "transaction"])
def pooler(request: pytest.FixtureRequest, server: Postgres) -> Iterator[Postgres]:
    with pgbouncer(server, request.param) as started:
        yield started


@pytest.fixture(scope="module")
def session_pooler(server: Postgres) -> Iterator[Postgres]:
    with pgbouncer(server, "session") as started:
        yield started


@pytest.mark.parametrize("connections", ["Shared", "PerRequest"])
def test_a_load_runs_through_each_pooling(pooler: Postgres, connections: str) -> None:
    one = {"name": "by-id", "sql": {**BY_ID, "prepared": False}, "expect": {"rows": 1}}
    both = {"name": "both", "sql": {"transaction": [BY_ID, BY_ID], "prepared": False}}
    report = run(pooler.dsn(), burst(40, 4), one, both, connections=connections)
    for step in report.window.steps:
        assert (step.succeeded, step.errors) == (40, {}), step.messages


def test_prepared_statements_are_kept_where_the_session_is(session_pooler: Postgres) -> None:
    step = {"name": "by-id", "sql": BY_ID, "expect": {"rows": 1}}
    report = run(session_pooler.dsn(), burst(60, 4), step)
    assert report.window.steps[0].succeeded == 60, report.window.steps[0].messages


def test_a_pooler_that_keeps_no_prepared_statement_is_told(server: Postgres) -> None:
    # From 1.21 on, and with max_prepared_statements, PgBouncer keeps them.
    with pgbouncer(server, "transaction") as pooler:
        report = run(pooler.dsn(), burst(200, 8), {"name": "by-id", "sql": BY_ID})
    (got,) = report.window.steps
    assert got.errors.keys() <= {"Sql26", "Sql42"}
    for said in got.messages.values():
        assert "use prepared: false" in said


def test_what_timed_out_does_not_go_on_behind_a_pooler(server: Postgres, pooler: Postgres) -> None:
    step = {"name": "slow", "sql": {"statement": "SELECT pg_sleep(20)", "prepared": False}}
    report = run(pooler.dsn(), burst(3, 3), step, timeout="300ms")
    assert report.window.steps[0].errors == {"Timeout": 3}
    deadline = monotonic_ns() + 5_000_000_000
    active = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(20)' AND pid <> pg_backend_pid() AND state = 'active'"
    while server.ask(active) != "0":
        assert monotonic_ns() < deadline, "the statements of a run that is over go on"
