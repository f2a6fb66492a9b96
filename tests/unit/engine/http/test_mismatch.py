"""TLS to a port that serves plain HTTP, and plain HTTP to one that expects TLS."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from perfrun.engine.errors import EngineError
from perfrun.engine.run import Engine
from perfrun.reach.values import Values
from tests.unit.engine.conftest import Run
from tests.unit.engine.http.tls.test_settings import certificate, server_context
from tests.unit.engine.server import answer, burst, plan, raw, running, step

NGINX = b"<html>\r\n<head><title>400 The plain HTTP request was sent to HTTPS port</title></head>"
GO = b"Client sent an HTTP request to an HTTPS server.\n"
APACHE = b"Reason: You're speaking plain HTTP to an SSL-enabled server port.<br />"


@asynccontextmanager
async def closing(answer: bytes = b"") -> AsyncIterator[int]:
    """The port of a server that ends each connection when the first bytes come."""

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(answer)
        writer.close()

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def refusal(url: str, **http: object) -> EngineError:
    """What is said of a target before the load."""
    engine = Engine(plan(url, burst(1), **http), 0, Values())
    with pytest.raises(EngineError) as caught:
        await engine.check()
    return caught.value


async def test_tls_to_a_plain_port_is_told_before_the_load() -> None:
    async with closing(b"HTTP/1.1 400 Bad Request\r\n\r\n") as port:
        found = await refusal(f"https://127.0.0.1:{port}")
    assert found.refused
    assert found.message == (
        f"TLS with 127.0.0.1:{port} failed: its answer is not TLS; if this port serves "
        "plain HTTP, write http:// in place of https://"
    )


async def test_a_port_that_closes_during_the_handshake_may_be_plain() -> None:
    async with closing() as port:
        found = await refusal(f"https://127.0.0.1:{port}")
    assert not found.refused
    assert found.message == (
        f"TLS with 127.0.0.1:{port} failed: the server closed the connection during the "
        "handshake; if this port serves plain HTTP, write http:// in place of https://"
    )


@pytest.mark.parametrize("body", [NGINX, GO, APACHE])
async def test_a_server_that_says_that_it_expects_tls_is_believed(run: Run, body: bytes) -> None:
    async with running(x=answer(400, body)) as server:
        report = await run(plan(server.url, burst(1), step("/x")))
    said = (
        "expected status 2xx or 3xx, got 400; this port expects TLS: write https:// in place of "
        "http://"
    )
    assert report.window.steps[0].messages == {"Status4xx": said}
    assert report.window.steps[0].examples == {"400": f"GET /x: {said}"}


async def test_any_other_400_says_nothing_of_tls(run: Run) -> None:
    async with running(x=answer(400, b"no such item")) as server:
        report = await run(plan(server.url, burst(1), step("/x")))
    assert report.window.steps[0].messages == {"Status4xx": "expected status 2xx or 3xx, got 400"}


async def test_an_alert_of_tls_is_told_as_one(run: Run) -> None:
    async with running(x=raw(b"\x15\x03\x01\x00\x02\x02\x0a", close=True)) as server:
        report = await run(plan(server.url, burst(1), step("/x")))
    assert report.window.steps[0].messages == {
        "Protocol": "the server answered with a TLS alert, this port expects TLS: write https:// "
        "in place of http://"
    }


async def test_plain_http_to_a_real_tls_port_is_told(run: Run, tmp_path: Path) -> None:
    tls = server_context(tmp_path, certificate("localhost"))
    async with running(tls) as server:
        report = await run(plan(f"http://127.0.0.1:{server.port}", burst(1), step("/x")))
    assert report.window.steps[0].messages == {
        "Reset": "the server closed the connection without an answer; if this port expects TLS, "
        "write https:// in place of http://"
    }


async def test_http2_to_a_port_that_does_not_speak_it_names_both_causes() -> None:
    async with running(x=raw(b"HTTP/1.1 400 X\r\n\r\n", close=True)) as server:
        found = await refusal(server.url, protocol="HTTP/2")
    assert found.message == (
        f"127.0.0.1:{server.port} does not speak HTTP/2: set spec.target.http.protocol to "
        "HTTP/1.1; if this port expects TLS, write https://"
    )
