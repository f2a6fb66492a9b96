"""Who may load a target now: one run at a time, the oldest first, over all namespaces."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlsplit

QUEUE_LIMIT = timedelta(hours=1)
_DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True)
class Contender:
    """A run that is not done, as admission sees it."""

    namespace: str
    name: str
    test: str
    reason: str
    target: str
    created: datetime
    admitted: bool

    @property
    def order(self) -> tuple[datetime, str, str]:
        """Oldest first; the rest makes the order total."""
        return (self.created, self.namespace, self.name)


@dataclass(frozen=True)
class Placement:
    """Where a run stands in the queue for its target; position 0: it may start."""

    position: int = 0
    reason: str = ""
    superseded_by: str | None = None
    expired: bool = False


def place(
    me: Contender, others: Iterable[Contender], now: datetime, limit: timedelta = QUEUE_LIMIT
) -> Placement:
    """Whether ``me`` may start, or what it waits for."""
    rivals = [other for other in others if (other.namespace, other.name) != (me.namespace, me.name)]
    if newer := _newer_change(me, rivals):
        return Placement(superseded_by=newer.name)
    same = [rival for rival in rivals if rival.target == me.target]
    holders = [rival for rival in same if rival.admitted]
    ahead = [rival for rival in same if not rival.admitted and rival.order < me.order]
    if not holders and not ahead:
        return Placement()
    first = holders[0] if holders else min(ahead, key=lambda rival: rival.order)
    doing = "is loading" if holders else "waits before this run for"
    return Placement(
        position=len(holders) + len(ahead),
        reason=f"{first.namespace}/{first.name} {doing} {me.target}",
        expired=now - me.created > limit,
    )


def _newer_change(me: Contender, rivals: list[Contender]) -> Contender | None:
    # Of queued changes only the newest matters: the older state is not deployed any more.
    if me.reason != "Change":
        return None
    newer = [
        rival
        for rival in rivals
        if rival.reason == "Change"
        and not rival.admitted
        and (rival.namespace, rival.test) == (me.namespace, me.test)
        and rival.order > me.order
    ]
    return max(newer, key=lambda rival: rival.order) if newer else None


def target_key(url: str, namespace: str) -> str:
    """host:port of a target, the same for all spellings of one Service.

    ``http://shop`` in namespace a, ``http://shop.a`` and ``http://SHOP.a.svc.cluster.local:80``
    are ``shop.a:80``.
    """
    parts = urlsplit(url)
    host = (parts.hostname or "").rstrip(".")
    host = host.removesuffix(".cluster.local").removesuffix(".svc")
    if "." not in host and ":" not in host and host != "localhost":
        host = f"{host}.{namespace}"
    try:
        port = parts.port
    except ValueError:
        port = None
    return f"{host}:{port or _DEFAULT_PORTS.get(parts.scheme, 80)}"
