"""Where a database is: what is understood, what is refused, and that no password is told."""

import pytest

from perfrun.engine.errors import DataError
from perfrun.reach.dsn import Dsn, parse_dsn

WHERE = "spec.target.sql.dsnFrom"
SECRET = "pa55-word"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            f"postgresql://u:{SECRET}@db/shop",
            Dsn("postgresql", "db", 5432, "u", SECRET, "shop", "prefer"),
        ),
        (
            f"postgres://u:{SECRET}@db.shop:6000/shop?sslmode=verify-full\n",
            Dsn("postgresql", "db.shop", 6000, "u", SECRET, "shop", "verify-full"),
        ),
        (
            "mysql://a%40b:p%2Fw@[::1]:3307/a%20b",
            Dsn("mysql", "::1", 3307, "a@b", "p/w", "a b", "prefer"),
        ),
        ("mariadb://u@db/shop", Dsn("mysql", "db", 3306, "u", "", "shop", "prefer")),
    ],
)
def test_what_a_dsn_says(text: str, expected: Dsn) -> None:
    assert parse_dsn(text, WHERE) == expected


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "must begin with one of"),
        (f"oracle://u:{SECRET}@db/shop", "must begin with one of"),
        (f"postgresql://u:{SECRET}@/shop", "has no host"),
        ("postgresql://db/shop", "no user"),
        (f"postgresql://u:{SECRET}@db", "no database"),
        (f"postgresql://u:{SECRET}@db:port/shop", "not a URL"),
        (f"postgresql://u:{SECRET}@[db/shop", "not a URL"),
        (
            f"postgresql://u:{SECRET}@db/shop?host=/var/run",
            "the only option is sslmode, but it has host",
        ),
        (f"postgresql://u:{SECRET}@db/shop?passfile=/etc/shadow", "the only option is sslmode"),
        (f"postgresql://u:{SECRET}@db/shop?sslmode=sometimes", "sslmode is not one of disable"),
        (
            f"postgresql://u:{SECRET}@db/shop?sslmode=verify-ca",
            "sslmode verify-ca is not one of dis",
        ),
    ],
)
def test_what_is_refused_without_a_word_of_the_password(text: str, says: str) -> None:
    with pytest.raises(DataError, match=says) as refused:
        parse_dsn(text, WHERE)
    assert refused.value.message.startswith(WHERE)
    assert SECRET not in refused.value.message


def test_a_dsn_is_never_printed_with_its_password() -> None:
    dsn = parse_dsn(f"postgresql://u:{SECRET}@db/shop", WHERE)
    assert SECRET not in f"{dsn} {dsn!r}"
