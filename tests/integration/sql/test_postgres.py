"""A load on a real PostgreSQL, beside what the server itself has counted."""

from collections.abc import Iterator

import pytest

from tests.databases import Postgres, postgres

from .loads import burst, run


@pytest.fixture(scope="module")
def database(database_tools: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    with postgres() as server:
        server.ask(
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
    return int(database.ask(asked))


@pytest.mark.parametrize("prepared", [True, False])
def test_the_server_has_run_as_many_statements_as_are_reported(
    database: Postgres, prepared: bool
) -> None:
    database.ask("SELECT pg_stat_statements_reset()")
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
    before = int(database.ask("SELECT count(*) FROM orders"))
    report = run(database.dsn(), burst(50), place, read)
    assert [step.succeeded for step in report.window.steps] == [50, 50]
    assert int(database.ask("SELECT count(*) FROM orders")) == before + 50


def test_a_parameter_of_another_type_is_told(database: Postgres) -> None:
    wrong = {
        "name": "b",
        "sql": {"statement": "SELECT 1 FROM items WHERE id = $1", "parameters": ["many"]},
    }
    assert run(database.dsn(), burst(3), wrong).window.steps[0].errors == {"Data": 3}


def test_connections_are_named_after_the_test(database: Postgres) -> None:
    text = "SELECT 1 WHERE current_setting('application_name') LIKE 'perfrun/% shop/t'"
    step = {"name": "name", "sql": {"statement": text}, "expect": {"rows": 1}}
    assert run(database.dsn(), burst(2), step).window.steps[0].succeeded == 2
