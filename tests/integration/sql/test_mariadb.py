"""A load on a real MariaDB, beside what the server itself has kept."""

from collections.abc import Iterator
from time import monotonic_ns

import pytest

from perfrun.engine.errors import EngineError
from tests.databases import PASSWORD, Mariadb, mariadb

from .loads import burst, run


@pytest.fixture(scope="module")
def database(database_tools: None) -> Iterator[Mariadb]:
    with mariadb() as server:
        server.sql(
            "CREATE TABLE items(id int PRIMARY KEY, name varchar(50));"
            "INSERT INTO items SELECT seq, concat('item ', seq) FROM seq_1_to_1000;"
            "CREATE TABLE orders(id int AUTO_INCREMENT PRIMARY KEY, item int NOT NULL, note text)"
        )
        yield server


@pytest.mark.parametrize("prepared", [True, False])
def test_statements_run_as_often_as_reported(database: Mariadb, prepared: bool) -> None:
    database.sql("DELETE FROM orders")
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
    assert database.sql("SELECT count(*), count(DISTINCT item) FROM orders") == "100\t100"
    assert (
        database.sql("SELECT DISTINCT left(note, 5), right(note, 5) FROM orders").count("it's") == 1
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
    told = database.sql("SHOW GLOBAL STATUS WHERE Variable_name LIKE 'Com_stmt_%e%'")
    counts = dict(line.split("\t") for line in told.splitlines())
    return int(counts["Com_stmt_prepare"]), int(counts["Com_stmt_execute"])


def test_values_of_rows_go_into_later_steps(database: Mariadb) -> None:
    first = {
        "name": "find",
        "sql": {"statement": "SELECT id FROM items WHERE id = %s", "parameters": ["$(int(1, 9))"]},
        "extract": {"found": {"column": "id"}},
    }
    second = {
        "name": "read",
        "sql": {"statement": "SELECT name FROM items WHERE id = %s", "parameters": ["$(found)"]},
        "expect": {"rows": 1},
    }
    report = run(database.dsn(), burst(30, 3), first, second)
    assert [step.succeeded for step in report.window.steps] == [30, 30]


def test_a_transaction_that_fails_leaves_nothing_behind(database: Mariadb) -> None:
    before = database.sql("SELECT count(*) FROM orders")
    step = {
        "name": "both",
        "sql": {
            "transaction": [
                {"statement": "INSERT INTO orders(item) VALUES (%s)", "parameters": ["1"]},
                {"statement": "INSERT INTO items VALUES (1, 'there is one')"},
            ]
        },
    }
    assert run(database.dsn(), burst(20, 4), step).window.steps[0].errors == {"Sql23": 20}
    assert database.sql("SELECT count(*) FROM orders") == before


def test_a_transaction_with_too_few_parameters_is_not_committed_by_the_next(
    database: Mariadb,
) -> None:
    before = database.sql("SELECT count(*) FROM orders")
    insert = {"statement": "INSERT INTO orders(item) VALUES (%s)", "parameters": ["1"]}
    wrong = {"statement": "UPDATE items SET name = %s WHERE id = %s", "parameters": ["x"]}
    step = {"name": "both", "sql": {"transaction": [insert, wrong]}}
    assert run(database.dsn(), burst(10, 1), step).window.steps[0].errors == {"Data": 10}
    assert database.sql("SELECT count(*) FROM orders") == before


def test_a_batch_sends_other_data_in_each_row(database: Mariadb) -> None:
    database.sql("DELETE FROM orders")
    step = {
        "name": "import",
        "sql": {
            "statement": "INSERT INTO orders(item, note) VALUES (%s, %s)",
            "parameters": ["$(seq())", "x"],
            "batch": 25,
        },
        "expect": {"rows": 25},
    }
    assert run(database.dsn(), burst(8), step).window.steps[0].succeeded == 8
    assert database.sql("SELECT count(*), count(DISTINCT item) FROM orders") == "200\t200"


def test_errors_are_told_by_their_class(database: Mariadb) -> None:
    for statement, error in (
        ("SELECT 1 FROM nowhere", "Sql42"),
        ("SELEC 1", "Sql42"),
        ("INSERT INTO items VALUES (1, 'x')", "Sql23"),
    ):
        step = {"name": "x", "sql": {"statement": statement}}
        assert run(database.dsn(), burst(2), step).window.steps[0].errors == {error: 2}


def test_what_timed_out_does_not_go_on_in_the_server(database: Mariadb) -> None:
    step = {"name": "slow", "sql": {"statement": "SELECT sleep(20)"}}
    report = run(database.dsn(), burst(3, 3), step, timeout="300ms")
    assert report.window.steps[0].errors == {"Timeout": 3}
    mine = "SELECT count(*) FROM information_schema.processlist WHERE user = 'loader'"
    deadline = monotonic_ns() + 5_000_000_000
    while database.sql(mine) != "0":
        assert monotonic_ns() < deadline, "the statements of a run that is over go on"


@pytest.mark.parametrize(
    ("change", "reason"), [({"password": "wrong"}, "Sql28"), ({"database": "nowhere"}, "Sql42")]
)
def test_a_refused_login_is_told_before_the_load(
    database: Mariadb, change: dict[str, str], reason: str
) -> None:
    step = {"name": "q", "sql": {"statement": "SELECT 1"}}
    with pytest.raises(EngineError, match="refused the login") as refused:
        run(database.dsn(**change), burst(2), step)
    assert refused.value.reason == reason
    assert PASSWORD not in refused.value.message
    assert "wrong" not in refused.value.message
