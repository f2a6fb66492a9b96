"""The result document: everything that a run measured, exact and self-contained."""

import gzip
import json
from typing import Any, Literal

from perfrun import __version__
from perfrun.measure.plan import RunPlan
from perfrun.measure.report import WorkerReport, check_belongs, read_report
from perfrun.measure.wire import Wire, parse_json, unzip

MAX_RESULT_BYTES = 32 * 1024 * 1024
"""Maximum size of JSON; the stored document has at most 4 MiB after compression."""
MAX_RESULT_VALUES = 2_000_000


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
    figures: dict[str, Any] = {}
    """Those of the status as numbers, for programs (``report/figures.py``)."""

    def pack(self) -> bytes:
        """The document as it is stored: JSON in gzip."""
        return gzip.compress(self.to_bytes(), compresslevel=6, mtime=0)

    @classmethod
    def unpack(cls, packed: bytes) -> "RunResult":
        """The reverse of :meth:`pack`. Raises ValueError for anything else."""
        raw = parse_json(unzip(packed, MAX_RESULT_BYTES), MAX_RESULT_VALUES)
        return cls.read(raw)

    @classmethod
    def read(cls, raw: Any) -> "RunResult":
        """The result of a parsed document, within its bounds. Raises ValueError.

        The report has to belong to the plan before any of its histograms is decoded.
        """
        if not isinstance(raw, dict) or "plan" not in raw:
            raise ValueError("not a result: it has no plan")
        measured = raw.get("report")
        # By its JSON: there an enumeration member is a string, and a tuple a list.
        plan = RunPlan.model_validate_json(json.dumps(raw["plan"]))
        report = None
        if measured is not None:
            check_belongs(measured, plan)
            report = read_report(measured)
        return cls.model_validate({**raw, "plan": plan, "report": report})
