"""How the responses to a step are read, and which head is remembered."""

import re
from enum import IntEnum

from perfrun.api.quantities import NS_PER_MS

LEARN_EVERY = NS_PER_MS
"""Minimum time between two learnt heads: if every head differs, learning would only cost time."""

_END_OF_HEAD = b"\r\n\r\n"
_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*([0-9]{1,18})[ \t]*\r\n", re.IGNORECASE)
_CODED = re.compile(rb"\r\ntransfer-encoding[ \t]*:", re.IGNORECASE)
_BODILESS = (204, 304)


class ReadMode(IntEnum):
    """The part of a response that is needed."""

    STATUS = 0
    """Only the status: the body is counted, not kept."""
    BODY = 1
    HEAD_ONLY = 2
    """The response to HEAD: it ends after its headers, whatever their length says."""


class ReadPlan:
    """How the responses to a step are read, and the last head of these responses.

    The head contains everything that the parser found out about a message: its status, its length
    and that the connection may be kept. Bytes that begin with the same head and have the resulting
    length are a whole message with the same meaning, so they need no parser.
    """

    __slots__ = ("body_at", "head", "learn_at", "length", "mode", "size_limit", "status")

    def __init__(self, mode: ReadMode, size_limit: int) -> None:
        """``size_limit``: bytes of the body to keep, only with :attr:`ReadMode.BODY`."""
        self.mode = mode
        self.size_limit = size_limit
        self.head = b""
        self.body_at = 0
        self.length = -1
        """Length of the whole message in bytes; -1: unknown."""
        self.status = 0
        self.learn_at = 0
        """When another head may be learnt (monotonic ns)."""

    def learn(self, message: bytes, status: int, now: int) -> None:
        """Remember the head of a complete message that leaves the connection open."""
        self.learn_at = now + LEARN_EVERY
        body_at = message.find(_END_OF_HEAD) + len(_END_OF_HEAD)
        head = message[:body_at]
        lengths = _LENGTH.findall(head)
        body = len(message) - body_at
        if status in _BODILESS:
            told = body == 0
        else:
            told = len(lengths) == 1 and int(lengths[0]) == body and not _CODED.search(head)
        if told and (self.mode is ReadMode.STATUS or body <= self.size_limit):
            self.head, self.body_at, self.status = head, body_at, status
            self.length = len(message)
