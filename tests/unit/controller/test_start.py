"""The start of the operator while there is no API server: it answers probes, and waits."""

import asyncio
import socket

import httpx
import pytest

from perfrun.controller import __main__ as module
from perfrun.kube.errors import KubeError
from tests.unit.controller.build import settings


async def test_probes_are_answered_while_the_api_server_is_away(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    tried = asyncio.Event()

    async def away() -> None:
        tried.set()
        raise KubeError(0, "the API server did not answer")

    monkeypatch.setattr("perfrun.controller.__main__.Kube.connect", away)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    starting = asyncio.create_task(module.start(settings(PERFRUN_LISTEN_PROBES=str(port))))
    await asyncio.wait_for(tried.wait(), 10)
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as http:
        codes = [(await http.get(path)).status_code for path in ("/healthz", "/readyz")]
    assert codes == [200, 503]
    assert not starting.done()
    starting.cancel()
    await asyncio.gather(starting, return_exceptions=True)
    assert "waiting for the cluster: the API server did not answer" in caplog.text
