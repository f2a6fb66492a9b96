"""Why a request failed, and why a run cannot start."""

import ssl

from perfrun.reach.errors import DataError as DataError
from perfrun.reach.errors import EngineError as EngineError
from perfrun.reach.errors import ErrorClass as ErrorClass
from perfrun.reach.errors import OpenError as OpenError
from perfrun.reach.errors import exhausted_by as exhausted_by
from perfrun.reach.errors import tls_error as tls_error
from perfrun.reach.errors import unconnected as unconnected


class SetupError(EngineError):
    """The setup has failed, so there is no load; trying again would run it twice."""


class ToolError(EngineError):
    """The tool of a script cannot be prepared; it is started once only."""


class OutOfDataError(Exception):
    """There is no data left for this iteration: a feed with unique rows is exhausted."""

    def __init__(self, feed: str) -> None:
        super().__init__(f"the feed {feed} has no rows left")


class ResponseError(Exception):
    """A response that cannot be used: the error class of its request, and the reason in words."""

    def __init__(self, reason: ErrorClass, message: str = "") -> None:
        super().__init__(message or reason.value)
        self.reason, self.message = reason, message


FORESEEN = (OutOfDataError, UnicodeError, RecursionError)
"""Exceptions that the data of one request may cause without a defect in perfrun."""


def spoilt_by(error: Exception) -> str:
    """What was wrong with the data of one request, without the data itself, which may be secret."""
    match error:
        case OutOfDataError():
            return str(error)
        case UnicodeError():
            return (
                "a value contains a lone surrogate, which is not a valid character and cannot "
                "be sent"
            )
        case RecursionError():
            return "the JSON is nested too deeply"
    return f"the request could not be built from its data: {type(error).__name__}"


def lost_by(error: Exception | None) -> ErrorClass:
    """The failure of a request whose connection was lost with an error.

    In TLS 1.3 a server may refuse a client's certificate only after the client's handshake.
    """
    return ErrorClass.TLS if isinstance(error, ssl.SSLError) else ErrorClass.RESET
