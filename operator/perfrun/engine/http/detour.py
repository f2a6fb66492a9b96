"""Requests that do not end with their first attempt."""

MOST_REFUSALS = 10
"""Of one request; then it has failed."""


class Detour:
    """What became of a request that did not end with its first attempt."""

    __slots__ = ("hops", "refusals", "retries", "since")

    def __init__(self, since: int) -> None:
        self.hops = self.retries = self.refusals = 0
        """Redirects followed, attempts made again, attempts that the peer did not look at."""
        self.since = since
        """When the first byte of the first attempt was written (or the step begun), ns."""
