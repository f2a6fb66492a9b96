"""The coordinator's certificate: kept while it fits, made anew where it does not."""

import asyncio
import base64
import ssl
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from perfrun.api import Json
from perfrun.controller.serve.tls import (
    RENEW_BEFORE,
    VALID,
    CertificatePair,
    certificate,
    make_pair,
    server_context,
)
from tests.unit.controller.build import settings

NOW = datetime.now(UTC)
HOST = "perfrun-coordinator.perfrun-system.svc"
WITH_TLS = settings(PERFRUN_TLS_SECRET="perfrun-coordinator-tls")


class OneSecret:
    """An API server with one Secret."""

    def __init__(self, pair: CertificatePair | None) -> None:
        self.data = _data(pair) if pair else None
        self.writes = 0

    async def get(self, *_: Any) -> Json:
        about = {"metadata": {"resourceVersion": "7"}}
        return about if self.data is None else {**about, "data": self.data}

    async def patch(self, _resource: Any, _namespace: str, _name: str, body: Json) -> Json:
        assert body["metadata"]["resourceVersion"] == "7"
        self.data = body["data"]
        self.writes += 1
        return body


def _data(pair: CertificatePair) -> dict[str, str]:
    files = {"tls.crt": pair.certificate, "tls.key": pair.key}
    return {name: base64.b64encode(text.encode()).decode() for name, text in files.items()}


@pytest.mark.parametrize(
    "standing",
    [
        pytest.param(None, id="nothing there yet"),
        pytest.param(make_pair(NOW, "another.svc"), id="for another name"),
        pytest.param(make_pair(NOW - VALID + RENEW_BEFORE, HOST), id="about to expire"),
        pytest.param(CertificatePair("not a certificate", "nor a key"), id="made by hand, badly"),
    ],
)
async def test_new_pair_is_made_and_stored(standing: CertificatePair | None) -> None:
    secret = OneSecret(standing)
    pair = await certificate(secret, WITH_TLS)  # type: ignore[arg-type]
    assert secret.data == _data(pair)
    assert secret.writes == 1
    assert await certificate(secret, WITH_TLS) == pair  # type: ignore[arg-type]
    assert secret.writes == 1


async def test_pair_that_fits_outlives_restarts() -> None:
    pair = make_pair(NOW - timedelta(days=365), HOST)
    secret = OneSecret(pair)
    assert await certificate(secret, WITH_TLS) == pair  # type: ignore[arg-type]
    assert secret.writes == 0


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_workers_that_know_the_certificate_trust_the_server_and_no_other(host: str) -> None:
    pair = make_pair(NOW, host)
    server = await asyncio.start_server(_greet, "127.0.0.1", 0, ssl=server_context(pair))
    port = server.sockets[0].getsockname()[1]
    async with server:
        context = ssl.create_default_context(cadata=pair.certificate)
        context.verify_flags |= ssl.VERIFY_X509_STRICT  # as Python 3.13 does
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", port, ssl=context, server_hostname=host
        )
        assert await reader.read() == b"hello"
        writer.close()
        await writer.wait_closed()
        with pytest.raises(ssl.SSLCertVerificationError):
            await asyncio.open_connection(
                "127.0.0.1", port, server_hostname=host,
                ssl=ssl.create_default_context(cadata=make_pair(NOW, host).certificate),
            )  # fmt: skip


async def _greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"hello")
    writer.close()
    await writer.wait_closed()
