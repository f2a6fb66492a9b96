"""Why a server could not be reached, or which value for it is missing."""

import errno
import os
import re
import ssl
from enum import StrEnum


class ErrorClass(StrEnum):
    """How a failed request failed: the key of :attr:`StepRecord.errors`."""

    DNS = "DNS"
    CONNECT = "Connect"
    TLS = "TLS"
    TIMEOUT = "Timeout"
    RESET = "Reset"
    """The connection ended before the response did."""
    PROTOCOL = "Protocol"
    """The response is not HTTP."""
    STATUS4XX = "Status4xx"
    STATUS5XX = "Status5xx"
    CHECK = "Check"
    SIZE = "Size"
    POLICY = "Policy"
    DATA = "Data"
    EXIT = "Exit"
    """A command ended with a non-zero exit code, or could not be started."""
    KILLED = "Killed"
    """A command was ended by a signal, or from outside."""
    NOT_READY = "NotReady"
    """The tool of a script is not ready yet."""
    RESULTS = "Results"
    """A command left no readable results."""
    BROWSER = "Browser"
    """The browser crashed, or did not start."""


class EngineError(Exception):
    """A run that cannot start: an error class and a sentence for the user."""

    def __init__(self, reason: str, message: str, *, refused: bool = False) -> None:
        super().__init__(message)
        self.reason = reason
        """An :class:`ErrorClass`, or ``Sql`` with the class of a SQLSTATE."""
        self.message = message
        self.refused = refused
        """Trying again will hardly help, for example with a wrong password."""


class DataError(EngineError):
    """A value that the plan needs is missing or unusable; trying again will not help."""

    def __init__(self, message: str) -> None:
        super().__init__(ErrorClass.DATA, message, refused=True)


class OpenError(EngineError):
    """A connection that could not be opened."""

    def __init__(
        self,
        reason: str,
        message: str,
        exhausted: str | None = None,
        *,
        refused: bool = False,
    ) -> None:
        super().__init__(reason, message, refused=refused)
        self.exhausted = exhausted
        """Ports, Descriptors or Memory, if the generator ran out of them."""


def tls_error(server: object, error: BaseException) -> OpenError:
    """The message of a failed TLS handshake. Retrying does not help with a certificate."""
    refused = isinstance(error, ssl.SSLCertVerificationError)
    return OpenError(
        ErrorClass.TLS, f"TLS with {server} failed: {message_of(error)}", refused=refused
    )


def sql_error(state: object, otherwise: str) -> str:
    """``Sql23`` for SQLSTATE 23505; without a SQLSTATE, ``Sql`` and ``otherwise``."""
    known = isinstance(state, str) and re.fullmatch(r"[0-9A-Z]{5}", state)
    return f"Sql{str(state)[:2] if known else otherwise}"


_EXHAUSTED = {
    errno.EADDRNOTAVAIL: "Ports",
    errno.EMFILE: "Descriptors",
    errno.ENFILE: "Descriptors",
    errno.ENOMEM: "Memory",
    errno.ENOBUFS: "Memory",
}


def exhausted_by(error: OSError) -> str | None:
    """The resource that the generator ran out of, if that is the error."""
    return _EXHAUSTED.get(error.errno) if error.errno is not None else None


def message_of(error: BaseException) -> str:
    """The message of a connection error, without its number."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return error.verify_message
    if isinstance(error, ssl.SSLError):
        return error.reason or str(error)
    if isinstance(error, OSError) and error.errno:
        return os.strerror(error.errno)
    return str(error) or type(error).__name__


def unconnected(server: str, error: OSError) -> str:
    """The message of a failed connection, with the reason if there is more to say."""
    if isinstance(error, ConnectionRefusedError):
        return f"{server} refused the connection"
    # The error of our own timeout has no message.
    silent = isinstance(error, TimeoutError) and not str(error)
    why = "no response in time" if silent else message_of(error)
    return f"{server} cannot be reached: {why}"
