"""A feed of unique rows over several workers: none is given twice, and what finds none is counted.

The number of an iteration says which row it has. Each worker has the numbers of its own, so that
none has to ask another.
"""

import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping
from time import monotonic_ns
from typing import Any

import pytest

from perfrun.engine.run import Engine
from perfrun.measure.plan import RunPlan
from perfrun.measure.report import Hold, Order, WorkerReport, merge
from perfrun.reach.values import Values

from .server import burst, plan, running, step

MS = 1_000_000
WORKERS = 3
ROWS = 60
OPEN = {"open": {"rate": "200/s", "duration": "500ms"}}
CLOSED = {"closed": {"users": 6, "duration": "300ms"}}


def unique(url: str, load: Mapping[str, object], rows: int = ROWS) -> RunPlan:
    """A plan of three workers whose iterations each want a row of their own."""
    columns = {"id": "$(seq(0))"}
    feed = {"name": "ids", "order": "Unique", "generate": {"rows": rows, "columns": columns}}
    made = plan(url, {**load, "workers": WORKERS}, step("/$(ids.id)"))
    return RunPlan.model_validate({**made.model_dump(), "feeds": [feed]})


async def run_all(a_plan: RunPlan) -> list[WorkerReport]:
    """All workers at once; each report on its own."""
    engines = [Engine(a_plan, index, Values()) for index in range(WORKERS)]
    start = monotonic_ns() + 100 * MS
    async with asyncio.timeout(20):
        return list(await asyncio.gather(*(engine.run(start) for engine in engines)))


def rows_of(server_log: Iterable[Any]) -> Counter[int]:
    return Counter(int(seen.path[1:]) for seen in server_log)


@pytest.mark.parametrize("load", [burst(100, 6), OPEN], ids=["burst", "open"])
async def test_all_rows_are_given_once_and_the_rest_fails_with_data(
    load: dict[str, object],
) -> None:
    async with running() as server:
        whole = merge(await run_all(unique(server.url, load)))
    assert rows_of(server.log) == Counter(range(ROWS))
    (got,) = whole.window.steps
    assert got.errors == {"Data": 100 - ROWS}
    assert (got.sent, got.attempts, got.succeeded) == (100, ROWS, ROWS)
    assert whole.window.scenarios[0].started == 100


async def test_users_never_share_a_row() -> None:
    async with running() as server:
        whole = merge(await run_all(unique(server.url, CLOSED, rows=1_000_000)))
    given = rows_of(server.log)
    assert max(given.values()) == 1
    assert len(given) == whole.window.steps[0].attempts > ROWS
    assert {number % WORKERS for number in given} == set(range(WORKERS))


@pytest.mark.flaky(reruns=3)
async def test_a_worker_of_users_that_has_used_its_part_takes_nobody_elses() -> None:
    async with running() as server:
        reports = await run_all(unique(server.url, CLOSED))
    assert rows_of(server.log) == Counter(range(ROWS))
    for report in reports:
        (got,) = report.window.steps
        assert got.succeeded == ROWS // WORKERS
        assert got.errors["Data"] == got.sent - got.succeeded > 0


@pytest.mark.flaky(reruns=3)
async def test_rows_are_not_given_again_in_the_next_hold_of_a_search() -> None:
    async with running() as server:
        load = {"capacity": {"from": "1/s", "to": "999/s", "hold": "1s"}}
        a_plan = unique(server.url, load, rows=150)
        start = monotonic_ns() + 20 * MS
        held: asyncio.Queue[WorkerReport] = asyncio.Queue()
        engines = [Engine(a_plan, index, Values()) for index in range(WORKERS)]
        runs = [
            asyncio.create_task(engine.run(start, on_hold=held.put_nowait)) for engine in engines
        ]
        await asyncio.sleep(0)  # they run from their first turn on
        for number in (1, 2):
            begin = monotonic_ns() - start + 100 * MS
            hold = Hold(number=number, rate=200.0, start=begin, length=500 * MS)
            for engine in engines:
                engine.follow(Order(hold=hold))
            for _ in engines:
                await asyncio.wait_for(held.get(), 15)
        for engine in engines:
            engine.follow(Order(done=True))
        whole = merge(await asyncio.wait_for(asyncio.gather(*runs), 15))
    assert rows_of(server.log) == Counter(range(150))
    last = whole.window.steps[0]
    assert last.errors == {"Data": 50}
