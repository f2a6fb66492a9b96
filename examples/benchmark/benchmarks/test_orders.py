"""What the order book does in process: measured by pytest-benchmark, which repeats each often."""

import os
import time

import pytest

ORDERS = [{"id": (7919 * n) % 100_003, "amount": n % 97} for n in range(5_000)]
SLOWER_BY = float(os.environ.get("SLOWER_BY_MS", "0")) / 1000
"""A planted slowdown, to see what a run makes of it."""


def by_id(orders):
    time.sleep(SLOWER_BY)
    return sorted(orders, key=lambda order: order["id"])


def totals(orders):
    amounts = {}
    for order in orders:
        amounts[order["amount"]] = amounts.get(order["amount"], 0) + 1
    return amounts


def test_sort(benchmark):
    assert benchmark(by_id, ORDERS)[0]["id"] == 0


@pytest.mark.parametrize("count", [100, 5_000])
def test_totals(benchmark, count):
    assert sum(benchmark(totals, ORDERS[:count]).values()) == count
