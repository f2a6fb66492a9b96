"""What the policies of a cluster say about one namespace: what is refused, and what has to wait."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple
from urllib.parse import urlsplit

from perfrun.api.policy import DAYS, NAMESPACE, Hours, Limits, PerfPolicySpec
from perfrun.api.quantities import format_exact_duration, format_exact_rate, parse_duration
from perfrun.api.run.checked import Amount, Asks
from perfrun.api.test.perftest import PerfTestSpec
from perfrun.api.test.target import FOR_THE_API_SERVER
from perfrun.logic.plan.network import Fence, NotAllowedError, patch
from perfrun.logic.plan.run_plan import longest_load, make_plan
from perfrun.logic.problems import Problem
from perfrun.logic.schedule.due import zone
from perfrun.measure.plan import NetworkRule

DEFAULT_NAME = "perfrun-default"
DEFAULT = PerfPolicySpec.parse(
    {
        "allow": {"hosts": [f"*.{NAMESPACE}.svc"]},
        # A Service may lead anywhere, but not to the node, or to addresses where clouds keep
        # credentials.
        "deny": {
            "cidrs": [
                "0.0.0.0/8",
                "127.0.0.0/8",
                "169.254.0.0/16",
                "100.100.100.200/32",  # Alibaba
                "168.63.129.16/32",  # Azure
                "192.0.0.192/32",  # Oracle
                "::/128",
                "::1/128",
                "fe80::/10",
                "fd00:ec2::/32",  # Amazon
                "fd20:ce::/32",  # Google
                "fd00:42::42/128",  # Scaleway
            ]
        },
        "limits": {"runs": 10},
    }
)
"""Services of the test's own namespace, and ten runs at once."""


MAX_OPEN_RUNS = 1000
"""Of one namespace, if no policy sets another limit."""
UNSCHEDULED_FOR = parse_duration("5m")
"""ns; likewise."""


