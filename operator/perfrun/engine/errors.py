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


class OutOfDataError(Exception):
    """There is no data left for this iteration: a feed of unique rows has been used up."""

    def __init__(self, feed: str) -> None:
        super().__init__(f"the feed {feed} has no row left")


class ResponseError(Exception):
    """A response that cannot be used: the class that its request fails with, and why in words."""

    def __init__(self, reason: ErrorClass, said: str = "") -> None:
        super().__init__(said or reason.value)
        self.reason, self.said = reason, said


FORESEEN = (OutOfDataError, UnicodeError, RecursionError)
"""What the data of one request may raise without a defect of perfrun's."""


def spoilt_by(error: Exception) -> str:
    """What was wrong with the data of one request, without any of it: it may be a secret."""
    match error:
        case OutOfDataError():
            return str(error)
        case UnicodeError():
            return "a value has half of a character (a lone surrogate), which cannot be sent"
        case RecursionError():
            return "the JSON is nested too deeply"
    return f"the data of this request could not be used: {type(error).__name__}"


def lost_by(error: Exception | None) -> ErrorClass:
    """How a request failed whose connection was lost with an error.

    In TLS 1.3 a server may refuse a client's certificate only after the client's handshake.
    """
    return ErrorClass.TLS if isinstance(error, ssl.SSLError) else ErrorClass.RESET
