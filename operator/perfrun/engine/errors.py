"""Why a request failed, and why a run cannot start."""

import errno
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
    """What came back is not HTTP."""
    STATUS4XX = "Status4xx"
    STATUS5XX = "Status5xx"
    CHECK = "Check"
    SIZE = "Size"
    POLICY = "Policy"
    DATA = "Data"


class EngineError(Exception):
    """A run that cannot start: an error class and a sentence for the user."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        """An :class:`ErrorClass`, or ``Sql`` with the class of a SQLSTATE."""
        self.message = message


class DataError(EngineError):
    """A value that the plan needs is missing or unusable; trying again will not help."""

    def __init__(self, message: str) -> None:
        super().__init__(ErrorClass.DATA, message)


class SetupError(EngineError):
    """The setup has failed, so there is no load; trying again would run it twice."""


class OutOfDataError(Exception):
    """There is no data left for this iteration: a feed of unique rows has been used up."""


class OpenError(EngineError):
    """A connection that could not be opened."""

    def __init__(self, reason: str, message: str, exhausted: str | None = None) -> None:
        super().__init__(reason, message)
        self.exhausted = exhausted
        """Ports, Descriptors or Memory, where it was the generator that ran out."""


_EXHAUSTED = {
    errno.EADDRNOTAVAIL: "Ports",
    errno.EMFILE: "Descriptors",
    errno.ENFILE: "Descriptors",
    errno.ENOMEM: "Memory",
    errno.ENOBUFS: "Memory",
}


def exhausted_by(error: OSError) -> str | None:
    """What the generator has run out of, where that is what an error says."""
    return _EXHAUSTED.get(error.errno) if error.errno is not None else None


def lost_by(error: Exception | None) -> ErrorClass:
    """How a request failed whose connection was lost with an error.

    In TLS 1.3 a server may refuse a client's certificate only after the client's handshake.
    """
    return ErrorClass.TLS if isinstance(error, ssl.SSLError) else ErrorClass.RESET
