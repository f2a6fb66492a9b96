"""The operator's certificate, for the coordinator and the metrics, stored in its own Secret.

It is self-signed and created once. Workers get it with their plan, and Prometheus reads it from the
Secret, so that nothing else has to be trusted. It survives restarts of the operator, because
workers of runs in progress know it.
"""

import base64
import ssl
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from perfrun.controller.settings import Settings
from perfrun.kube.client import Kube
from perfrun.kube.resources import SECRETS

VALID = timedelta(days=3650)
RENEW_BEFORE = timedelta(days=90)

_USAGE = x509.KeyUsage(
    digital_signature=True,
    key_cert_sign=True,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    crl_sign=False,
    encipher_only=False,
    decipher_only=False,
)


class CertificatePair(NamedTuple):
    """A certificate and its key, PEM."""

    certificate: str
    key: str


async def certificate(kube: Kube, settings: Settings) -> CertificatePair:
    """The pair in the Secret; if there is none that fits, a new one, which is stored there."""
    hosts = [urlsplit(settings.coordinator_url).hostname or ""]
    if settings.metrics_service:
        hosts.append(f"{settings.metrics_service}.{settings.namespace}.svc")
    secret = await kube.get(SECRETS, settings.namespace, settings.tls_secret)
    data = secret.get("data") or {}
    if "tls.crt" in data and "tls.key" in data:
        pair = CertificatePair(
            *(base64.b64decode(data[name]).decode() for name in ("tls.crt", "tls.key"))
        )
        if _fits(pair, hosts, datetime.now(UTC)):
            return pair
    pair = make_pair(datetime.now(UTC), *hosts)
    body = {
        "metadata": {"resourceVersion": secret["metadata"]["resourceVersion"]},
        "data": {
            "tls.crt": base64.b64encode(pair.certificate.encode()).decode(),
            "tls.key": base64.b64encode(pair.key.encode()).decode(),
        },
    }
    await kube.patch(SECRETS, settings.namespace, settings.tls_secret, body)
    return pair


def make_pair(now: datetime, *hosts: str) -> CertificatePair:
    """A self-signed certificate for host names or addresses."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "perfrun")])
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + VALID)
        .add_extension(x509.SubjectAlternativeName(map(_general_name, hosts)), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(_USAGE, critical=True)  # Python 3.13 verifies strictly (RFC 5280)
        .sign(key, hashes.SHA256())
    )
    return CertificatePair(
        built.public_bytes(serialization.Encoding.PEM).decode(),
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ).decode(),
    )


def server_context(pair: CertificatePair) -> ssl.SSLContext:
    """The context of a server with this certificate."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # The standard library loads chains only from files; this one is deleted right after.
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "pair.pem"
        path.touch(mode=0o600)
        path.write_text(pair.certificate + pair.key)
        context.load_cert_chain(path)
    return context


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _fits(pair: CertificatePair, hosts: Sequence[str], now: datetime) -> bool:
    try:
        certificate = x509.load_pem_x509_certificate(pair.certificate.encode())
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except (ValueError, x509.ExtensionNotFound):
        return False
    left = certificate.not_valid_after_utc - now
    named = all(_general_name(host) in names.value for host in hosts)
    return named and left > RENEW_BEFORE
