"""MariaDB under load on the real cluster, beside what the server itself has counted."""

import re

import pytest

from tests.e2e.shop import HERE, ROOT, Shop, until

pytestmark = pytest.mark.timing

EXAMPLE = ROOT / "examples/databases/mysql.yaml"
BATCH = 20
SLOW = """
apiVersion: perfrun.dev/v1alpha1
kind: PerfTest
metadata: {name: slow-query}
spec:
  target: {sql: {dsnFrom: {secretKeyRef: {name: orders-mysql, key: dsn}}}}
  scenarios:
  - name: s
    steps:
    - {name: slow, class: SimpleQuery, sql: {statement: "select sleep(0.15)"}}
  load: {burst: {requests: 250, concurrency: 10}}
"""


def ask(shop: Shop, statement: str) -> str:
    """What the server says, asked on its own node."""
    return shop.kubectl(
        *("exec", "deploy/orders-mysql", "--"),
        *("mariadb", "-S", "/data/sock", "-u", "root", "-N", "-B", "shop", "-e", statement),
    ).strip()


def nobody_is_connected(shop: Shop) -> bool:
    listed = "select count(*) from information_schema.processlist where user = 'loader'"
    return ask(shop, listed) == "0"


@pytest.fixture(scope="module")
def database(shop: Shop) -> Shop:
    text = (HERE / "mariadb.yaml").read_text()
    shop.apply(text.replace("TARGET_IMAGE", shop.cluster.target_image))
    shop.kubectl("rollout", "status", "deploy/orders-mysql", "--timeout=90s")
    shop.apply_all_but_tests(EXAMPLE)
    return shop


def test_the_example_passes_and_the_server_counted_the_same(database: Shop) -> None:
    database.kubectl("apply", "-f", EXAMPLE)
    status = database.done(database.first_run("orders-mysql"))["status"]
    assert status["verdict"] == "Pass", status["message"]
    sent = {step["name"]: step["attempts"]["window"] for step in status["steps"]}

    until("nobody is connected any more", lambda: nobody_is_connected(database), 10)
    columns = "select_commands, rows_inserted, rows_updated, rows_deleted"
    told = ask(
        database,
        f"select {columns} from information_schema.user_statistics where user = 'loader'",
    )
    selects, inserted, updated, deleted = map(int, told.split())
    assert selects == sent["by-id"] + sent["best-sellers"] + 1, "and one of the setup"
    assert updated == sent["order"]
    assert inserted == sent["order"] + BATCH * sent["rows"]
    # The teardown has left nothing of the load.
    assert deleted == inserted
    assert ask(database, "select count(*) from orders where note <> 'before'") == "0"
    assert ask(database, "select count(*) from orders") == "1000"


def test_a_slow_query_misses_the_objective_of_its_class(database: Shop) -> None:
    database.apply(SLOW)
    status = database.done(database.first_run("slow-query"))["status"]
    assert status["verdict"] == "Warn"
    assert re.search(r"latency.p95 of slow was 1\d\d.*ms, at most 100ms", status["message"])
    until("nobody is connected any more", lambda: nobody_is_connected(database), 10)
