"""Numbers as Grafana writes them."""

import pytest

from tests.dashboards.units import shown


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.012, "s", "12 ms"),
        (0.0000042, "s", "4.2 µs"),
        (90, "s", "1.5 min"),
        (0, "s", "0"),
        (3700, "dtdurations", "1h 1m"),
        (-61, "dtdurations", "-1m 1s"),
        (0.2, "dtdurations", "0s"),
        (0, "bytes", "0 B"),
        (3 * 2**20, "bytes", "3 MiB"),
        (0.015, "percentunit", "1.5%"),
        (59.96, "reqps", "60 req/s"),
        (12_300, "short", "12.3 K"),
    ],
)
def test_value_with_its_unit(value: float, unit: str, text: str) -> None:
    assert shown(value, unit) == text


def test_decimals_are_those_of_the_panel() -> None:
    assert shown(1.21, "s", 3) == "1.210 s"
    assert shown(2.0, "short", 0) == "2"
