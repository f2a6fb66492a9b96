"""What a worker says: that it is ready, how it goes (advisory), and at the end everything."""

import gzip
import io
from typing import Literal

from pydantic import Field

from perfrun.measure.record import GeneratorRecord, PhaseRecord, Series
from perfrun.measure.wire import Wire, WireHistogram

MAX_REPORT_BYTES = 64 * 1024 * 1024


class Trouble(Wire):
    """Why a worker cannot go on: an error class, and a sentence for the user."""

    reason: str = Field(max_length=64)
    """DNS, Connect, TLS, Policy, Data, Internal."""
    message: str = Field(max_length=2048)


class Ready(Wire):
    """A worker stands at the barrier (or never will)."""

    version: Literal[1] = 1
    ceiling: float = 0.0
    """Requests a second that it reached against itself."""
    trouble: Trouble | None = None
    """Set: the target cannot be reached; an error of the run, once startTimeout has passed."""
    final: bool = False
    """With trouble: trying again will not help, as with a missing Secret."""


class Start(Wire):
    """The answer to :class:`Ready`."""

    start_in: int | None = None
    """ns until T0, negative where it has passed; None: not yet, ask again."""
    stop: str | None = None
    """Set: do not start; report what there is, with this reason."""


class Interval(Wire):
    """How far a worker is: cumulative counts since T0, and latencies since the last interval."""

    version: Literal[1] = 1
    sequence: int
    elapsed: int
    """ns since T0."""
    in_flight: int
    planned: int
    started: int
    dropped: int
    sent: int
    succeeded: int
    failed: int
    errors: dict[str, int] = {}
    latency: WireHistogram
    """Of all requests that succeeded since the last interval."""


class Order(Wire):
    """The answer to an :class:`Interval`."""

    stop: str | None = None
    """Set: end the load now; the text says who asked."""


class WorkerReport(Wire):
    """Everything that a worker, or by :meth:`add` all workers together, measured."""

    version: Literal[1] = 1
    workers: int = 1
    """How many workers' reports are in here."""
    warmup: PhaseRecord
    window: PhaseRecord
    generator: GeneratorRecord
    series: Series
    window_time: int
    """ns of the window; a burst's ends with its last outcome."""
    load_time: int
    """ns from T0 to the end of the load (planned end, or an earlier stop)."""
    stopped: str | None = None
    """Set: the load ended before its plan, for this reason."""

    def add(self, other: "WorkerReport") -> None:
        """Take another worker in. Associative and commutative but for the order of lists."""
        self.workers += other.workers
        self.warmup.add(other.warmup)
        self.window.add(other.window)
        self.generator.add(other.generator)
        self.series.add(other.series)
        self.window_time = max(self.window_time, other.window_time)
        self.load_time = max(self.load_time, other.load_time)
        self.stopped = self.stopped or other.stopped

    def check(self) -> None:
        """Raise ConservationError unless the laws of measuring hold."""
        self.warmup.check()
        self.window.check()

    def pack(self) -> bytes:
        """The report as it is sent and stored: JSON in gzip, the same bytes for the same report."""
        return gzip.compress(self.to_bytes(), compresslevel=6, mtime=0)

    @classmethod
    def unpack(cls, packed: bytes) -> "WorkerReport":
        """The reverse of :meth:`pack`. Raises ValueError for anything else, or too much."""
        return cls.model_validate_json(unzip(packed))


def unzip(packed: bytes) -> bytes:
    """The unpacked bytes, at most 64 MiB. Raises ValueError for anything but such a gzip."""
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(packed)) as file:
            data = file.read(MAX_REPORT_BYTES + 1)
    except (OSError, EOFError) as error:
        raise ValueError("not a gzip-compressed report") from error
    if len(data) > MAX_REPORT_BYTES:
        raise ValueError(f"a report of more than {MAX_REPORT_BYTES} bytes")
    return data


def merge(reports: list[WorkerReport]) -> WorkerReport:
    """One report of several workers'; its laws are checked. Needs at least one."""
    whole = reports[0].model_copy(deep=True)
    for report in reports[1:]:
        whole.add(report)
    whole.check()
    return whole
