"""How TLS is spoken to a database, by the sslmode of its DSN."""

import ssl
from typing import Any

from typing_extensions import override

from perfrun.reach.dsn import Dsn


def security(dsn: Dsn) -> ssl.SSLContext | None:
    """The context of ``require`` and ``verify-full``; None: as the driver does by itself."""
    if dsn.ssl_mode == "require":
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return context
    return _Named.for_host(dsn.host) if dsn.ssl_mode == "verify-full" else None


class _Named(ssl.SSLContext):
    """Checks the certificate against the name in the DSN: what is connected to is an address."""

    _name: str

    @classmethod
    def for_host(cls, name: str) -> "_Named":
        context = cls(ssl.PROTOCOL_TLS_CLIENT)
        context.load_default_certs()
        context._name = name
        return context

    @override
    def wrap_bio(self, *args: Any, **named: Any) -> ssl.SSLObject:
        return super().wrap_bio(*args, **{**named, "server_hostname": self._name})
