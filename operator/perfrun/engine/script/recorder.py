"""What a tool has measured so far: requests in the tallies of any load, and its own metrics."""

import time
from array import array
from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from perfrun.engine.errors import ErrorClass
from perfrun.engine.record.recorder import ErrorClasses, Folded, StepTally, Totals
from perfrun.engine.script.tool import SETUP, TEARDOWN
from perfrun.measure.histogram import MAX_COUNT, MAX_VALUE_NS, Histogram
from perfrun.measure.record import (
    Outcome,
    PhaseRecord,
    ScenarioRecord,
    Timing,
    add_counts,
)
from perfrun.measure.script import (
    MAX_CHECKS,
    MAX_KEY,
    MAX_METRICS,
    MAX_NAME,
    MAX_SCENARIOS,
    MAX_SHED_SECONDS,
    MAX_STEPS,
    MAX_VALUE,
    OTHER,
    SCALE,
    MetricType,
    ScriptRecord,
    ToolCheck,
    ToolMetric,
)
from perfrun.measure.wire import MAX_STEP_NAME, TIMEOUT
from perfrun.reach.foreign import foreign

_NO_LOAD = (SETUP, TEARDOWN)
_UNSENT = frozenset({ErrorClass.DNS, ErrorClass.CONNECT, ErrorClass.TLS, ErrorClass.POLICY})
"""Classes of requests that never reached the target, so that its log does not have them."""

MAX_RECEIVED = 2**53
"""Bytes of a step; a report with more would be refused."""
MAX_ITERATIONS = 2**32
"""Of one call; even hours of them are not too many for a report."""
MAX_USERS = 2**31


class _Metric:
    """One metric in progress."""

    def __init__(self, kind: MetricType) -> None:
        self.record = ToolMetric(kind=kind, values=Histogram() if kind == "Trend" else None)
        self.last_at = 0

    def take(self, values: Sequence[float], at: int) -> None:
        """Add samples; ``at`` is ns since 1970, or 0."""
        record = self.record
        least, greatest = min(values), max(values)
        if not (least >= -MAX_VALUE and greatest <= MAX_VALUE):  # NaN too
            values = [value for value in values if -MAX_VALUE <= value <= MAX_VALUE]
            if not values:
                return
            least, greatest = min(values), max(values)
        record.least = min(record.least, least) if record.samples else least
        record.greatest = max(record.greatest, greatest) if record.samples else greatest
        record.samples += len(values)
        record.passed += len(values) - values.count(0.0) if record.kind == "Rate" else 0
        record.total = max(-MAX_VALUE, min(MAX_VALUE, record.total + sum(values)))
        if at >= self.last_at:
            record.last, self.last_at = values[-1], at
        if record.values is not None:
            scaled = np.clip(np.asarray(values) * SCALE, -1.0, MAX_VALUE_NS)
            record.values.fold(np.rint(scaled).astype(np.int64))


class _Scenario:
    """The iterations of one scenario."""

    def __init__(self) -> None:
        self.finished = self.failed = self.dropped = 0


