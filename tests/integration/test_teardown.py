"""The teardown of ``perfrun run`` whatever happens to its workers: SIGKILL, Ctrl-C, no target."""

import json
import os
import signal
from collections.abc import Iterator
from typing import Any

import pytest

from tests.databases import Postgres, postgres
from tests.integration.test_local_run import PATIENCE, Cli, children, cli
from tests.integration.waiting import until

__all__ = ["cli"]

TEST = """
apiVersion: perfrun.dev/v1alpha1
kind: PerfTest
metadata: {name: orders, namespace: shop}
spec:
  target: {sql: {dsnFrom: {secretKeyRef: {name: db, key: dsn}}}}
  feeds: [{name: run, generate: {rows: 1, columns: {id: "$(uuid())"}}}]
  setup:
  - name: begin
    sql: {statement: "INSERT INTO baskets DEFAULT VALUES RETURNING id"}
    extract: {basket: {column: id}}
  scenarios:
  - name: s
    steps:
    - name: write
      sql: {statement: "INSERT INTO orders(run) VALUES ($1)", parameters: ["$(run.id)"]}
  teardown:
  - {name: orders, sql: {statement: "DELETE FROM orders WHERE run = $1", parameters: ["$(run.id)"]}}
  - name: basket
    sql: {statement: "DELETE FROM baskets WHERE id = $1", parameters: ["$(basket)"]}
  load: {workers: 2, open: {rate: 50/s, duration: DURATION}}
"""


@pytest.fixture(scope="module")
def server(database_tools: None) -> Iterator[Postgres]:
    with postgres() as server:
        server.ask(
            "CREATE TABLE orders(id serial PRIMARY KEY, run text NOT NULL);"
            "CREATE TABLE baskets(id serial PRIMARY KEY);"
            "GRANT ALL ON ALL TABLES IN SCHEMA public TO loader;"
            "GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO loader"
        )
        yield server


@pytest.fixture
def database(server: Postgres) -> Postgres:
    """With somebody else's rows in it, which are to stay."""
    server.ask("TRUNCATE orders, baskets; INSERT INTO orders(run) VALUES ('of another run')")
    server.ask("INSERT INTO baskets DEFAULT VALUES")
    return server


def orders(database: Postgres) -> int:
    return int(database.ask("SELECT count(*) FROM orders WHERE run <> 'of another run'"))


def left(database: Postgres) -> tuple[int, int, int]:
    """Orders, baskets and connections, without those of others."""
    baskets = int(database.ask("SELECT count(*) FROM baskets")) - 1
    asked = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'loader'"
    until(lambda: database.ask(asked) == "0", PATIENCE)
    assert database.ask("SELECT count(*) FROM orders WHERE run = 'of another run'") == "1"
    return orders(database), baskets, int(database.ask(asked))


def begin(cli: Cli, database: Postgres, duration: str) -> Any:
    """The command in progress."""
    file = cli.folder / "test.yaml"
    file.write_text(TEST.replace("DURATION", duration))
    (cli.folder / "secrets" / "db").mkdir(parents=True)
    (cli.folder / "secrets" / "db" / "dsn").write_text(database.dsn())
    return cli.start("run", file, "--secrets", cli.folder / "secrets", "--json", "o.json")


def told(cli: Cli) -> dict[str, Any]:
    status: dict[str, Any] = json.loads((cli.folder / "o.json").read_text())["status"]
    return status


@pytest.mark.parametrize("killed", [[0], [0, 1]], ids=["worker 0", "all workers"])
def test_workers_that_are_killed_leave_no_rows_and_no_connections(
    cli: Cli, database: Postgres, killed: list[int]
) -> None:
    with begin(cli, database, "3s" if killed == [0] else "60s") as process:
        until(lambda: orders(database) > 20, PATIENCE)
        workers = children(process.pid)
        for index in killed:
            os.kill(workers[index], signal.SIGKILL)
        out, err = process.communicate(timeout=PATIENCE)
    assert left(database) == (0, 0, 0), out + err
    assert "teardown failed" not in told(cli)["message"]
    assert "untidy" not in told(cli)
    if killed == [0]:
        assert told(cli)["summary"]["attempts"]["teardown"] == 2


def test_a_run_that_is_stopped_leaves_nothing(cli: Cli, database: Postgres) -> None:
    with begin(cli, database, "60s") as process:
        until(lambda: orders(database) > 20, PATIENCE)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130, out + err
    assert left(database) == (0, 0, 0)


def test_a_teardown_that_fails_is_told_also_where_nobody_has_measured(
    cli: Cli, database: Postgres
) -> None:
    with begin(cli, database, "60s") as process:
        until(lambda: orders(database) > 20, PATIENCE)
        database.ask("REVOKE DELETE ON orders FROM loader")
        try:
            for worker in children(process.pid):
                os.kill(worker, signal.SIGKILL)
            out, err = process.communicate(timeout=PATIENCE)
        finally:
            database.ask("GRANT DELETE ON orders TO loader")
    status = told(cli)
    assert (process.returncode, status["verdict"]) == (3, "Error"), out + err
    untidy = "step orders failed with Sql42: permission denied for table orders"
    assert status["untidy"] == untidy
    assert f"the teardown failed: {untidy}" in status["message"]
    assert orders(database) > 20


def test_perfrun_that_is_to_end_at_once_says_what_it_leaves(cli: Cli, database: Postgres) -> None:
    with begin(cli, database, "60s") as process:
        until(lambda: orders(database) > 20, PATIENCE)
        for worker in children(process.pid):
            os.kill(worker, signal.SIGSTOP)
        process.send_signal(signal.SIGINT)
        told_of = iter(process.stderr.readline, "")
        next(line for line in told_of if line.startswith("stopping (by Ctrl-C)"))
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130, out + err
    assert "perfrun was told to end at once" in told(cli)["untidy"]