class Cap(NamedTuple):
    """How many runs may be in progress at once in the namespaces of a policy."""

    policy: str
    runs: int | None
    """In all of these namespaces together."""
    per_namespace: int | None = None
    """In each of them, as it is written: a hard limit."""

    @property
    def share(self) -> int:
        """How many runs of one namespace go first if others wait; the rest is lent."""
        if self.per_namespace is not None:
            return self.per_namespace
        assert self.runs is not None, "a policy that limits neither is no cap"
        return max(1, self.runs // 3)


@dataclass(frozen=True)
class Policies:
    """All existing policies, by name."""

    specs: Mapping[str, PerfPolicySpec]
    unreadable: Mapping[str, str]
    """Why a policy cannot be read. While there is one, nothing starts, because the policy may
    forbid it.
    """
    api_audiences: frozenset[str] = frozenset()
    """Audiences of the API server: no policy can allow them."""

    @property
    def capped(self) -> bool:
        """Whether runs may have to wait for runs of other targets."""
        return any(_cap(name, spec) is not None for name, spec in self.specs.items())

    def of(self, namespace: str) -> "NamespacePolicies":
        """The policies that select a namespace."""
        chosen = {
            name: spec
            for name, spec in sorted(self.specs.items())
            if any(_selects(pattern, namespace) for pattern in spec.namespaces)
        }
        return NamespacePolicies(namespace, chosen, self.unreadable, self.api_audiences)


@dataclass(frozen=True)
class NamespacePolicies:
    """The policies of one namespace. Each of them has to allow a run."""

    namespace: str
    specs: Mapping[str, PerfPolicySpec]
    unreadable: Mapping[str, str]
    api_audiences: frozenset[str] = frozenset()

    def problems(self, spec: PerfTestSpec) -> list[Problem]:
        """What a test may not do, whenever it runs."""
        return self.refuses(asks_of(spec))

    def refuses(self, asks: Asks) -> list[Problem]:
        """The same, from what is kept of a checked test."""
        found = list(_network_problems(asks, Fence(self.network, self.namespace)))
        if asks.audience in self.api_audiences:
            return [*found, Problem(_AUDIENCE_FIELD, FOR_THE_API_SERVER)]
        for name, policy in self.specs.items():
            found += _limit_problems(asks, name, policy.limits)
            found += _unread_problems(asks, name, policy.limits)
            found += _image_problems(asks, name, policy.allowed_images)
            if asks.audience is not None and asks.audience not in policy.allowed_audiences:
                found.append(_audience_problem(asks.audience, name, policy.allowed_audiences))
        return found

    @property
    def network(self) -> list[NetworkRule]:
        """The rules that workers need to know."""
        return [
            NetworkRule(
                policy=name,
                hosts=None if spec.allow.hosts is None else self._hosts(spec.allow.hosts),
                allow=spec.allow.cidrs,
                deny=spec.deny.cidrs,
            )
            for name, spec in self.specs.items()
            if spec.allow.hosts is not None or spec.allow.cidrs is not None or spec.deny.cidrs
        ]

    def _hosts(self, patterns: Sequence[str]) -> list[str]:
        return [
            pattern.replace(NAMESPACE, self.namespace).lower().rstrip(".") for pattern in patterns
        ]

    @property
    def suspended(self) -> str | None:
        """Why nothing may run at all."""
        for name, why in self.unreadable.items():
            return f"PerfPolicy {name} cannot be read: {why}"
        for name, spec in self.specs.items():
            if spec.suspend:
                resume = {"op": "replace", "path": "/spec/suspend", "value": False}
                return f"PerfPolicy {name} suspends all runs; to resume them: {patch(name, resume)}"
        return None

    def held(self, now: datetime) -> str | None:
        """Why no run may start at ``now``."""
        if self.suspended is not None:
            return self.suspended
        for name, spec in self.specs.items():
            if spec.allowed_hours and not any(_open(hours, now) for hours in spec.allowed_hours):
                written = ", ".join(_written(hours) for hours in spec.allowed_hours)
                return f"PerfPolicy {name} allows runs to start only at {written} (allowedHours)"
        return None

    @property
    def runs_per_target(self) -> int:
        """Runs at once for one target: the smallest limit; 1 if there is none."""
        written = [spec.limits.runs_per_target for spec in self.specs.values()]
        return min((most for most in written if most is not None), default=1)

    @property
    def caps(self) -> list[Cap]:
        """How many runs may be in progress at once."""
        found = (_cap(name, spec) for name, spec in self.specs.items())
        return [cap for cap in found if cap is not None]

    @property
    def open_runs(self) -> int:
        """How many runs of the namespace may be open: the smallest limit."""
        written = [spec.limits.open_runs_per_namespace for spec in self.specs.values()]
        return min((most for most in written if most is not None), default=MAX_OPEN_RUNS)

    @property
    def unscheduled_for(self) -> int:
        """ns for which a run may keep its turn while not all of its pods are scheduled and others
        wait: the smallest limit.
        """
        written = [spec.limits.unscheduled_for for spec in self.specs.values()]
        return min((most for most in written if most is not None), default=UNSCHEDULED_FOR)


def _cap(policy: str, spec: PerfPolicySpec) -> Cap | None:
    limits = spec.limits
    if limits.runs is None and limits.runs_per_namespace is None:
        return None
    return Cap(policy, limits.runs, limits.runs_per_namespace)


def _selects(pattern: str, name: str) -> bool:
    parts = (re.escape(part) for part in pattern.split("*"))
    return re.fullmatch(".*".join(parts), name) is not None


def policy_problems(spec: PerfPolicySpec) -> list[Problem]:
    """What is wrong in a policy that parsed: what the API server's schema cannot check."""
    found = []
    for index, hours in enumerate(spec.allowed_hours):
        try:
            zone(hours.time_zone)
        except ValueError as error:
            found.append(Problem(f"spec.allowedHours[{index}].timeZone", str(error)))
    return found


# --- what is refused --------------------------------------------------------------------------


def asks_of(spec: PerfTestSpec) -> Asks:
    """Everything that an accepted spec asks for and that a policy may refuse."""
    target = spec.target
    commands = {"benchmark": target.benchmark, "script": target.script}
    files = target.script.files if target.script is not None else None
    return Asks(
        hosts={field: urlsplit(url).hostname or "" for field, url in _urls(spec)},
        workers=spec.load.workers,
        rate=_highest_rate(spec),
        users=_most_users(spec),
        longest=longest_load(make_plan(spec, uid="", namespace="", test="", run="")),
        images={
            f"spec.target.{kind}.image": one.image
            for kind, one in commands.items()
            if one is not None and one.image is not None
        },
        script=target.script.tool if target.script is not None else None,
        script_map=files.config_map.name if files and files.config_map else None,
        audience=spec.target.account_audience,
    )


def _urls(spec: PerfTestSpec) -> Iterator[tuple[str, str]]:
    # Only workers know where a database is: they ask the fence.
    for index, thing in enumerate(spec.observe or []):
        if thing.prometheus is not None:
            yield f"spec.observe[{index}].prometheus.url", thing.prometheus.url
    if spec.target.url is not None:
        yield f"spec.target.{spec.target.kind}.url", spec.target.url
    http = spec.target.http
    if http is not None and http.auth is not None and http.auth.oauth2 is not None:
        yield "spec.target.http.auth.oauth2.tokenUrl", http.auth.oauth2.token_url
    if spec.target.extension is not None:
        yield "spec.target.extension.address", f"//{spec.target.extension.address}"
    if spec.target.script is not None:
        for index, target in enumerate(spec.target.script.targets):
            yield f"spec.target.script.targets[{index}]", f"//{target}"


def _network_problems(asks: Asks, fence: Fence) -> Iterator[Problem]:
    for field, host in asks.hosts.items():
        try:
            fence.name(host)
        except NotAllowedError as error:
            yield Problem(field, str(error))


def _limit_problems(asks: Asks, policy: str, limits: Limits) -> Iterator[Problem]:
    if limits.workers is not None and asks.workers > limits.workers:
        yield _over(policy, "workers", "spec.load.workers", asks.workers, limits.workers)
    if limits.rate is not None and asks.rate is not None and asks.rate.amount > limits.rate:
        rate, most = format_exact_rate(asks.rate.amount), format_exact_rate(limits.rate)
        yield _over(policy, "rate", asks.rate.field, rate, most)
    if limits.users is not None and asks.users is not None and asks.users.amount > limits.users:
        yield _over(policy, "users", asks.users.field, int(asks.users.amount), limits.users)
    if limits.duration is not None and asks.longest > limits.duration:
        asked_for = format_exact_duration(asks.longest)
        allowed = format_exact_duration(limits.duration)
        yield _over(policy, "duration", "spec.load", asked_for, allowed, "takes up to ")


def _unread_problems(asks: Asks, policy: str, limits: Limits) -> Iterator[Problem]:
    """A script has its load itself, so limits of rate and users cannot be compared with it."""
    for rule in ("rate", "users"):
        if asks.script is not None and getattr(limits, rule) is not None:
            change = {"op": "remove", "path": f"/spec/limits/{rule}"}
            yield Problem(
                "spec.target.script",
                f"PerfPolicy {policy} limits the load of a run (limits.{rule}), but how much load "
                f"a script of {asks.script} makes is not known before it runs; to allow scripts: "
                f"{patch(policy, change)}",
            )


def _image_problems(asks: Asks, policy: str, allowed: Sequence[str]) -> Iterator[Problem]:
    for field, image in asks.images.items():
        if any(_selects(pattern, image) for pattern in allowed):
            continue
        change = {"op": "add", "path": "/spec/allowedImages", "value": [*allowed, image]}
        yield Problem(
            field,
            f"{image} is not allowed by PerfPolicy {policy} (allowedImages); to allow it: "
            f"{patch(policy, change)}",
        )


_AUDIENCE_FIELD = "spec.target.http.auth.serviceAccountToken.audience"


def _audience_problem(audience: str, policy: str, allowed: Sequence[str]) -> Problem:
    # A JSON patch "add" on an existing list replaces it.
    change = {"op": "add", "path": "/spec/allowedAudiences", "value": [*allowed, audience]}
    return Problem(
        _AUDIENCE_FIELD,
        f"{audience} is not allowed by PerfPolicy {policy} (allowedAudiences); to allow it: "
        f"{patch(policy, change)}",
    )


def _over(
    policy: str, rule: str, field: str, asked: object, most: object, verb: str = "asks for "
) -> Problem:
    change = {"op": "replace", "path": f"/spec/limits/{rule}", "value": asked}
    return Problem(
        field,
        f"{verb}{asked}, but PerfPolicy {policy} (limits.{rule}) allows at most {most}; to allow "
        f"it: {patch(policy, change)}",
    )


def _highest_rate(spec: PerfTestSpec) -> Amount | None:
    load = spec.load
    if load.open is not None:
        rate = max(stage.rate for stage in load.open.levels())
        return Amount(field="spec.load.open", amount=rate)
    if load.capacity is not None:
        return Amount(field="spec.load.capacity.to", amount=load.capacity.to)
    return None


def _most_users(spec: PerfTestSpec) -> Amount | None:
    load = spec.load
    if load.closed is not None:
        users = max(stage.users for stage in load.closed.levels())
        return Amount(field="spec.load.closed", amount=users)
    if load.burst is not None:
        return Amount(field="spec.load.burst.concurrency", amount=load.burst.concurrency)
    return None


# --- when -------------------------------------------------------------------------------------


def _open(hours: Hours, now: datetime) -> bool:
    local = now.astimezone(zone(hours.time_zone))
    begin, end = _clock(hours.from_), _clock(hours.to)
    at = local.time().replace(tzinfo=None)
    passed = timedelta(hours=at.hour, minutes=at.minute, seconds=at.second)
    today, yesterday = DAYS[local.weekday()], DAYS[local.weekday() - 1]
    if begin < end:
        return today in hours.days and begin <= passed < end
    return (today in hours.days and passed >= begin) or (yesterday in hours.days and passed < end)


def _clock(text: str) -> timedelta:
    hour, minute = text.split(":")
    return timedelta(hours=int(hour), minutes=int(minute))


def _written(hours: Hours) -> str:
    days = "" if set(hours.days) == set(DAYS) else f"{','.join(hours.days)} "
    return f"{days}{hours.from_}-{hours.to} {hours.time_zone}"


def default_manifest() -> dict[str, object]:
    """The policy that is created in a cluster without any."""
    spec: dict[str, object] = json.loads(
        DEFAULT.model_dump_json(by_alias=True, exclude_unset=True, exclude_none=True)
    )
    return {"metadata": {"name": DEFAULT_NAME}, "spec": spec}
