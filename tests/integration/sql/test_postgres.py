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
    assert report.window.steps[0].succeeded == 50, report.window.steps[0].messages


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


@pytest.mark.parametrize(
    ("type_", "text"),
    [
        ("timestamp", "$(now())"),
        ("timestamptz", "$(now())"),
        ("date", "$(now())"),
        ("timetz", "12:30:00+02:00"),
        ("interval", "1 day"),
        ("interval", "P1DT2H"),
        ("int", " 7 "),
        ("numeric", "1e3"),
        ("float8", "Infinity"),
        ("bool", "off"),
        ("int[]", "{1,2}"),
        ("daterange", "[2026-01-01,2026-02-01)"),
        ("uuid", "{$(uuid())}"),
        ("bytea", "\\x0102ff"),
        ("inet", "10.0.0.1/8"),
        ("jsonb", '{"a": [1, null]}'),
    ],
)
def test_texts_are_taken_as_the_server_takes_them(
    database: Postgres, type_: str, text: str
) -> None:
    sql = {"statement": f"SELECT 1 WHERE $1::{type_} IS NOT NULL", "parameters": [text]}
    step = {"name": "x", "sql": sql, "expect": {"rows": 1}}
    (got,) = run(database.dsn(), burst(2), step).window.steps
    assert got.succeeded == 2, (got.errors, got.messages)


@pytest.mark.parametrize(
    ("type_", "text", "why"),
    [
        ("int", "secret", "invalid text representation"),
        ("int", "99999999999", "numeric value out of range"),
        ("float8", "1e999", "numeric value out of range"),
        ("date", "2026-02-30", "datetime field overflow"),
        ("timestamp", "secret", "invalid datetime format"),
        ("int[]", "{1,secret", "invalid text representation"),
        ("jsonb", "{secret", "invalid text representation"),
        ("text", "a\0secret", "character not in repertoire"),
    ],
)
@pytest.mark.parametrize("prepared", [True, False])
def test_a_text_that_the_server_cannot_read_is_data_and_is_not_repeated(
    database: Postgres, type_: str, text: str, why: str, prepared: bool
) -> None:
    sql = {"statement": f"SELECT 1, $1::int, $2::{type_}", "parameters": ["1", text]}
    report = run(database.dsn(), burst(3), {"name": "x", "sql": {**sql, "prepared": prepared}})
    (got,) = report.window.steps
    assert got.errors == {"Data": 3}
    assert got.messages == {"Data": f"the server cannot read parameter $2: {why}"}


@pytest.mark.parametrize("statement", ["SELECT 1 / ($1::int - 1)", "SELECT ($1::text || 'x')::int"])
def test_a_value_that_fails_in_the_midst_of_a_statement_is_of_the_server(
    database: Postgres, statement: str
) -> None:
    step = {"name": "x", "sql": {"statement": statement, "parameters": ["1"]}}
    assert run(database.dsn(), burst(3), step).window.steps[0].errors == {"Sql22": 3}


@pytest.mark.parametrize(
    ("type_", "is_null"),
    [("int", True), ("bytea", True), ("date[]", True), ("text", False), ("varbit", False)],
)
def test_an_empty_text_is_null_where_it_is_no_value(
    database: Postgres, type_: str, is_null: bool
) -> None:
    sql = {"statement": f"SELECT 1 WHERE ($1::{type_} IS NULL) = {is_null}", "parameters": [""]}
    step = {"name": "x", "sql": sql, "expect": {"rows": 1}}
    (got,) = run(database.dsn(), burst(2), step).window.steps
    assert got.succeeded == 2, (got.errors, got.messages)


def test_types_of_users_are_not_asked_for(database: Postgres) -> None:
    database.ask("CREATE TYPE size AS ENUM ('s', 'm'); SELECT pg_stat_statements_reset()")
    sql = {"statement": "SELECT $1::size[]", "parameters": ["{s,m}"]}
    assert run(database.dsn(), burst(4), {"name": "x", "sql": sql}).window.steps[0].succeeded == 4
    others = "SELECT query FROM pg_stat_statements s JOIN pg_roles r ON r.oid = s.userid "
    assert database.ask(others + "WHERE rolname = 'loader'") == "SELECT $1::size[]"


def test_connections_are_named_after_the_test(database: Postgres) -> None:
    text = "SELECT 1 WHERE current_setting('application_name') LIKE 'perfrun/% shop/t'"
    step = {"name": "name", "sql": {"statement": text}, "expect": {"rows": 1}}
    assert run(database.dsn(), burst(2), step).window.steps[0].succeeded == 2
