"""Values of every type: read by one step, written by the next, and the same data in the server."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pytest

from tests.databases import Database, Mariadb, Postgres, mariadb, postgres

from .loads import burst, run

ROWS = 6
"""Of each table; a type with fewer values has them again."""

OF_POSTGRES: dict[str, Sequence[str]] = {
    "smallint": ("-32768", "32767"),
    "int": ("-2147483648", "0"),
    "bigint": ("9223372036854775807", "-9223372036854775808"),
    "oid": ("4294967295",),
    "real": ("0.1", "'Infinity'", "'NaN'", "16777216", "1e-30", "3.4028235e38"),
    "float8": ("0.1", "'-Infinity'", "'NaN'", "5e-324", "123456789.123456789"),
    "numeric": ("1.500", "'NaN'", "1e-30", "12345678901234567890123456789.5"),
    "numeric(10,3)": ("-1.5", "9999999.999"),
    "money": ("'-$1,234.50'",),
    "boolean": ("true", "false"),
    "text": ("''", "'NULL'", "E'a\\tb\\n\"c\" ''d'' \\\\x41 é 😀'", "'{1}'"),
    "varchar(9)": ("''", "' x '"),
    "char(5)": ("'ab'", "''"),
    '"char"': ("'c'",),
    "name": ("'a_name'",),
    "bytea": ("'\\x0102ff'", "'\\x5c00'", "'\\x'"),
    "date": ("'2026-02-28'", "'infinity'", "'0044-03-15 BC'", "'294276-12-31'"),
    "time": ("'24:00:00'", "'00:00:00.000001'"),
    "timetz": ("'12:30:00.5+05:30'", "'00:00-15:59:59'"),
    "timestamp": ("'2026-01-01 00:00:00.123456'", "'-infinity'", "'4713-01-01 BC'"),
    "timestamptz": ("'2026-01-01 00:00:00+03'", "'infinity'", "'294276-12-31 23:59:59.999999+00'"),
    "interval": (
        "'1 day 02:00:00'",
        "'-1 year -2 mons +3 days -04:05:06.789'",
        "'178000000 years'",
    ),
    "uuid": ("'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'",),
    "json": ('\'{"a" :  [1, null, "é"], "a": 2}\'', "'null'", "'1.10'"),
    "jsonb": ("'{\"a\": [1.10, null]}'", "'\"text\"'", "'[]'"),
    "jsonpath": ("'$.a[*] ? (@ > 1)'",),
    "xml": ("'<a b=\"c\">d</a>'",),
    "inet": ("'192.168.0.1/24'", "'::1'", "'10.0.0.1'"),
    "cidr": ("'10.0.0.0/8'", "'2001:db8::/32'"),
    "macaddr": ("'08:00:2b:01:02:03'",),
    "macaddr8": ("'08:00:2b:01:02:03:04:05'",),
    "point": ("'(1.5,-0.1)'",),
    "line": ("'{1,-2,0.3}'",),
    "lseg": ("'[(0,0),(1,1)]'",),
    "box": ("'(1,1),(0,0)'",),
    "path": ("'((0,0),(1,2))'", "'[(0,0),(1,2)]'"),
    "polygon": ("'((0,0),(1,2),(3,0))'",),
    "circle": ("'<(1,2),0.1>'",),
    "bit(4)": ("B'1010'",),
    "varbit": ("B'101'", "B''"),
    "tsvector": ("'a fat cat'", "''", "'''it''''s'':1A'"),
    "tsquery": ("'fat & !(rat | cat)'",),
    "pg_lsn": ("'16/B374D848'",),
    "regclass": ("'pg_class'",),
    "int4range": ("'[1,5)'", "'empty'", "'(,3)'"),
    "numrange": ("'[1.50,2.00]'", "'(,)'"),
    "tsrange": ("'[2026-01-01 00:00,2026-01-02 00:00)'",),
    "tstzrange": ("'[2026-01-01 00:00+00,)'",),
    "daterange": ("'[2026-01-01,2026-01-02)'",),
    "int4multirange": ("'{}'", "'{[1,3),[5,9)}'"),
    "int[]": ("'{1,2}'", "'{}'", "'{NULL,3}'", "'[2:3]={7,8}'", "'{{1,2},{3,4}}'"),
    "text[]": ("ARRAY['', 'NULL', NULL, 'a,b', 'c\"d', '\\', '{}']",),
    "numeric[]": ("'{1.50,NaN}'",),
    "bytea[]": ("ARRAY['\\x00ff'::bytea, '\\x'::bytea]",),
    "interval[]": ("ARRAY[interval '1 day 2 hours']",),
    "jsonb[]": ("ARRAY['{\"a\": 1}'::jsonb]",),
    "int4range[]": ("ARRAY[int4range(1,5), 'empty']",),
    "box[]": ("'{(1,1),(0,0);(2,2),(1,1)}'",),
    "mood": ("'sad'", "'so so'"),
    "mood[]": ("ARRAY['sad','so so']::mood[]",),
    "percent": ("99", "0"),
    "label": ("''", "'x'"),
    "pair": ("ROW(1, 'a \"b\" (c), d')", "ROW(NULL, '')"),
    "pair[]": ("ARRAY[ROW(1, 'a'), ROW(2, NULL)]::pair[]",),
    "span": ("span(1.5, 2.5)",),
}
OF_MARIADB: dict[str, Sequence[str]] = {
    "tinyint": ("-128", "127"),
    "boolean": ("true", "false"),
    "tinyint unsigned": ("255",),
    "smallint": ("-32768",),
    "mediumint": ("-8388608", "8388607"),
    "int": ("-2147483648",),
    "bigint": ("-9223372036854775808", "9223372036854775807"),
    "bigint unsigned": ("18446744073709551615",),
    "decimal(20,10)": ("0.0000000001", "-1234567890.5"),
    "decimal(65,0)": ("9" * 65,),
    "float": ("0.1", "-1.5e-20", "3.25", "100000", "0"),
    "double": ("0.1", "5e-324", "1e15", "123456789012345680", "1.7976931348623157e308", "-1e-7"),
    "double(12,2)": ("1234.5",),
    "bit(7)": ("b'1'", "b'1100101'"),
    "date": ("'2026-02-28'", "'0999-01-01'"),
    "datetime": ("'2026-02-28 01:02:03'",),
    "datetime(3)": ("'2026-02-28 01:02:03.5'", "'2026-02-28 00:00:00'"),
    "datetime(6)": ("'9999-12-31 23:59:59.999999'",),
    "timestamp(6)": ("'2026-02-28 01:02:03.000001'",),
    "time": ("'-838:59:59'", "'00:00:01'", "'-00:00:01'"),
    "time(2)": ("'100:00:00.25'", "'00:00:00'"),
    "year": ("0", "2026", "1901"),
    "char(5)": ("'ab'", "''"),
    "varchar(50) CHARACTER SET utf8mb4": ("''", "'it''s \"x\" \\\\ %s é 😀'"),
    "text": ("'a\\nb'",),
    "binary(3)": ("'a'", "x'0001'"),
    "varbinary(9)": ("'é'", "''", "x'00017f'"),
    "blob": ("x'0a0d1a'",),
    "enum('a','b c')": ("'b c'",),
    "set('a','b')": ("'a,b'", "''"),
    "json": ("'{\"a\" : [1, null]}'",),
    "uuid": ("'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'",),
    "inet6": ("'::ffff:192.0.2.1'", "'2001:db8::1'"),
}


def table(name: str, types: Mapping[str, Sequence[str]], *, filled: bool) -> str:
    """Statements for a table with a column of each type."""
    columns = ", ".join(f"c{at} {one}" for at, one in enumerate(types))
    made = f"CREATE TABLE {name}(n int PRIMARY KEY, {columns});"
    if not filled:
        return made
    rows = (
        ", ".join([str(n), *(given[n % len(given)] for given in types.values())])
        for n in range(1, ROWS + 1)
    )
    return made + f"INSERT INTO {name} VALUES ({'), ('.join(rows)});"


def copied(server: Database, count: int, mark: str, **how: Any) -> None:
    """Read all of ``here``, as many columns at once as a step may, and write it to ``there``."""
    server.ask("DELETE FROM there")
    columns = ["n", *(f"c{at}" for at in range(count))]
    reads = [
        {
            "name": f"read-{at}",
            "sql": {
                "statement": f"SELECT * FROM here WHERE n = {mark.replace('N', '1')}",
                "parameters": ["$(n)" if at else "$(seq())"],
                **how,
            },
            "extract": {one: {"column": one} for one in columns[at : at + 20]},
        }
        for at in range(0, len(columns), 20)
    ]
    marks = [mark.replace("N", str(at + 1)) for at in range(len(columns))]
    write = {
        "name": "write",
        "sql": {
            "statement": f"INSERT INTO there VALUES ({', '.join(marks)})",
            "parameters": [f"$({one})" for one in columns],
            **how,
        },
    }
    report = run(server.dsn(), burst(ROWS), *reads, write)
    for step in report.window.steps:
        assert step.succeeded == ROWS, (step.step, step.errors, step.messages)
    assert server.ask("SELECT count(*) FROM there") == str(ROWS)


@pytest.fixture(scope="module")
def pg(database_tools: None) -> Iterator[Postgres]:
    with postgres() as server:
        server.ask(
            "CREATE TYPE mood AS ENUM ('sad', 'so so');"
            "CREATE DOMAIN percent AS int CHECK (value BETWEEN 0 AND 100);"
            "CREATE DOMAIN label AS text;"
            "CREATE TYPE pair AS (a int, b text);"
            "CREATE TYPE span AS RANGE (subtype = float8);"
            + table("here", OF_POSTGRES, filled=True)
            + table("there", OF_POSTGRES, filled=False)
            + "GRANT ALL ON ALL TABLES IN SCHEMA public TO loader"
        )
        yield server


@pytest.fixture(scope="module")
def my(database_tools: None) -> Iterator[Mariadb]:
    with mariadb() as server:
        made = table("here", OF_MARIADB, filled=True) + table("there", OF_MARIADB, filled=False)
        server.ask("SET NAMES utf8mb4;" + made)
        yield server


@pytest.mark.parametrize("prepared", [True, False])
def test_of_postgresql_every_type_is_written_back_as_it_was(pg: Postgres, prepared: bool) -> None:
    copied(pg, len(OF_POSTGRES), "$N", prepared=prepared)
    for at, name in enumerate(OF_POSTGRES):
        other = f"SELECT h.c{at}::text, t.c{at}::text FROM here h JOIN there t USING (n) "
        assert pg.ask(other + f"WHERE h.c{at}::text IS DISTINCT FROM t.c{at}::text") == "", name


@pytest.mark.parametrize("prepared", [True, False])
def test_of_mariadb_every_type_is_written_back_as_it_was(my: Mariadb, prepared: bool) -> None:
    copied(my, len(OF_MARIADB), "%s", prepared=prepared)
    for at, name in enumerate(OF_MARIADB):
        # Byte by byte: an = takes other letters and trailing spaces for the same.
        other = f"SELECT hex(h.c{at}), hex(t.c{at}) FROM here h JOIN there t USING (n) "
        assert my.ask(other + f"WHERE NOT hex(h.c{at}) <=> hex(t.c{at})") == "", name
