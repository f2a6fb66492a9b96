"""Why a worker's message is turned away. Each class is one HTTP status; the text is a sentence."""

# ruff: noqa: N818 -- named after the answer that they become

from typing import ClassVar


class CoordinatorError(Exception):
    """A message that was not taken; ``retry`` says whether the worker should send it again."""

    status: ClassVar[int] = 500
    retry: ClassVar[bool] = False
    stranger = False
    """Whether its sender was not let in."""


class Malformed(CoordinatorError):
    """The body is not what was expected, or names a worker that the run does not have."""

    status = 400


class Gone(CoordinatorError):
    """The sender went away in the middle of its message."""

    status = 400


class Unauthenticated(CoordinatorError):
    """No token came along."""

    status = 401


class Refused(CoordinatorError):
    """The token is not one of a worker of this run and index."""

    status = 403


class Conflict(CoordinatorError):
    """Another worker with the same index, or another report of it, was here first."""

    status = 409


class Over(CoordinatorError):
    """The run has ended: nothing is taken any more."""

    status = 410


class TooLarge(CoordinatorError):
    """The body is larger than any such message can be."""

    status = 413


class TooMany(CoordinatorError):
    """This worker sends more than it may; what it sent was not read."""

    status = 429
    retry = True


class Unavailable(CoordinatorError):
    """Not now: the run is not open here (yet), or the host could not write or check."""

    status = 503
    retry = True
