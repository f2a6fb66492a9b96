"""The API server as an administrator sees it, and waiting for what it comes to hold."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import httpx

from tests.cluster.handle import ApiServer
from tests.cluster.pki import client_of

Json = dict[str, Any]
T = TypeVar("T")

PATIENCE_S = 90.0
POLL_S = 0.1


class Api:
    """The API server as an administrator sees it."""

    def __init__(self, server: ApiServer) -> None:
        self._http = httpx.AsyncClient(
            base_url=server.url, verify=client_of(server.kubeconfig), timeout=20, trust_env=False
        )

    async def close(self) -> None:
        await self._http.aclose()

    async def call(self, method: str, path: str, body: Json | None = None, **more: Any) -> Json:
        response = await self._http.request(method, path, json=body, **more)
        assert response.status_code < 400, f"{method} {path}: {response.text}"
        answer: Json = response.json()
        return answer

    async def find(self, path: str) -> Json | None:
        response = await self._http.get(path)
        if response.status_code == 404:
            return None
        response.raise_for_status()
        found: Json = response.json()
        return found

    async def items(self, path: str) -> list[Json]:
        found: list[Json] = (await self.call("GET", path))["items"]
        return found

    async def requests(self, verb: str, resource: str) -> int:
        """How many requests the server has answered, by its own count."""
        text = (await self._http.get("/metrics")).text
        lines = [line for line in text.splitlines() if line.startswith("apiserver_request_total{")]
        wanted = (f'verb="{verb}"', f'resource="{resource}"')
        return sum(
            int(float(line.rpartition(" ")[2]))
            for line in lines
            if all(part in line for part in wanted)
        )

    async def merge(self, path: str, body: Json) -> Json:
        headers = {"Content-Type": "application/merge-patch+json"}
        return await self.call("PATCH", path, body, headers=headers)


async def until(
    what: str, look: Callable[[], Awaitable[T | None]], seconds: float = PATIENCE_S
) -> T:
    """The first true answer of ``look`` (an async function), asked for a bounded time."""
    began = time.monotonic()
    while True:
        if answer := await look():
            return answer
        waited = time.monotonic() - began
        assert waited < seconds, f"after {seconds:.0f} s still not: {what}"
        # Who waits for long asks less often.
        await asyncio.sleep(min(POLL_S + waited / 40, 3 * POLL_S))
