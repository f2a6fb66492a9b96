"""Why a worker's message is rejected. Each class is one HTTP status; the text is a sentence."""

# ruff: noqa: N818 -- named after the answers that they become

from typing import ClassVar


class CoordinatorError(Exception):
    """A message was rejected; ``retry`` says whether the worker should send it again."""

    status: ClassVar[int] = 500
    retry: ClassVar[bool] = False
    stranger = False
    """Whether the sender was not authenticated."""


class Malformed(CoordinatorError):
    """The body is not what was expected, or names a worker that the run does not have."""

    status = 400


class Gone(CoordinatorError):
    """The sender disconnected in the middle of its message."""

    status = 400


class Unauthenticated(CoordinatorError):
    """The message has no token."""

    status = 401


class Refused(CoordinatorError):
    """The token does not belong to the worker of this run and index."""

    status = 403


class Conflict(CoordinatorError):
    """Another worker with the same index, or another report of it, came first."""

    status = 409


class Over(CoordinatorError):
    """The run has ended: nothing is accepted any more."""

    status = 410


class TooLarge(CoordinatorError):
    """The body is larger than any such message can be."""

    status = 413


class TooMany(CoordinatorError):
    """This worker sends more messages than allowed; the message was not read."""

    status = 429
    retry = True


class Unavailable(CoordinatorError):
    """Not now: the run is not open here yet, or the host could not store or check something."""

    status = 503
    retry = True
