"""What loads do to a database is the same whatever its driver."""

import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from time import monotonic, monotonic_ns
from typing import Any

import pytest

from perfrun.engine.errors import EngineError
from tests.databases import PASSWORD, Database, mariadb, postgres

from .loads import SECONDS_PATIENCE, burst, run


@dataclass(frozen=True)
class Dialect:
    """How one server says it. ``first`` and ``second`` are places of parameters."""

    scheme: str
    tables: str
    first: str
    second: str
    sleeps: str
    busy: str
    """How many statements of the loads are in progress."""
    no_database: str
    """The class of a login to a database that is not there."""
    impatient: str
    """From now on it ends connections that are idle for a second."""
    patient: str
    """No more."""
    kill: str
    """End the connections of the loads if there are two of a state."""
    killed: str
    """What it says then."""
    working: str
    """The state of a connection that is in a statement."""
    resting: str
    """Of one between two statements: not for the moment only between its login and the first."""


POSTGRES = Dialect(
    "postgresql",
    "CREATE TABLE items(id int PRIMARY KEY, name text);"
    "INSERT INTO items SELECT i, 'item ' || i FROM generate_series(1, 1000) i;"
    "CREATE TABLE orders(id serial PRIMARY KEY, item int NOT NULL, note text);"
    "GRANT ALL ON ALL TABLES IN SCHEMA public TO loader;"
    "GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO loader",
    "$1",
    "$2",
    "SELECT pg_sleep({})",
    "SELECT count(*) FROM pg_stat_activity WHERE usename = 'loader' AND state = 'active'",
    "Sql3D",
    "ALTER ROLE loader SET idle_session_timeout = '1s'",
    "ALTER ROLE loader RESET idle_session_timeout",
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'loader' AND 2 ="
    " (SELECT count(*) FROM pg_stat_activity WHERE usename = 'loader' AND {})",
    "t\nt",
    "state = 'active'",
    "state = 'idle' AND state_change < now() - interval '300 ms'",
)
MARIADB = Dialect(
    "mysql",
    "CREATE TABLE items(id int PRIMARY KEY, name varchar(50));"
    "INSERT INTO items SELECT seq, concat('item ', seq) FROM seq_1_to_1000;"
    "CREATE TABLE orders(id int AUTO_INCREMENT PRIMARY KEY, item int NOT NULL, note text)",
    "%s",
    "%s",
    "SELECT sleep({})",
    "SELECT count(*) FROM information_schema.processlist WHERE user = 'loader'",
    "Sql42",
    "SET GLOBAL wait_timeout = 1",
    "SET GLOBAL wait_timeout = 28800",
    "SET @kill = (SELECT if(count(*) = 2, 'KILL USER loader', 'DO 0')"
    " FROM information_schema.processlist WHERE user = 'loader' AND {});"
    "EXECUTE IMMEDIATE @kill; SELECT @kill",
    "KILL USER loader",
    "command IN ('Query', 'Execute')",
    "command = 'Sleep' AND time_ms > 300",
)


@pytest.fixture(scope="module", params=[POSTGRES, MARIADB], ids=["postgresql", "mariadb"])
def dialect(request: pytest.FixtureRequest) -> Dialect:
    given: Dialect = request.param
    return given


@pytest.fixture(scope="module")
def database(database_tools: None, dialect: Dialect) -> Iterator[Database]:
    with postgres() if dialect is POSTGRES else mariadb() as server:
        server.ask(dialect.tables)
        yield server


def insert(dialect: Dialect) -> dict[str, Any]:
    return {
        "statement": f"INSERT INTO orders(item, note) VALUES ({dialect.first}, {dialect.second})",
        "parameters": ["$(seq())", "$(text(10))"],
    }


def orders(database: Database) -> list[str]:
    """How many there are, and of how many items."""
    return database.ask("SELECT count(*), count(DISTINCT item) FROM orders").split("\t")


@pytest.mark.parametrize("prepared", [True, False])
def test_as_many_rows_are_there_as_are_reported(
    database: Database, dialect: Dialect, prepared: bool
) -> None:
    database.ask("DELETE FROM orders")
    step = {"name": "place", "sql": {**insert(dialect), "prepared": prepared}}
    report = run(database.dsn(), burst(100, 4), {**step, "expect": {"rows": 1}})
    (got,) = report.window.steps
    assert (got.sent, got.succeeded, got.checks_passed) == (100, 100, 100)
    assert orders(database) == ["100", "100"]


def test_values_of_rows_go_into_later_steps(database: Database, dialect: Dialect) -> None:
    by_id = f"WHERE id = {dialect.first}"
    find = {
        "name": "find",
        "sql": {"statement": f"SELECT id FROM items {by_id}", "parameters": ["$(int(1, 9))"]},
        "extract": {"found": {"column": "id"}},
    }
    read = {
        "name": "read",
        "sql": {"statement": f"SELECT name FROM items {by_id}", "parameters": ["$(found)"]},
        "expect": {"rows": 1},
    }
    report = run(database.dsn(), burst(30, 3), find, read)
    assert [step.succeeded for step in report.window.steps] == [30, 30]


