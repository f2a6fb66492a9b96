"""One line that says how a load goes, for the status of a run under way."""

from perfrun.api.quantities import NS_PER_S, format_duration
from perfrun.coordinator.live import Live
from perfrun.logic.run.facts import RunFacts


def progress_line(live: Live, facts: RunFacts) -> str:
    """``12s, 998 requests/s, p95 31ms, 0 failed``, as far as it is known."""
    if not live.workers:
        return "the load is running; no interval has arrived yet"
    parts = [f"{live.elapsed // NS_PER_S}s", f"{live.rate:.0f} requests/s"]
    if live.search is not None:
        parts.insert(1, live.search.line())
    if (p95 := live.recent.get("p95")) is not None:
        parts.append(f"p95 {format_duration(p95)}")
    parts.append(f"{live.failed} failed")
    if live.dropped:
        parts.append(f"{live.dropped} dropped")
    if len(live.workers) < facts.planned:
        parts.append(f"{len(live.workers)} of {facts.planned} workers heard of")
    return ", ".join(parts)
