"""Requests that take more than one attempt, and what travels with them."""

import asyncio
import gzip
import itertools
import re
import zlib

import pytest

from .conftest import Run
from .server import Behaviour, Seen, answer, bare, burst, plan, raw, running, slow, step


def failing(times: int, failure: Behaviour) -> Behaviour:
    """The behaviour of failing so often, and then answering."""
    count = itertools.count()

    async def behave(seen: Seen, writer: asyncio.StreamWriter) -> None:
        await (failure if next(count) < times else answer())(seen, writer)

    return behave


@pytest.mark.parametrize(
    ("failure", "error"),
    [
        pytest.param(raw(b"", abort=True), "Reset", id="reset"),
        pytest.param(answer(503), "Status5xx", id="503"),
    ],
)
async def test_an_attempt_is_made_again_and_counted(
    run: Run, failure: Behaviour, error: str
) -> None:
    async with running(x=failing(2, failure)) as server:
        report = await run(
            plan(
                server.url, burst(3), step("/x"), retries={"limit": 2, "errors": ["Connect", error]}
            )
        )
    (got,) = report.window.steps
    assert (got.sent, got.succeeded, got.attempts, got.errors) == (3, 3, 5, {})
    assert len(server.log) == 5


async def test_retries_end_at_their_limit_with_the_last_error(run: Run) -> None:
    async with running(x=answer(503)) as server:
        report = await run(
            plan(server.url, burst(2), step("/x"), retries={"limit": 3, "errors": ["Status5xx"]})
        )
    (got,) = report.window.steps
    assert (got.attempts, got.errors) == (8, {"Status5xx": 2})


async def test_an_error_that_is_not_listed_is_not_tried_again(run: Run) -> None:
    async with running(x=answer(503)) as server:
        report = await run(plan(server.url, burst(2), step("/x"), retries={"limit": 3}))
    (got,) = report.window.steps
    assert (got.attempts, got.errors) == (2, {"Status5xx": 2})


async def test_response_time_counts_all_attempts_and_service_time_the_last(run: Run) -> None:
    async def late_failure(seen: Seen, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.201)  # timers of the loop may ring up to 1 ms early
        await answer(503)(seen, writer)

    async with running(x=failing(1, late_failure), y=failing(1, late_failure)) as server:
        report = await run(
            plan(
                server.url,
                burst(1),
                step("/x", "first"),
                step("/y", "second"),
                retries={"limit": 1, "errors": ["Status5xx"]},
            )
        )
    for got in report.window.steps:
        assert got.timings["latency/success"].quantile(0) >= 200_000_000
        assert got.timings["service/success"].quantile(1) < 150_000_000


async def test_all_attempts_together_have_one_timeout(run: Run) -> None:
    async with running(x=failing(1, answer(503)), y=slow(5)) as server:
        report = await run(
            plan(
                server.url,
                burst(1),
                step("/y"),
                timeout="300ms",
                retries={"limit": 5, "errors": ["Status5xx"]},
            )
        )
    (got,) = report.window.steps
    assert (got.attempts, got.errors) == (1, {"Timeout": 1})


async def test_every_user_keeps_the_cookies_it_was_given(run: Run) -> None:
    count = itertools.count(1)

    async def login(seen: Seen, writer: asyncio.StreamWriter) -> None:
        await answer(Set_Cookie=f"sid={next(count)}; Path=/; HttpOnly")(seen, writer)

    async with running(login=login) as server:
        await run(
            plan(
                server.url,
                burst(2, 2),
                step("/login", "login"),
                step("/cart", "cart"),
                cookies=True,
            )
        )
    sent = [seen.headers.get("cookie") for seen in server.log if seen.path == "/cart"]
    assert sorted(map(str, sent)) == ["sid=1", "sid=2"]
    assert all("cookie" not in seen.headers for seen in server.log if seen.path == "/login")


async def test_a_cookie_that_a_redirect_sets_goes_with_what_it_leads_to(run: Run) -> None:
    moved = answer(302, b"", Location="/there", Set_Cookie="a=1")
    async with running(x=moved) as server:
        report = await run(plan(server.url, burst(1), step("/x"), cookies=True))
    assert report.window.steps[0].succeeded == 1
    assert [seen.headers.get("cookie") for seen in server.log] == [None, "a=1"]


@pytest.mark.parametrize(
    ("coding", "pack"),
    [("gzip", gzip.compress), ("deflate", zlib.compress), ("deflate", bare)],
)
async def test_a_compressed_body_is_unpacked_where_it_is_looked_at(
    run: Run, coding: str, pack: "type[bytes]"
) -> None:
    packed = answer(200, pack(b'{"state": "new"}'), Content_Encoding=coding)
    async with running(x=packed) as server:
        expect = {"json": {"$.state": "new"}}
        report = await run(plan(server.url, burst(2), step("/x", expect=expect), compression=True))
    (got,) = report.window.steps
    assert (got.succeeded, got.checks_passed) == (2, 2)
    assert {seen.headers["accept-encoding"] for seen in server.log} == {"gzip, deflate"}


@pytest.mark.parametrize(
    ("body", "error"),
    [
        pytest.param(gzip.compress(b"x" * 100_000), "Size", id="bomb"),
        pytest.param(gzip.compress(b'{"state": "new"}')[:-9], "Protocol", id="cut short"),
        pytest.param(b"no gzip at all", "Protocol", id="lie"),
    ],
)
async def test_a_body_that_cannot_be_unpacked_is_an_error(
    run: Run, body: bytes, error: str
) -> None:
    async with running(x=answer(200, body, Content_Encoding="gzip")) as server:
        expect = {"maxBytes": 1000}
        report = await run(plan(server.url, burst(1), step("/x", expect=expect), compression=True))
    assert report.window.steps[0].errors == {error: 1}


async def test_the_phases_of_a_request_are_told_apart(run: Run) -> None:
    async def in_two(seen: Seen, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 X\r\nContent-Length: 2\r\n\r\no")
        await writer.drain()
        await asyncio.sleep(0.1)
        writer.write(b"k")

    async with running(x=in_two) as server:
        report = await run(plan(server.url, burst(3), step("/x")))
    timings = report.window.steps[0].timings
    assert timings["body/success"].quantile(0) >= 90_000_000
    assert timings["ttfb/success"].quantile(1) < 90_000_000
    assert timings["connect/success"].count == timings["dns/success"].count == 1


async def test_every_request_names_its_trace_and_the_slowest_are_kept(run: Run) -> None:
    count = itertools.count()

    async def slower(seen: Seen, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.02 * next(count))
        await answer(200)(seen, writer)

    async with running(x=slower) as server:
        report = await run(plan(server.url, burst(15, 15), step("/x"), traceparent=True))
    (got,) = report.window.steps
    sent = [seen.headers["traceparent"] for seen in server.log]
    assert all(re.fullmatch("00-[0-9a-f]{32}-[0-9a-f]{16}-01", value) for value in sent)
    assert len(set(sent)) == 15
    kept = [one.trace_id for one in got.slowest]
    assert kept == [value.split("-")[1] for value in reversed(sent[5:])]
    assert [one.latency for one in got.slowest] == sorted(
        (one.latency for one in got.slowest), reverse=True
    )
