"""TLS settings of the target."""

import ssl

from perfrun.api.test.target import HttpTarget, Tls
from perfrun.api.test.values import ValueSource
from perfrun.engine.errors import DataError
from perfrun.engine.http.pool import Security, Trust
from perfrun.logic.plan.network import Fence
from perfrun.reach.values import Values, value_of

_WHERE = "spec.target.http.tls"


def trust(target: HttpTarget, values: Values, fence: Fence) -> Trust:
    """What a target's test trusts. Raises DataError for a missing or unusable certificate.

    The settings of ``target.tls`` are for the target. If a redirect leads to another origin, the
    system's CAs decide, and no client certificate is presented.
    """
    return Trust(_home(target, values), Security(_context(target), None), fence)


def verifying(target: HttpTarget, values: Values) -> ssl.SSLContext:
    """For other services of a target: the system's CAs, and the target's own."""
    context = ssl.create_default_context()
    if target.tls is not None and target.tls.ca_from is not None:
        _load_ca(context, target.tls.ca_from, values)
    return context


def _context(target: HttpTarget) -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.set_alpn_protocols(["h2" if target.protocol == "HTTP/2" else "http/1.1"])
    return context


def _home(target: HttpTarget, values: Values) -> Security:
    tls, context = target.tls or Tls(), _context(target)
    if tls.ca_from is not None:
        _load_ca(context, tls.ca_from, values)
    if tls.client_certificate_from is not None:
        _load_client_certificate(context, tls.client_certificate_from.secret_ref.name, values)
    if tls.insecure_skip_verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return Security(context, tls.server_name, tls.session_reuse)


def _load_client_certificate(context: ssl.SSLContext, secret: str, values: Values) -> None:
    field = f"{_WHERE}.clientCertificateFrom"
    certificate = values.secret_file(secret, "tls.crt", field)
    key = values.secret_file(secret, "tls.key", field)
    try:
        context.load_cert_chain(certificate, key)
    except (OSError, ssl.SSLError) as error:
        raise DataError(
            f"{field}: Secret {secret} does not contain a certificate and its key: {error}"
        ) from error


def _load_ca(context: ssl.SSLContext, source: ValueSource, values: Values) -> None:
    text, _ = value_of(source, values, f"{_WHERE}.caFrom")
    try:
        context.load_verify_locations(cadata=text)
    except (ssl.SSLError, ValueError) as error:
        raise DataError(f"{_WHERE}.caFrom: is not a CA certificate in PEM: {error}") from error