def test_a_transaction_that_fails_leaves_nothing_behind(
    database: Database, dialect: Dialect
) -> None:
    before = orders(database)
    again = {"statement": "INSERT INTO items VALUES (1, 'there is one')"}
    step = {"name": "both", "sql": {"transaction": [insert(dialect), again]}}
    assert run(database.dsn(), burst(20, 4), step).window.steps[0].errors == {"Sql23": 20}
    assert orders(database) == before


def test_a_batch_sends_other_data_in_each_row(database: Database, dialect: Dialect) -> None:
    database.ask("DELETE FROM orders")
    step = {"name": "import", "sql": {**insert(dialect), "batch": 25}}
    assert run(database.dsn(), burst(8), step).window.steps[0].succeeded == 8
    assert orders(database) == ["200", "200"]


def test_rows_that_are_not_as_expected_fail_a_check(database: Database) -> None:
    nothing = {"statement": "SELECT id FROM items WHERE id = 0"}
    step = {"name": "none", "sql": nothing, "expect": {"rows": 1}}
    assert run(database.dsn(), burst(5), step).window.steps[0].errors == {"Check": 5}


@pytest.mark.parametrize(
    ("statement", "error"),
    [
        ("SELECT 1 FROM nowhere", "Sql42"),
        ("SELEC 1", "Sql42"),
        ("INSERT INTO items VALUES (1, 'x')", "Sql23"),
    ],
)
def test_errors_are_told_by_their_class(database: Database, statement: str, error: str) -> None:
    step = {"name": "x", "sql": {"statement": statement}}
    assert run(database.dsn(), burst(2), step).window.steps[0].errors == {error: 2}


def test_what_timed_out_does_not_go_on_in_the_server(database: Database, dialect: Dialect) -> None:
    step = {"name": "slow", "sql": {"statement": dialect.sleeps.format(20)}}
    report = run(database.dsn(), burst(3, 3), step, timeout="300ms")
    assert report.window.steps[0].errors == {"Timeout": 3}
    deadline = monotonic_ns() + 5_000_000_000
    while database.ask(dialect.busy) != "0":
        assert monotonic_ns() < deadline, "the statements of a run that is over go on"


def test_no_more_connections_than_the_test_allows(database: Database, dialect: Dialect) -> None:
    step = {"name": "slow", "sql": {"statement": dialect.sleeps.format(0.05)}}
    report = run(database.dsn(), burst(40, 20), step, maxConnections=3)
    assert report.window.steps[0].succeeded == 40
    assert report.generator.connections == 3


def meanwhile(database: Database, after_s: float, statement: str) -> threading.Timer:
    """Ask the server something while a load runs."""
    timer = threading.Timer(after_s, database.ask, [statement])
    timer.start()
    return timer


def killing(database: Database, dialect: Dialect, state: str) -> threading.Thread:
    """End both connections of a load as soon as both are in a state, by one word to the server."""

    def wait() -> None:
        deadline = monotonic() + SECONDS_PATIENCE
        while database.ask(dialect.kill.format(state)) != dialect.killed:
            assert monotonic() < deadline, f"no two connections were {state}"

    waiting = threading.Thread(target=wait)
    waiting.start()
    return waiting


def users(count: int, duration: str, think: str) -> dict[str, Any]:
    return {"closed": {"users": count, "duration": duration, "thinkTime": think}}


@pytest.mark.parametrize(
    "change",
    [
        "ALTER TABLE changing ADD COLUMN more int DEFAULT 7",
        "ALTER TABLE changing DROP COLUMN name",
        "ALTER TABLE changing {} id {} bigint",
    ],
)
@pytest.mark.flaky(reruns=3)
def test_another_schema_fails_a_statement_of_each_connection_once_at_most(
    database: Database, dialect: Dialect, change: str
) -> None:
    database.ask("DROP TABLE IF EXISTS changing")
    database.ask("CREATE TABLE changing(id int PRIMARY KEY, name varchar(9))")
    database.ask("INSERT INTO changing VALUES (1, 'x')")
    if dialect is POSTGRES:
        database.ask("GRANT SELECT ON changing TO loader")
    words = ("ALTER COLUMN", "TYPE") if dialect is POSTGRES else ("MODIFY", "")
    sql = {"statement": f"SELECT * FROM changing WHERE id = {dialect.first}", "parameters": ["1"]}
    step = {"name": "read", "sql": sql, "extract": {"id": {"column": "id"}}, "expect": {"rows": 1}}
    asking = meanwhile(database, 0.6, change.format(*words))
    report = run(database.dsn(), users(3, "1500ms", "5ms"), step, maxConnections=2)
    asking.join()
    (got,) = report.window.steps
    assert got.failed <= 2, (got.errors, got.messages)
    assert got.succeeded > 100


