"""One number of a Prometheus, and what is said where there is none."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from perfrun.logic.plan.network import ANYWHERE, Fence
from perfrun.measure.plan import NetworkRule
from perfrun.observe.prometheus import PrometheusSource
from perfrun.observe.source import UnseenError
from perfrun.reach.resolver import Resolver

Ask = Callable[..., Awaitable[Any]]


class Server:
    """Answers each query with what it was told to; keeps how it was asked."""

    def __init__(self) -> None:
        self.status, self.text = 200, ""
        self.asked: dict[str, str] = {}

    def gives(self, kind: str, result: Any) -> None:
        data = {"resultType": kind, "result": result}
        self.text = json.dumps({"status": "success", "data": data})

    async def answer(self, request: web.Request) -> web.Response:
        form = await request.post()
        self.asked = {
            "path": request.path,
            "query": str(form["query"]),
            "host": request.headers["Host"],
            "authorization": request.headers.get("Authorization", ""),
        }
        return web.Response(status=self.status, text=self.text, content_type="application/json")


@pytest.fixture
async def server() -> Server:
    return Server()


@pytest.fixture
async def ask(server: Server) -> AsyncIterator[Ask]:
    app = web.Application()
    app.router.add_post("/{path:.*}", server.answer)
    async with TestServer(app) as running:
        assert running.port is not None
        port = running.port

        async def one(path: str = "", token: str | None = None, fence: Fence = ANYWHERE) -> Any:
            resolver = Resolver("localhost", port, fence)
            url = f"http://localhost:{port}{path}"
            source = PrometheusSource(url, "sum(depth)", resolver, False, token)
            try:
                return (await source.look())["value"]
            finally:
                await source.close()

        yield one


async def refused(ask: Ask, **how: Any) -> str:
    with pytest.raises(UnseenError) as caught:
        await ask(**how)
    return str(caught.value)


async def test_a_single_series_and_a_scalar_are_numbers(server: Server, ask: Ask) -> None:
    server.gives("vector", [{"metric": {}, "value": [1.0, "0.25"]}])
    assert await ask(path="/prometheus/", token="s3cret") == 0.25
    assert server.asked["path"] == "/prometheus/api/v1/query"
    assert server.asked["query"] == "sum(depth)"
    assert server.asked["host"].startswith("localhost:")
    assert server.asked["authorization"] == "Bearer s3cret"
    server.gives("scalar", [1.0, "7"])
    assert await ask() == 7.0
    assert server.asked["authorization"] == ""


@pytest.mark.parametrize(
    ("kind", "result", "said"),
    [
        ("vector", [], "the query returned no series, but must return one"),
        ("vector", [], "If no series means zero, use sum(QUERY) or vector(0)"),
        (
            "vector",
            [{"value": [1, "1"]}] * 3,
            "the query returned 3 series, but must return one: use sum()",
        ),
        ("vector", [{"histogram": [1, {}]}], "the query returned a histogram, not a number"),
        ("matrix", [], "the query returned a matrix, not a number"),
        ("vector", [{"value": [1.0, "NaN"]}], "the query returned nan"),
        ("scalar", [1.0, "+Inf"], "the query returned inf"),
        ("vector", [{"value": "x"}], "not answer in the format of Prometheus"),
        ("vector", [None], "not answer in the format of Prometheus"),
        ("scalar", None, "not answer in the format of Prometheus"),
    ],
)
async def test_what_is_no_single_number_is_told(
    server: Server, ask: Ask, kind: str, result: Any, said: str
) -> None:
    server.gives(kind, result)
    assert said in await refused(ask)


@pytest.mark.parametrize(
    ("status", "text", "said"),
    [
        (400, '{"status": "error", "error": "parse error"}', "refused the query: parse error"),
        (
            502,
            "<html>bad gateway</html>",
            "answered with HTTP status 502, but not in the format of Prom",
        ),
        (200, "[]", "not in the format of Prometheus"),
        (200, '{"status": "success"}', "not answer in the format of Prometheus"),
        (200, " " * 70_000, "more than 64 KiB"),
    ],
)
async def test_rubbish_and_errors_are_told(
    server: Server, ask: Ask, status: int, text: str, said: str
) -> None:
    server.status, server.text = status, text
    assert said in await refused(ask)


async def test_a_server_that_is_not_there_is_told() -> None:
    source = PrometheusSource("http://localhost:9", "up", Resolver("localhost", 9, ANYWHERE), False)
    with pytest.raises(UnseenError, match="Prometheus localhost:9 cannot be reached"):
        await source.look()
    await source.close()


async def test_a_policy_keeps_it_from_being_asked(server: Server, ask: Ask) -> None:
    fence = Fence([NetworkRule(policy="strict", hosts=["*.shop.svc"])], "shop")
    assert "PerfPolicy strict" in await refused(ask, fence=fence)
    assert server.asked == {}
