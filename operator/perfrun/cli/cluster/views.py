"""PerfTests and PerfRuns of a cluster, as the commands show them.

Read without the models: a newer operator may use values that this command does not know, and a list
of many objects has to be fast. Strings are safe for a terminal from here on.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from perfrun.api import Json
from perfrun.api.run.perfrun import Phase, Verdict
from perfrun.api.sentence import printable
from perfrun.api.times import parse_time

_WORTH_TELLING = ("Suspect", "Regressed", "Recovered", "Improved", "Incomparable")


@dataclass(frozen=True, slots=True)
class TestView:
    """A PerfTest; missing strings are empty and missing times None."""

    name: str
    suspended: bool
    verdict: str
    trend: str
    trend_told: str
    last_run: str
    last_time: datetime | None
    next_time: datetime | None
    problem: str
    """Why it is not ready."""

    @classmethod
    def of(cls, body: Json) -> "TestView":
        """The view of an object as the API server has it."""
        status = _part(body, "status")
        trend = _part(status, "trend")
        state = _text(trend, "state")
        return cls(
            name=_text(_part(body, "metadata"), "name"),
            suspended=_part(body, "spec").get("suspend") is True,
            verdict=_text(status, "lastVerdict"),
            trend=state,
            trend_told=_text(trend, "message") if state in _WORTH_TELLING else "",
            last_run=_text(status, "lastRun"),
            last_time=_time(status, "lastCompletionTime"),
            next_time=_time(status, "nextScheduleTime"),
            problem=_problem(_items(status, "conditions")),
        )

    @property
    def waits(self) -> str:
        """Why no next run is due, in a word or two."""
        return "not ready" if self.problem else "suspended" if self.suspended else ""


@dataclass(frozen=True, slots=True)
class RunView:
    """A PerfRun; missing strings are empty and missing times None."""

    name: str
    uid: str
    created: datetime | None
    test: str
    phase: str
    verdict: str
    message: str
    progress: str
    queue: str
    position: str
    findings: tuple[tuple[str, str], ...]
    """Findings about the generator: type and message."""

    @classmethod
    def of(cls, body: Json) -> "RunView":
        """The view of an object as the API server has it."""
        metadata, spec, status = (_part(body, name) for name in ("metadata", "spec", "status"))
        queue = _part(status, "queue")
        found = _items(_part(status, "generator"), "findings")
        return cls(
            name=_text(metadata, "name"),
            uid=_text(metadata, "uid"),
            created=_time(metadata, "creationTimestamp"),
            test=_text(_part(spec, "testRef"), "name"),
            phase=_text(status, "phase"),
            verdict=_text(status, "verdict"),
            message=_text(status, "message"),
            progress=_text(status, "progress"),
            queue=_text(queue, "reason"),
            position=_text(queue, "position"),
            findings=tuple(
                (_text(one, "type"), _text(one, "message"))
                for one in found
                if isinstance(one, dict)
            ),
        )

    @property
    def done(self) -> bool:
        """Whether its verdict is final."""
        return self.phase == Phase.DONE

    @property
    def state(self) -> str:
        """Its verdict, or its progress."""
        if self.done:
            return self.verdict or "Done"
        return f"Queued ({self.position})" if self.queue else self.phase or "Created"

    @property
    def known_verdict(self) -> Verdict:
        """A verdict that this version does not know is not a success."""
        try:
            return Verdict(self.verdict)
        except ValueError:
            return Verdict.ERROR

    @property
    def line(self) -> str:
        """Its progress or its result, in one line."""
        if self.done:
            return f"{self.verdict or 'Done'}: {self.message}".rstrip(": ")
        if self.queue:
            return f"Queued, place {self.position}: {self.queue}"
        return f"{self.phase or 'Created'}: {self.progress or 'in progress'}"


def recency(run: RunView) -> tuple[datetime, str]:
    """The sort key of runs, oldest first: their creation, and within a second their names."""
    return run.created or datetime.min.replace(tzinfo=UTC), run.name


def short(span: timedelta) -> str:
    """``12s``, ``5m``, ``3h``, ``2d``: ages in kubectl's form."""
    seconds = max(int(span.total_seconds()), 0)
    for size, unit, most in ((1, "s", 120), (60, "m", 7200), (3600, "h", 172_800)):
        if seconds < most:
            return f"{seconds // size}{unit}"
    return f"{seconds // 86_400}d"


def age(time: datetime | None, now: datetime) -> str:
    """How long ago; empty if not known."""
    return short(now - time) if time is not None else ""


def due(time: datetime | None, now: datetime) -> str:
    """How soon; empty if not known."""
    if time is None:
        return ""
    return f"in {short(time - now)}" if time > now else "now"


def _part(body: Json, name: str) -> Json:
    part = body.get(name)
    return part if isinstance(part, dict) else {}


def _items(body: Json, name: str) -> list[Any]:
    part = body.get(name)
    return part if isinstance(part, list) else []


def _text(body: Json, name: str) -> str:
    value = body.get(name)
    return "" if value is None or isinstance(value, dict | list) else printable(str(value))


def _time(body: Json, name: str) -> datetime | None:
    try:
        return parse_time(_text(body, name))
    except ValueError:
        return None


def _problem(conditions: list[Any]) -> str:
    for one in conditions:
        if isinstance(one, dict) and (one.get("type"), one.get("status")) == ("Ready", "False"):
            return _text(one, "message") or _text(one, "reason")
    return ""
