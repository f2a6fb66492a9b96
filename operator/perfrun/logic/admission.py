"""Who may load a target now: one run at a time or as many as policies let, the oldest first."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from perfrun.api.perftest import Schedule
from perfrun.api.target import Target
from perfrun.logic.policy import Cap

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
    per_target: int = 1
    """How many runs its policies let load one target at once."""
    caps: tuple[Cap, ...] = ()
    """How many runs its policies let go on at once in all."""
    held: str | None = None
    """Why its policies let it not start now, whoever else runs."""

    @property
    def order(self) -> tuple[datetime, str, str]:
        """Oldest first; the rest makes the order total."""
        return (self.created, self.namespace, self.name)


@dataclass(frozen=True)
class Placement:
    """Where a run stands in the queue; position 0: it may start."""

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
    late = now - me.created > limit
    if me.held is not None:
        return Placement(1, me.held, expired=late)
    running = [rival for rival in rivals if rival.admitted]
    waiting = [rival for rival in rivals if not rival.admitted and rival.held is None]
    ahead = sorted((one for one in waiting if one.order < me.order), key=lambda one: one.order)
    return _for_its_target(me, running, ahead, late) or _in_all(me, running, ahead, late)


def _for_its_target(
    me: Contender, running: list[Contender], ahead: list[Contender], late: bool
) -> Placement | None:
    """None where its target is free for it."""
    holders = [rival for rival in running if rival.target == me.target]
    before = [rival for rival in ahead if rival.target == me.target]
    position = len(holders) + len(before) - me.per_target + 1
    if position <= 0:
        return None
    first = holders[0] if holders else before[0]
    doing = "is loading" if holders else "waits before this run for"
    return Placement(position, f"{first.namespace}/{first.name} {doing} {me.target}", expired=late)


def _in_all(
    me: Contender, running: list[Contender], ahead: list[Contender], late: bool
) -> Placement:
    """Its place by how many may run at once, once those before it have started that can."""
    standing = list(running)
    for rival in ahead:
        free = _for_its_target(rival, standing, [], late=False) is None
        if free and not any(_full(cap, standing) for cap in rival.caps):
            standing.append(rival)
    for cap in me.caps:
        if _full(cap, standing):
            under_way = sum(_counts(cap, rival) for rival in running)
            return Placement(
                1 + sum(_counts(cap, rival) for rival in ahead),
                f"PerfPolicy {cap.policy} lets {cap.most} runs go on at once (limits.runs), and "
                f"{under_way} are under way",
                expired=late,
            )
    return Placement()


def _full(cap: Cap, standing: list[Contender]) -> bool:
    return sum(_counts(cap, rival) for rival in standing) >= cap.most


def _counts(cap: Cap, rival: Contender) -> bool:
    return any(other.policy == cap.policy for other in rival.caps)


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


def queue_limit(schedule: Schedule | None) -> timedelta:
    """How long a run of a test may wait for its turn."""
    if schedule is not None and schedule.starting_deadline_seconds is not None:
        return timedelta(seconds=schedule.starting_deadline_seconds)
    return QUEUE_LIMIT


def place_of(target: Target, namespace: str) -> str:
    """What one run at a time has: host:port, the Secret that says where a database is, or the
    image of a benchmark, whose target is not ours to know."""
    if target.sql is not None:
        ref = target.sql.dsn_from.secret_key_ref
        return f"secret/{namespace}/{ref.name}/{ref.key}"
    if target.extension is not None:
        return target_key(f"//{target.extension.address}", namespace)
    if target.benchmark is not None:
        return f"image/{namespace}/{target.benchmark.image}"
    assert target.url is not None
    return target_key(target.url, namespace)


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
