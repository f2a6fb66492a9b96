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


def lost_by(error: Exception | None) -> ErrorClass:
    """How a request failed whose connection was lost with an error.

    In TLS 1.3 a server may refuse a client's certificate only after the client's handshake.
    """
    return ErrorClass.TLS if isinstance(error, ssl.SSLError) else ErrorClass.RESET