@pytest.mark.flaky(reruns=3)
def test_a_type_that_holds_more_is_used_at_once(database: Database, dialect: Dialect) -> None:
    database.ask("DROP TABLE IF EXISTS growing")
    database.ask("CREATE TABLE growing(id smallint)")
    if dialect is POSTGRES:
        database.ask("GRANT INSERT ON growing TO loader")
    words = "ALTER COLUMN id TYPE bigint" if dialect is POSTGRES else "MODIFY id bigint"
    sql = {"statement": f"INSERT INTO growing VALUES ({dialect.first})", "parameters": ["70000"]}
    asking = meanwhile(database, 0.5, f"ALTER TABLE growing {words}")
    report = run(database.dsn(), users(1, "1500ms", "20ms"), {"name": "write", "sql": sql})
    asking.join()
    (got,) = report.window.steps
    assert got.failed > 0
    assert got.succeeded > 10, (got.errors, got.messages)


def test_connections_that_the_server_ends_for_being_idle_are_opened_anew(
    database: Database, dialect: Dialect
) -> None:
    step = {"name": "q", "sql": {"statement": "SELECT 1"}}
    database.ask(dialect.impatient)
    try:
        report = run(database.dsn(), users(1, "3500ms", "1400ms"), step)
    finally:
        database.ask(dialect.patient)
    (got,) = report.window.steps
    assert (got.failed, got.attempts, got.sent) == (0, 3, 3), (got.errors, got.messages)
    assert report.generator.connections == 3


@pytest.mark.parametrize("connections", ["Shared", "PerUser"])
def test_connections_that_are_killed_between_two_steps_are_opened_anew(
    database: Database, dialect: Dialect, connections: str
) -> None:
    step = {"name": "q", "sql": {"statement": "SELECT 1"}}
    asking = killing(database, dialect, dialect.resting)
    report = run(database.dsn(), users(2, "4s", "1500ms"), step, connections=connections)
    asking.join()
    (got,) = report.window.steps
    assert (got.failed, got.attempts) == (0, got.sent), (got.errors, got.messages)


@pytest.mark.parametrize("transaction", [False, True])
def test_connections_that_are_killed_in_a_step_fail_that_step_alone(
    database: Database, dialect: Dialect, transaction: bool
) -> None:
    asked = {"statement": dialect.sleeps.format(0.3)}
    sql = {"transaction": [asked, asked]} if transaction else asked
    asking = killing(database, dialect, dialect.working)
    report = run(database.dsn(), users(2, "3s", "1ms"), {"name": "q", "sql": sql})
    asking.join()
    (got,) = report.window.steps
    assert got.failed == 2, (got.errors, got.messages)
    assert got.succeeded > 2


def test_a_refused_login_is_told_before_the_load(database: Database, dialect: Dialect) -> None:
    step = {"name": "q", "sql": {"statement": "SELECT 1"}}
    changes = {"password": "Sql28", "database": dialect.no_database}
    for change, reason in changes.items():
        with pytest.raises(EngineError, match="refused the login") as refused:
            run(database.dsn(**{change: "not-it"}), burst(2), step)
        assert (refused.value.reason, refused.value.refused) == (reason, True)
        assert PASSWORD not in refused.value.message
        assert change == "database" or "not-it" not in refused.value.message


def test_a_server_without_tls_is_told_where_it_is_asked_for(database: Database) -> None:
    step = {"name": "q", "sql": {"statement": "SELECT 1"}}
    with pytest.raises(EngineError, match="TLS with") as refused:
        run(database.dsn() + "?sslmode=require", burst(2), step)
    assert refused.value.reason == "TLS"
    assert PASSWORD not in refused.value.message


def test_a_server_that_says_nothing_is_given_up(dialect: Dialect) -> None:
    step = {"name": "q", "sql": {"statement": "SELECT 1"}}
    with socket.create_server(("127.0.0.1", 0)) as silent:
        dsn = f"{dialect.scheme}://loader:{PASSWORD}@127.0.0.1:{silent.getsockname()[1]}/shop"
        with pytest.raises(EngineError, match=r"did not accept a login within 0\.3s") as refused:
            run(dsn, burst(2), step, connectTimeout="300ms")
    assert refused.value.reason == "Connect"


def test_a_port_where_nobody_listens_is_told(dialect: Dialect) -> None:
    step = {"name": "q", "sql": {"statement": "SELECT 1"}}
    dsn = f"{dialect.scheme}://loader:{PASSWORD}@127.0.0.1:9/shop"
    with pytest.raises(EngineError, match=r"127\.0\.0\.1:9 refused the connection") as refused:
        run(dsn, burst(2), step)
    assert refused.value.reason == "Connect"
