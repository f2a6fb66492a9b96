"""A load on a real MariaDB, beside what the server itself has kept."""

from collections.abc import Iterator

import pytest

from tests.databases import Mariadb, mariadb

from .loads import burst, run


@pytest.fixture(scope="module")
def database(database_tools: None) -> Iterator[Mariadb]:
    with mariadb() as server:
        server.ask(
            "CREATE TABLE items(id int PRIMARY KEY, name varchar(50));"
            "INSERT INTO items SELECT seq, concat('item ', seq) FROM seq_1_to_1000;"
            "CREATE TABLE orders(id int AUTO_INCREMENT PRIMARY KEY, item int NOT NULL, note text)"
        )
        yield server


@pytest.mark.parametrize("prepared", [True, False])
def test_statements_run_as_often_as_reported(database: Mariadb, prepared: bool) -> None:
    database.ask("DELETE FROM orders")
    step = {
        "name": "place",
        "sql": {
            "statement": "INSERT INTO orders(item, note) VALUES (%s, %s)",
            "parameters": ["$(seq())", "it's $(text(10)) \\ %s"],
            "prepared": prepared,
        },
        "expect": {"rows": 1},
    }
    report = run(database.dsn(), burst(100, 4), step)
    (got,) = report.window.steps
    assert (got.succeeded, got.checks_passed) == (100, 100)
    assert database.ask("SELECT count(*), count(DISTINCT item) FROM orders") == "100\t100"
    assert (
        database.ask("SELECT DISTINCT left(note, 5), right(note, 5) FROM orders").count("it's") == 1
    )


@pytest.mark.parametrize("prepared", [True, False])
def test_the_server_prepares_a_statement_once_a_connection(
    database: Mariadb, prepared: bool
) -> None:
    before = prepared_statements(database)
    sql = {
        "statement": "SELECT name FROM items WHERE id = %s",
        "parameters": ["$(int(1, 1000))"],
        "prepared": prepared,
    }
    report = run(database.dsn(), burst(50), {"name": "by-id", "sql": sql})
    prepares, executions = (
        now - then for now, then in zip(prepared_statements(database), before, strict=True)
    )
    connections = report.generator.connections
    assert (prepares, executions) == ((connections, 50) if prepared else (0, 0))


def prepared_statements(database: Mariadb) -> tuple[int, int]:
    """How many the server has prepared so far, and how often it has run one."""
    told = database.ask("SHOW GLOBAL STATUS WHERE Variable_name LIKE 'Com_stmt_%e%'")
    counts = dict(line.split("\t") for line in told.splitlines())
    return int(counts["Com_stmt_prepare"]), int(counts["Com_stmt_execute"])


def test_a_transaction_with_too_few_parameters_is_not_committed_by_the_next(
    database: Mariadb,
) -> None:
    before = database.ask("SELECT count(*) FROM orders")
    insert = {"statement": "INSERT INTO orders(item) VALUES (%s)", "parameters": ["1"]}
    wrong = {"statement": "UPDATE items SET name = %s WHERE id = %s", "parameters": ["x"]}
    step = {"name": "both", "sql": {"transaction": [insert, wrong]}}
    assert run(database.dsn(), burst(10, 1), step).window.steps[0].errors == {"Data": 10}
    assert database.ask("SELECT count(*) FROM orders") == before


@pytest.mark.parametrize("prepared", [True, False])
def test_bytes_that_are_no_text_are_not_extracted(database: Mariadb, prepared: bool) -> None:
    sql = {"statement": "SELECT x'00ff' AS raw FROM items WHERE id = %s", "parameters": ["1"]}
    step = {"name": "x", "sql": {**sql, "prepared": prepared}, "extract": {"v": {"column": "raw"}}}
    (got,) = run(database.dsn(), burst(2), step).window.steps
    assert got.errors == {"Data": 2}
    assert "read hex(raw), write unhex(%s)" in got.messages["Data"]