class SampleRecorder:
    """Takes the rows of a decoder."""

    def __init__(self, tool: str) -> None:
        self.script = ScriptRecord(tool=tool)
        self.last_end = 0
        """When the last request ended, ns since 1970."""
        self.active = 0
        """Users now, as the tool says."""
        self._began = 0
        self._recent = Folded()
        self._classes = ErrorClasses()
        self._steps: dict[tuple[str, str], StepTally] = {}
        self._names: set[str] = set()
        """Of scenarios."""
        self._scenarios: defaultdict[str, _Scenario] = defaultdict(_Scenario)
        self._metrics: dict[str, _Metric] = {}
        self._shed_seconds: set[int] = set()

    def begin(self, at: int) -> None:
        """T0 is ``at``, ns since 1970."""
        self._began = at

    # --- rows ---------------------------------------------------------------------------------

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
        """As :meth:`SampleRows.requests`."""
        number = len(durations)
        tally = self._steps.get((scenario, step)) or self._step(scenario, step, number)
        if isinstance(durations, array):  # many
            within = np.clip(np.frombuffer(durations, np.int64), 0, MAX_VALUE_NS)
            durations = array("q", within.tobytes())
        else:
            durations = [max(0, min(one, MAX_VALUE_NS)) for one in durations]
        tally.sent += number
        tally.bytes_received = min(tally.bytes_received + max(0, received), MAX_RECEIVED)
        if status or error not in _UNSENT:
            tally.attempts += number
        if 100 <= status <= 999:
            tally.status_codes[status] += number
        if not error:
            tally.latency.values.extend(durations)
        else:
            self._fail(tally, error, durations, message)
        if scenario not in _NO_LOAD:
            self.last_end = max(self.last_end, at)

    def _fail(self, tally: StepTally, error: str, durations: Sequence[int], message: str) -> None:
        error = foreign(error)
        tally.fail(error, message, len(durations))
        if error == TIMEOUT:
            for duration in durations:
                tally.sample(Timing.LATENCY, Outcome.TIMEOUT, duration)

    def _step(self, scenario: str, step: str, number: int) -> StepTally:
        """A step that was not seen under this name yet; ``number`` of its requests are coming."""
        no_load = scenario in _NO_LOAD
        if not no_load:
            scenario = self._name_of(scenario)
        if len(self._steps) >= MAX_STEPS:
            self.script.renamed += number
            step = OTHER
        step = foreign(step, MAX_STEP_NAME)
        if (tally := self._steps.get((scenario, step))) is None:
            name = scenario.strip("\0")
            recent = Folded() if no_load else self._recent
            tally = self._steps[scenario, step] = StepTally(name, step, recent, self._classes)
        return tally

    def _name_of(self, scenario: str) -> str:
        """What a scenario is called in the report: one set of names for requests and iterations."""
        name = foreign(scenario, MAX_STEP_NAME)
        if name not in self._names and len(self._names) >= MAX_SCENARIOS - 1:
            return OTHER
        self._names.add(name)
        return name

    def attempts(self, scenario: str, step: str, more: int) -> None:
        """As :meth:`SampleRows.attempts`."""
        if (tally := self._steps.get((scenario, step))) is not None:
            tally.attempts += more

    def check(self, scenario: str, step: str, name: str, passed: int, failed: int) -> None:
        """As :meth:`SampleRows.check`."""
        checks = self.script.checks
        if (found := checks.get(name)) is None:
            name = foreign(name, MAX_NAME) or OTHER
            if self.script.left_out_of(checks, MAX_CHECKS, name, passed + failed):
                return
            found = checks.setdefault(name, ToolCheck())
        found.passed += passed
        found.failed += failed
        if step and (tally := self._steps.get((scenario, step))) is not None:
            tally.checks_passed += passed
            tally.checks_failed += failed

    def iteration(self, scenario: str, finished: int, dropped: int = 0, failed: int = 0) -> None:
        """As :meth:`SampleRows.iteration`."""
        if scenario not in self._scenarios:
            scenario = self._name_of(scenario)
        counts = self._scenarios[scenario]
        # A script may add any number to a metric of the tool's.
        finished, failed, dropped = (
            max(0, min(one, MAX_ITERATIONS)) for one in (finished, failed, dropped)
        )
        counts.finished += finished
        counts.failed += failed
        counts.dropped += dropped
        self.script.dropped_iterations += dropped

    def users(self, active: int) -> None:
        """As :meth:`SampleRows.users`."""
        self.active = max(0, min(active, MAX_USERS))
        self.script.vus_max = max(self.script.vus_max, self.active)

    def metrics(self, name: str, kind: MetricType, values: Sequence[float], at: int) -> None:
        """As :meth:`SampleRows.metrics`."""
        if (metric := self._metrics.get(name)) is None:
            name = foreign(name, MAX_KEY) or OTHER
            if self.script.left_out_of(self._metrics, MAX_METRICS, name, len(values)):
                return
            metric = self._metrics.setdefault(name, _Metric(kind))
        metric.take(values, at)

    def unreadable(self, rows: int) -> None:
        """As :meth:`SampleRows.unreadable`."""
        self.script.unreadable += rows

    def shed(self, rows: int) -> None:
        """Rows were not read, because decoding was behind."""
        if not rows:
            return
        self.script.shed += rows
        if self._began and len(self._shed_seconds) < MAX_SHED_SECONDS:
            self._shed_seconds.add(max(0, time.time_ns() - self._began) // 10**9)

    # --- progress -----------------------------------------------------------------------------

    def totals(self) -> Totals:
        """The current counts of the load."""
        totals = Totals(())
        for tally in self._of_load():
            totals.sent += tally.sent
            totals.succeeded += tally.succeeded
            add_counts(totals.errors, tally.errors)
        totals.failed = sum(totals.errors.values())
        for one in self._scenarios.values():
            totals.started += one.finished + one.failed
            totals.dropped += one.dropped
        return totals

    def take_recent(self) -> Histogram:
        """The latencies of requests that succeeded since the last call."""
        for tally in self._of_load():
            tally.latency.fold()
        return self._recent.take()

    def take_worst_lag(self) -> int:
        """No tool says when an iteration was due."""
        return 0

    def _of_load(self) -> list[StepTally]:
        return [tally for (name, _), tally in self._steps.items() if name not in _NO_LOAD]

    # --- results ------------------------------------------------------------------------------

    def window(self) -> PhaseRecord:
        """The load: requests and iterations."""
        return PhaseRecord(
            steps=[tally.record() for tally in self._of_load()],
            scenarios=[
                ScenarioRecord(
                    scenario=name,
                    planned=one.finished + one.failed + one.dropped,
                    started=one.finished + one.failed,
                    dropped=one.dropped,
                    finished=one.finished,
                    failed=one.failed,
                )
                for name, one in self._scenarios.items()
            ],
        )

    def phase(self, name: str) -> PhaseRecord:
        """SETUP or TEARDOWN."""
        return PhaseRecord(
            steps=[tally.record() for (phase, _), tally in self._steps.items() if phase == name]
        )

    def record(self) -> ScriptRecord:
        """Everything besides requests."""
        for name, one in self._metrics.items():
            after = one.last_at - self._began if one.last_at and self._began else 0
            one.record.last_at = max(-MAX_COUNT, min(after, MAX_COUNT))
            self.script.metrics[name] = one.record
        self.script.shed_seconds = sorted(self._shed_seconds)
        return self.script
