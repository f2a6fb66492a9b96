"""A load on a real PostgreSQL, beside what the server itself has counted."""

from collections.abc import Iterator
from time import monotonic_ns

import pytest

from perfrun.engine.errors import EngineError
from tests.databases import PASSWORD, Postgres, postgres

from .loads import burst, run


@pytest.fixture(scope="module")
def database(database_tools: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    with postgres() as server:
        server.psql(
            "CREATE TABLE items(id int PRIMARY KEY, name text);"
            "INSERT INTO items SELECT i, 'item ' || i FROM generate_series(1, 1000) i;"
            "CREATE TABLE orders(id serial PRIMARY KEY, item int NOT NULL, note text, at timestamptz);"
            "GRANT ALL ON ALL TABLES IN SCHEMA public TO loader;"
            "GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO loader"
        )
        yield server


def calls(database: Postgres, like: str) -> int:
    """How often the server has run a statement."""
    asked = f"SELECT coalesce(sum(calls), 0) FROM pg_stat_statements WHERE query LIKE '{like}%'"
    return int(database.psql(asked))


@pytest.mark.parametrize("prepared", [True, False])
def test_the_server_has_run_as_many_statements_as_are_reported(
    database: Postgres, prepared: bool
) -> None:
    database.psql("SELECT pg_stat_statements_reset()")
    text = "SELECT name FROM items WHERE id = $1"
    step = {
        "name": "by-id",
        "sql": {"statement": text, "parameters": ["$(int(1, 1000))"], "prepared": prepared},
        "expect": {"rows": 1},
    }
    report = run(database.dsn(), burst(500), step)
    (got,) = report.window.steps
    assert (got.sent, got.succeeded, got.checks_passed) == (500, 500, 500)
    assert calls(database, "SELECT name FROM items") == got.attempts == 500


@pytest.mark.parametrize(("prepared", "known"), [(True, 1), (False, 0)])
def test_the_server_keeps_a_statement_only_if_it_is_prepared(
    database: Postgres, prepared: bool, known: int
) -> None:
    # Those of the connection that asks.
    sql = {"statement": "SELECT statement FROM pg_prepared_statements", "prepared": prepared}
    step = {"name": "kept", "sql": sql, "expect": {"rows": known}}
    report = run(database.dsn(), burst(50), step)
    assert report.window.steps[0].succeeded == 50, report.window.steps[0].said


def test_parameters_of_many_types_and_values_of_earlier_rows(database: Postgres) -> None:
    place = {
        "name": "place",
        "sql": {
            "statement": "INSERT INTO orders(item, note, at) VALUES ($1, $2, $3) RETURNING id",
            "parameters": ["$(int(1, 1000))", "$(uuid())", "$(now())"],
        },
        "extract": {"order": {"column": "id"}},
    }
    read = {
        "name": "read",
        "sql": {"statement": "SELECT 1 FROM orders WHERE id = $1", "parameters": ["$(order)"]},
        "expect": {"rows": 1},
    }
    before = int(database.psql("SELECT count(*) FROM orders"))
    report = run(database.dsn(), burst(50), place, read)
    assert [step.succeeded for step in report.window.steps] == [50, 50]
    assert int(database.psql("SELECT count(*) FROM orders")) == before + 50


def test_a_transaction_that_fails_leaves_nothing_behind(database: Postgres) -> None:
    before = database.psql("SELECT count(*) FROM orders")
    step = {
        "name": "both",
        "sql": {
            "transaction": [
                {"statement": "INSERT INTO orders(item) VALUES ($1)", "parameters": ["1"]},
                {"statement": "INSERT INTO items VALUES (1, 'there is one')"},
            ]
        },
    }
    report = run(database.dsn(), burst(20), step)
    assert report.window.steps[0].errors == {"Sql23": 20}
    assert database.psql("SELECT count(*) FROM orders") == before


def test_a_batch_sends_other_data_in_each_row(database: Postgres) -> None:
    database.psql("DELETE FROM orders")
    step = {
        "name": "import",
        "sql": {
            "statement": "INSERT INTO orders(item, note) VALUES ($1, $2)",
            "parameters": ["$(seq())", "$(text(10))"],
            "batch": 25,
        },
        "expect": {"rows": 25},
    }
    report = run(database.dsn(), burst(8), step)
    assert report.window.steps[0].succeeded == 8
    assert database.psql("SELECT count(*), count(DISTINCT item) FROM orders") == "200|200"


def test_rows_that_are_not_as_expected_fail_a_check(database: Postgres) -> None:
    step = {"name": "none", "sql": {"statement": "SELECT 1 WHERE false"}, "expect": {"rows": 1}}
    assert run(database.dsn(), burst(5), step).window.steps[0].errors == {"Check": 5}


def test_a_missing_table_and_a_bad_parameter_are_told_by_their_class(database: Postgres) -> None:
    missing = {"name": "a", "sql": {"statement": "SELECT 1 FROM nowhere"}}
    assert run(database.dsn(), burst(3), missing).window.steps[0].errors == {"Sql42": 3}
    wrong = {
        "name": "b",
        "sql": {"statement": "SELECT 1 FROM items WHERE id = $1", "parameters": ["many"]},
    }
    assert run(database.dsn(), burst(3), wrong).window.steps[0].errors == {"Data": 3}


def test_what_timed_out_does_not_go_on_in_the_server(database: Postgres) -> None:
    step = {"name": "slow", "sql": {"statement": "SELECT pg_sleep(20)"}}
    report = run(database.dsn(), burst(3, 3), step, timeout="300ms")
    assert report.window.steps[0].errors == {"Timeout": 3}
    mine = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'loader' AND state = 'active'"
    deadline = monotonic_ns() + 5_000_000_000
    while database.psql(mine) != "0":
        assert monotonic_ns() < deadline, "the statements of a run that is over go on"


def test_no_more_connections_than_the_test_allows(database: Postgres) -> None:
    step = {"name": "slow", "sql": {"statement": "SELECT pg_sleep(0.05)"}}
    report = run(database.dsn(), burst(40, 20), step, maxConnections=3)
    assert report.window.steps[0].succeeded == 40
    assert report.generator.connections == 3


def test_connections_are_named_after_the_test(database: Postgres) -> None:
    text = "SELECT 1 WHERE current_setting('application_name') LIKE 'perfrun/% shop/t'"
    step = {"name": "name", "sql": {"statement": text}, "expect": {"rows": 1}}
    assert run(database.dsn(), burst(2), step).window.steps[0].succeeded == 2


@pytest.mark.parametrize(
    ("change", "reason", "says"),
    [
        ({"password": "wrong"}, "Sql28", 'password authentication failed for user "loader"'),
        ({"database": "nowhere"}, "Sql3D", 'database "nowhere" does not exist'),
    ],
)
def test_a_refused_login_is_told_before_the_load(
    database: Postgres, change: dict[str, str], reason: str, says: str
) -> None:
    step = {"name": "q", "sql": {"statement": "SELECT 1"}}
    with pytest.raises(EngineError, match=says) as refused:
        run(database.dsn(**change), burst(2), step)
    assert refused.value.reason == reason
    assert PASSWORD not in refused.value.message
    assert "wrong" not in refused.value.message


def test_a_server_without_tls_is_told_where_it_is_asked_for(database: Postgres) -> None:
    step = {"name": "q", "sql": {"statement": "SELECT 1"}}
    with pytest.raises(EngineError, match="SSL") as refused:
        run(database.dsn() + "?sslmode=require", burst(2), step)
    assert PASSWORD not in refused.value.message
