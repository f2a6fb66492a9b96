"""The traffic of an access log: how often each kind of request occurs, and requests per second.

Memory is bounded for any log: if there are too many kinds, the rarest are dropped, and seconds are
counted in a window that moves with the log.
"""

import re
from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from perfrun.cli.init.draft import METHODS
from perfrun.cli.init.logs.lines import LoggedRequest
from perfrun.cli.init.secrets import is_uuid, secret_name, secret_value
from perfrun.cli.init.texts import is_static_name

MAX_KINDS = 20_000
_MAX_SAMPLES = 12
_MAX_SAMPLE_LENGTH = 500
_WINDOW = 600
"""Lines may be this many seconds out of order: they are written when requests end."""
_NUMBER = re.compile(r"[0-9]+\Z")
_HEX = re.compile(r"(?=.*[0-9])[0-9a-f]{8,}\Z", re.IGNORECASE)


class RequestKind(NamedTuple):
    """Requests that differ only in ids."""

    method: str
    path: str
    """With {id} in place of ids."""


@dataclass(slots=True)
class Occurrences:
    """How often it occurs, and samples of the original requests."""

    count: int = 0
    samples: dict[str, None] = field(default_factory=dict)
    statuses: Counter[int] = field(default_factory=Counter)


class Traffic:
    """Counts the lines of a log."""

    def __init__(self) -> None:
        self.kinds: dict[RequestKind, Occurrences] = {}
        self.lines = 0
        self.unread = 0
        self.failed = 0
        """Requests that were answered by 4xx, 5xx or 101, or not at all."""
        self.with_tokens = 0
        self.hidden: dict[str, None] = {}
        """Names of parameters whose values were not kept."""
        self.rates = Rates()

    def add(self, line: LoggedRequest | None) -> None:
        """Count one line; None: it could not be read."""
        self.lines += 1
        target = None if line is None or line.method not in METHODS else _origin_form(line.target)
        if line is None or target is None:
            self.unread += 1
            return
        self.rates.add(line.second)
        if not 200 <= line.status < 400:
            self.failed += 1
            return
        path, _, query = target.partition("?")
        template = normal_path(path)
        if template is None:
            self.with_tokens += 1
            return
        kind = RequestKind(line.method, template)
        seen = self.kinds.get(kind)
        if seen is None:
            if len(self.kinds) >= MAX_KINDS:
                self._give_up_the_rarest()
            seen = self.kinds[kind] = Occurrences()
        seen.count += 1
        seen.statuses[line.status] += 1
        if len(seen.samples) < _MAX_SAMPLES:
            sample = path + self._harmless(query)
            if len(sample) <= _MAX_SAMPLE_LENGTH:
                seen.samples[sample] = None

    @property
    def requests(self) -> int:
        """The number of lines that could be read."""
        return self.lines - self.unread

    def _harmless(self, query: str) -> str:
        kept = []
        for pair in query.split("&") if query else []:
            name, _, value = pair.partition("=")
            if secret_name(unquote(name)) or secret_value(unquote(value)):
                if len(self.hidden) < 20:
                    self.hidden[unquote(name)[:60]] = None
            else:
                kept.append(pair)
        return "?" + "&".join(kept) if kept else ""

    def _give_up_the_rarest(self) -> None:
        ordered = sorted(self.kinds.items(), key=lambda item: -item[1].count)
        self.kinds = dict(ordered[: MAX_KINDS // 2])


class Rates:
    """Requests per second: the median of the seconds that had any, and the maximum."""

    def __init__(self) -> None:
        self.span = (0, 0)
        """The first and the last second."""
        self._open: dict[int, int] = {}
        self._seconds: Counter[int] = Counter()
        """Seconds by their number of requests."""

    def add(self, second: int) -> None:
        """Count a request in this second."""
        if not self._open and not self._seconds:
            self.span = (second, second)
        self.span = (min(self.span[0], second), max(self.span[1], second))
        self._open[second] = self._open.get(second, 0) + 1
        if len(self._open) > 2 * _WINDOW:
            for old in sorted(self._open)[:_WINDOW]:
                self._seconds[self._open.pop(old)] += 1

    def median_and_peak(self) -> tuple[float, float]:
        """Requests a second."""
        counts = self._seconds + Counter(self._open.values())
        half, below = sum(counts.values()) / 2, 0
        median = peak = max(counts)
        for count, seconds in sorted(counts.items()):
            below += seconds
            if below >= half:
                median = count
                break
        return float(median), float(peak)


def normal_path(path: str) -> str | None:
    """With {id} in place of numbers, UUIDs and hashes; None if it contains a token."""
    segments = []
    for segment in path.split("/"):
        if _NUMBER.match(segment) or is_uuid(segment) or _is_hash(segment):
            segments.append("{id}")
        elif secret_value(unquote(segment)) and not is_static_name(segment):
            return None
        else:
            segments.append(segment)
    return "/".join(segments)


def _is_hash(segment: str) -> bool:
    """Only short ones: longer ones may be keys."""
    return len(segment) < 16 and _HEX.match(segment) is not None


def _origin_form(target: str) -> str | None:
    """Path and query of a request; None if a test cannot send it."""
    if target.startswith(("http://", "https://")):
        try:
            parts = urlsplit(target)
        except ValueError:
            return None
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    # Go writes U+FFFD for bytes that are not UTF-8, so the original bytes are lost.
    return target if target.startswith("/") and "\ufffd" not in target else None
