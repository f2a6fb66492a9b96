"""Address, login and TLS of a database: read from a Secret, and never shown."""

import ssl
from dataclasses import dataclass, field
from typing import Any, Literal, get_args
from urllib.parse import parse_qsl, unquote, urlsplit

from typing_extensions import override

from perfrun.reach.errors import DataError
from perfrun.reach.foreign import SECRETS

Driver = Literal["postgresql", "mysql"]
SslMode = Literal["disable", "prefer", "require", "verify-full"]

_DRIVERS: dict[str, Driver] = {
    "postgresql": "postgresql",
    "postgres": "postgresql",
    "mysql": "mysql",
    "mariadb": "mysql",
}
_OF_LIBPQ = ("allow", "verify-ca")
_PORTS: dict[Driver, int] = {"postgresql": 5432, "mysql": 3306}


@dataclass(frozen=True, slots=True)
class Dsn:
    """The parts of a data source name; secrets in it are not printed."""

    driver: Driver
    host: str
    port: int
    user: str
    password: str = field(repr=False)
    database: str
    ssl_mode: SslMode

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


@dataclass(slots=True)
class LoginTimeouts:
    """Time limits in ns, for all logins of one target."""

    connect: int
    statement: int | None
    """The statement timeout to set in the server; None: the server refused it, as poolers do."""


def parse_dsn(text: str, where: str) -> Dsn:
    """Parse a data source name. Raises DataError, which contains nothing from it but names of
    options.

    Only known options are accepted: libpq and similar libraries also read files and sockets that a
    DSN names, and a worker connects to nothing that its policies have not checked.
    """
    try:
        parts = urlsplit(text.strip())
        host, port = parts.hostname, parts.port
        options = dict(
            parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
        )
    except ValueError:
        raise DataError(f"{where}: it is not a URL; write it as in {_EXAMPLE}") from None
    driver = _DRIVERS.get(parts.scheme)
    if driver is None:
        raise DataError(
            f"{where}: it must begin with one of {', '.join(_DRIVERS)}, as in {_EXAMPLE}"
        )
    if not host or not parts.username:
        raise DataError(f"{where}: it has no host or no user; write it as in {_EXAMPLE}")
    database = unquote(parts.path.lstrip("/"))
    if not database:
        raise DataError(f"{where}: it has no database; write it as in {_EXAMPLE}")
    mode = options.pop("sslmode", "prefer")
    if options:
        raise DataError(
            f"{where}: the only option is sslmode, but it has {', '.join(options)[:200]}"
        )
    known: dict[str, SslMode] = {one: one for one in get_args(SslMode)}
    if mode not in known:
        # Only names that libpq knows are shown: the rest may be a misplaced password.
        given = f" {mode}" if mode in _OF_LIBPQ else ""
        raise DataError(f"{where}: sslmode{given} is not one of {', '.join(known)}")
    SECRETS.learn(unquote(parts.password or ""))
    return Dsn(
        driver=driver,
        host=host,
        port=port or _PORTS[driver],
        user=unquote(parts.username),
        password=unquote(parts.password or ""),
        database=database,
        ssl_mode=known[mode],
    )


_EXAMPLE = "postgresql://USER:PASSWORD@HOST:5432/DATABASE"


def security(dsn: Dsn) -> ssl.SSLContext | None:
    """The context of ``require`` and ``verify-full``; None: the driver's default."""
    if dsn.ssl_mode == "require":
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return context
    return _Named.for_host(dsn.host) if dsn.ssl_mode == "verify-full" else None


class _Named(ssl.SSLContext):
    """Checks the certificate against the name in the DSN, because the connection is made to an
    address."""

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
