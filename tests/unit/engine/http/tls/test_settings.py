"""TLS with a CA of the test's own: trusted, unknown, another name, a client certificate."""

import asyncio
import ipaddress
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from perfrun.engine.errors import ErrorClass, OpenError
from perfrun.engine.run import Engine
from tests.unit.engine.conftest import Run
from tests.unit.engine.http.test_request import Files
from tests.unit.engine.server import answer, burst, plan, running, step

KEY = ec.generate_private_key(ec.SECP256R1())
CA_FROM = {"caFrom": {"configMapKeyRef": {"name": "shop", "key": "ca"}}}


def certificate(name: str) -> bytes:
    """A certificate for ``name`` (and 127.0.0.1 for localhost) that signs itself: its own CA."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    names: list[x509.GeneralName] = [x509.DNSName(name)]
    if name == "localhost":
        names.append(x509.IPAddress(ipaddress.ip_address("127.0.0.1")))
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(KEY.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(KEY, hashes.SHA256())
        .public_bytes(serialization.Encoding.PEM)
    )


def server_context(folder: Path, pem: bytes) -> ssl.SSLContext:
    (folder / "tls.crt").write_bytes(pem)
    (folder / "tls.key").write_bytes(
        KEY.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "tls.crt", folder / "tls.key")
    return context


@pytest.mark.parametrize(
    ("name", "tls", "failed"),
    [
        pytest.param("localhost", CA_FROM, 0, id="a CA of its own"),
        pytest.param("localhost", {}, 4, id="an unknown CA"),
        pytest.param("shop.svc", CA_FROM, 4, id="another name"),
        pytest.param("shop.svc", {**CA_FROM, "serverName": "shop.svc"}, 0, id="the name given"),
        pytest.param("shop.svc", {"insecureSkipVerify": True}, 0, id="no verification"),
    ],
)
async def test_a_certificate_is_checked_as_the_target_says(
    run: Run, tmp_path: Path, name: str, tls: object, failed: int
) -> None:
    pem = certificate(name)
    async with running(server_context(tmp_path, pem)) as server:
        a_plan = plan(server.url, burst(4, 2), tls=tls)
        report = await run(a_plan, Files(ca=pem.decode()))
    (got,) = report.window.steps
    assert got.errors == ({"TLS": failed} if failed else {})
    assert got.attempts == len(server.log) == 4 - failed
    assert ("connect/success" in got.timings) is not failed or failed == 0


async def test_a_client_certificate_is_shown(run: Run, tmp_path: Path) -> None:
    pem = certificate("localhost")
    context = server_context(tmp_path, pem)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(cadata=pem.decode())
    mine = {**CA_FROM, "clientCertificateFrom": {"secretRef": {"name": "shop"}}}
    async with running(context) as server:
        report = await run(plan(server.url, burst(2), tls=mine), Files(tmp_path, ca=pem.decode()))
    assert report.window.steps[0].succeeded == 2


async def test_what_the_target_is_trusted_with_goes_to_no_other_origin(
    run: Run, tmp_path: Path
) -> None:
    context = server_context(tmp_path, certificate("localhost"))
    anyone = {
        "insecureSkipVerify": True,
        "clientCertificateFrom": {"secretRef": {"name": "shop"}},
    }
    async with running(context) as away:
        there = answer(302, b"", Location=f"{away.url}/")
        async with running(context, x=there) as home:
            a_plan = plan(home.url, burst(2), step("/x"), tls=anyone, redirects=1)
            report = await run(a_plan, Files(tmp_path))
    assert report.window.steps[0].errors == {"TLS": 2}
    assert (len(home.log), away.log) == (2, [])


async def test_plain_http_where_tls_is_expected_is_tls(run: Run) -> None:
    async def plain(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(plain, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        report = await run(plan(f"https://127.0.0.1:{port}", burst(2)))
    assert report.window.steps[0].errors == {"TLS": 2}


async def test_the_check_before_the_start_sends_no_request(tmp_path: Path) -> None:
    pem = certificate("localhost")
    async with running(server_context(tmp_path, pem)) as server:
        trusting = Files(ca=pem.decode())
        await Engine(plan(server.url, burst(1), tls=CA_FROM), 0, trusting).check()
        with pytest.raises(OpenError) as raised:
            await Engine(plan(server.url, burst(1)), 0, trusting).check()
    assert (raised.value.reason, raised.value.refused) == (ErrorClass.TLS, True)
    assert "self-signed certificate" in raised.value.message
    assert server.log == []
