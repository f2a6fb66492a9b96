"""What a decoder has read, to be compared."""

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from perfrun.engine.script.tool import Decoder, SampleRows
from perfrun.measure.script import MetricType


@dataclass
class Rows:
    """Keeps everything."""

    durations: defaultdict[tuple[str, str, str, int], list[int]] = field(
        default_factory=lambda: defaultdict(list)
    )
    """By scenario, step, error class and status."""
    said: dict[tuple[str, str], str] = field(default_factory=dict)
    """The first message of each step and class."""
    more: Counter[tuple[str, str]] = field(default_factory=Counter)
    checks: defaultdict[str, list[int]] = field(default_factory=lambda: defaultdict(lambda: [0, 0]))
    values: defaultdict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    active: list[int] = field(default_factory=list)
    received: int = 0
    last: int = 0
    unread: int = 0

    @property
    def sent(self) -> int:
        """All requests."""
        return sum(map(len, self.durations.values()))

    @property
    def counts(self) -> dict[tuple[str, str, int], int]:
        """Requests by step, error class and status."""
        return {
            (step, error, status): len(v) for (_, step, error, status), v in self.durations.items()
        }

    def requests(
        self,
        scenario: str,
        step: str,
        at: int,
        durations: Sequence[int],
        error: str = "",
        status: int = 0,
        received: int = 0,
        message: str = "",
    ) -> None:
        self.durations[scenario, step, error, status].extend(durations)
        self.last = max(self.last, at)
        self.received += received
        if message:
            self.said.setdefault((step, error), message)

    def attempts(self, scenario: str, step: str, more: int) -> None:
        self.more[scenario, step] += more

    def check(self, scenario: str, step: str, name: str, passed: int, failed: int) -> None:
        self.checks[name][0] += passed
        self.checks[name][1] += failed

    def iteration(self, scenario: str, finished: int, dropped: int = 0, failed: int = 0) -> None:
        raise AssertionError((scenario, finished, dropped, failed))

    def users(self, active: int) -> None:
        self.active.append(active)

    def metrics(self, name: str, kind: MetricType, values: Sequence[float], at: int) -> None:
        self.values[f"{kind} {name}"].extend(values)

    def unreadable(self, rows: int) -> None:
        self.unread += rows


def read(make: Callable[[SampleRows], Decoder], *data: bytes) -> Rows:
    """All rows in some pieces of bytes."""
    rows = Rows()
    decoder = make(rows)
    for one in data:
        decoder.feed(one)
    decoder.end()
    return rows
