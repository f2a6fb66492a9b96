"""One request against servers that behave, and that do not: outcome, class, attempts."""

import asyncio
import socket

import pytest

from .conftest import Run
from .server import Behaviour, answer, burst, hang, plan, raw, running, slow, step

LOREM = b"x" * 300_000


@pytest.mark.parametrize(
    ("behaviour", "bytes_at_least"),
    [
        pytest.param(answer(), 2, id="length"),
        pytest.param(answer(200, LOREM), len(LOREM), id="huge body in many reads"),
        pytest.param(answer(304, b""), 1, id="304 has no body"),
        pytest.param(raw(b"HTTP/1.1 204 X\r\n\r\n"), 1, id="204 has no length"),
        pytest.param(
            raw(b"HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"),
            2,
            id="chunked",
        ),
        pytest.param(raw(b"HTTP/1.1 200 X\r\n\r\nok", close=True), 2, id="ends with connection"),
        pytest.param(raw(b"HTTP/1.0 200 X\r\n\r\n", close=True), 2, id="HTTP/1.0, empty"),
        pytest.param(
            raw(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 X\r\nContent-Length: 2\r\n\r\nok"),
            2,
            id="100 first",
        ),
        pytest.param(
            raw(b"HTTP/1.1 103 Hints\r\nLink: a\r\n\r\nHTTP/1.1 200 X\r\n\r\nok", close=True),
            2,
            id="103 first, then ends with connection",
        ),
    ],
)
async def test_a_response_is_read_whole(
    run: Run, behaviour: Behaviour, bytes_at_least: int
) -> None:
    async with running(x=behaviour) as server:
        report = await run(plan(server.url, burst(3), step("/x")))
    (got,) = report.window.steps
    assert (got.sent, got.succeeded, got.attempts) == (3, 3, 3)
    assert len(server.log) == 3
    assert got.bytes_received >= 3 * bytes_at_least


@pytest.mark.parametrize(
    ("behaviour", "error"),
    [
        pytest.param(raw(b"", close=True), "Reset", id="closed without an answer"),
        pytest.param(raw(b"", abort=True), "Reset", id="reset without an answer"),
        pytest.param(
            raw(b"HTTP/1.1 200 X\r\nContent-Length: 9\r\n\r\nok", close=True),
            "Reset",
            id="truncated body",
        ),
        pytest.param(
            raw(b"HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n", close=True),
            "Reset",
            id="truncated chunks",
        ),
        pytest.param(raw(b"HTTP/1.1 200 X\r\nContent-Le", close=True), "Reset", id="half a head"),
        pytest.param(raw(b"SSH-2.0-OpenSSH_9.2\r\n"), "Protocol", id="garbage"),
        pytest.param(raw(b"HTTP/1.1 200 X\r\nA: " + b"b" * 70_000), "Protocol", id="endless head"),
        pytest.param(
            raw(b"HTTP/1.1 101 X\r\nUpgrade: y\r\nConnection: upgrade\r\n\r\n"),
            "Protocol",
            id="upgrade that was not requested",
        ),
        pytest.param(hang, "Timeout", id="no response in time"),
        pytest.param(slow(5), "Timeout", id="answer too late"),
        pytest.param(answer(404), "Status4xx", id="404"),
        pytest.param(answer(503), "Status5xx", id="503"),
    ],
)
async def test_what_goes_wrong_has_a_class(run: Run, behaviour: Behaviour, error: str) -> None:
    async with running(x=behaviour) as server:
        report = await run(plan(server.url, burst(2), step("/x"), timeout="300ms"))
    (got,) = report.window.steps
    assert (got.sent, got.errors, got.attempts) == (2, {error: 2}, 2)
    assert len(server.log) == 2
    assert report.window.scenarios[0].failed == 2


async def test_a_timeout_lasts_no_less_than_the_timeout(run: Run) -> None:
    async with running(x=hang) as server:
        report = await run(plan(server.url, burst(2), step("/x"), timeout="200ms"))
    assert report.window.steps[0].timings["latency/timeout"].least >= 200_000_000


async def test_garbage_behind_a_response_fails_nothing_and_is_not_read_as_the_next(
    run: Run,
) -> None:
    twice = b"HTTP/1.1 200 X\r\nContent-Length: 2\r\n\r\nok" * 2
    async with running(x=raw(twice), y=raw(twice[:40] + b"garbage")) as server:
        report = await run(plan(server.url, burst(4), step("/x", "x"), step("/y", "y")))
    assert [got.succeeded for got in report.window.steps] == [4, 4]
    assert server.connections == 8


async def test_a_refused_port_is_connect(run: Run) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
        report = await run(plan(url, burst(3)))
    (got,) = report.window.steps
    assert (got.errors, got.attempts) == ({"Connect": 3}, 0)


async def test_a_name_that_does_not_exist_is_dns(run: Run) -> None:
    report = await run(plan("http://no-such-host.invalid/", burst(2)))
    assert report.window.steps[0].errors == {"DNS": 2}


async def test_a_connection_that_is_never_accepted_is_connect(run: Run) -> None:
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        with socket.create_connection(full.getsockname()):
            await asyncio.sleep(0)
            url = f"http://127.0.0.1:{full.getsockname()[1]}"
            report = await run(plan(url, burst(2, 2), connectTimeout="200ms", timeout="5s"))
    # The kernel lets one more in than the backlog says; that one is accepted and never answered.
    assert set(report.window.steps[0].errors) <= {"Connect", "Timeout"}
    assert report.window.steps[0].errors.get("Connect")


async def test_head_ends_with_its_headers_and_keeps_the_connection(run: Run) -> None:
    async with running(x=answer(200, LOREM)) as server:
        report = await run(plan(server.url, burst(3), step("/x", method="HEAD")))
    assert report.window.steps[0].succeeded == 3
    assert server.connections == 1


@pytest.mark.parametrize(
    ("mode", "connections"), [("Shared", 2), ("PerUser", 2), ("PerRequest", 8)]
)
async def test_connections_are_kept_as_the_target_says(
    run: Run, mode: str, connections: int
) -> None:
    async with running() as server:
        report = await run(plan(server.url, burst(8, 2), connections=mode))
    assert server.connections == connections == report.generator.connections
    assert all(
        (s.headers.get("connection") == "close") == (mode == "PerRequest") for s in server.log
    )


async def test_a_server_that_closes_idle_connections_fails_no_request(run: Run) -> None:
    closing = answer(200, b"ok", Connection="close")
    async with running(x=closing) as server:
        report = await run(plan(server.url, burst(20, 4), step("/x")))
    assert report.window.steps[0].succeeded == 20
    assert server.connections == 20
