"""The result document: all that a run measured, exact and self-contained."""

import gzip
from typing import Any, Literal

from perfrun import __version__
from perfrun.measure.plan import RunPlan
from perfrun.measure.report import WorkerReport, unzip
from perfrun.measure.wire import Wire


class RunResult(Wire):
    """What was planned, what was measured by all workers together, and what was judged."""

    version: Literal[1] = 1
    perfrun: str = __version__
    plan: RunPlan
    slos: list[dict[str, Any]] = []
    """The objectives as written."""
    start_time: str = ""
    report: WorkerReport | None = None
    """None: no worker reported."""
    status: dict[str, Any] = {}
    """The status of the PerfRun as it was judged from this."""

    def pack(self) -> bytes:
        """The document as it is stored: JSON in gzip."""
        return gzip.compress(self.to_bytes(), compresslevel=6, mtime=0)

    @classmethod
    def unpack(cls, packed: bytes) -> "RunResult":
        """The reverse of :meth:`pack`. Raises ValueError for anything else."""
        return cls.model_validate_json(unzip(packed))
