"""A test's spec as one run changes it (``spec.overrides`` of a PerfRun), or why that cannot be.

The same in a cluster, in ``perfrun run`` and in ``perfrun trigger``. What is judged stays as the
test has it.
"""

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from ipaddress import ip_address
from itertools import accumulate, chain, pairwise
from typing import Any, NamedTuple, TypeVar
from urllib.parse import SplitResult, urlsplit

from pydantic import TypeAdapter, ValidationError
from pydantic.alias_generators import to_camel

from perfrun.api.names import port_of
from perfrun.api.quantities import nearest_rate
from perfrun.api.run.overrides import LoadOverrides, Overrides
from perfrun.api.sentence import cut, printable
from perfrun.api.template import parse, references
from perfrun.api.test.load import UNTIL_STOPPED, Closed, ClosedStage, Load, Open, OpenStage
from perfrun.api.test.perftest import PerfTestSpec
from perfrun.api.test.target import Target, Url
from perfrun.api.test.values import value_refs
from perfrun.logic.accept.steps import placed_steps
from perfrun.logic.plan.commands import texts
from perfrun.logic.plan.network import address_of, normal_host
from perfrun.logic.problems import Problem, field_path, parse_problems, suggestion

Shape = TypeVar("Shape", Open, Closed)
Stage = TypeVar("Stage", OpenStage, ClosedStage)

_FIELD = "spec.overrides"
_LOAD = f"{_FIELD}.load"
_URL: TypeAdapter[str] = TypeAdapter(Url)
_HOST = re.compile(r"[A-Za-z0-9._:-]+")
_HOST_IN = re.compile(r"(?:https?://)?([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?/?")
_MAX_VALUE = 60
"""Characters of a value in the line about overrides."""

_OF_LOADS: dict[str, tuple[str, ...]] = {
    "burst": ("scale", "users", "requests", "workers"),
    "closed": ("scale", "users", "duration", "max_duration", "workers"),
    "open": ("scale", "rate", "duration", "max_duration", "workers"),
    "capacity": ("scale", "workers"),
    "max_duration": ("max_duration", "workers"),
}
"""What of a load can be overridden, by its shape; max_duration: a script."""
_HAS_MAX_DURATION = (UNTIL_STOPPED, "max_duration")


class Overridden(NamedTuple):
    """A spec with the overrides of a run."""

    spec: PerfTestSpec
    """What the run executes. With problems: the test's own."""
    problems: Sequence[Problem] = ()


class _UnfitError(Exception):
    """Overrides that the load of a test cannot have."""

    def __init__(self, *problems: Problem) -> None:
        super().__init__(*problems)
        self.problems = problems


def overridden(spec: PerfTestSpec, overrides: Overrides) -> Overridden:
    """The spec that a run with these overrides executes. It is not checked any further.

    Whether it may send Secrets to where it goes is for :func:`sent_elsewhere` to say.
    """
    update: dict[str, Any] = {}
    problems = list(_unknown_variables(spec, overrides.variables))
    try:
        if overrides.url is not None:
            update["target"] = at_origin(spec.target, overrides.url)
    except ValueError as error:
        problems.append(Problem(f"{_FIELD}.url", str(error)))
    try:
        if overrides.load is not None:
            update["load"] = _load(spec, overrides.load)
    except _UnfitError as unfit:
        problems += unfit.problems
    if problems:
        return Overridden(spec, problems)
    if overrides.variables:
        update["variables"] = {**spec.variables, **overrides.variables}
    return Overridden(spec.model_copy(update=update))


def overrides_text(overrides: Overrides) -> str:
    """All overrides in one line that may be shown anywhere: ``url: http://shop-2:80, load.scale:
    0.1``.
    """
    written = overrides.model_dump(mode="json", exclude_none=True, exclude_defaults=True)
    line = ", ".join(f"{field}: {_short(value)}" for field, value in _flat([], written))
    return printable(line)


def _flat(where: list[str], values: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, dict):
            yield from _flat([*where, name], value)
        else:
            yield ".".join([*where, name]), value


def _short(value: object) -> str:
    return cut(f"{value:g}" if isinstance(value, float) else str(value), _MAX_VALUE)


def _unknown_variables(spec: PerfTestSpec, given: Iterable[str]) -> Iterator[Problem]:
    for name in given:
        if name not in spec.variables:
            known = ", ".join(sorted(spec.variables)) or "none"
            hint = suggestion(name, spec.variables) or f"; it has: {known}"
            field = field_path(["spec", "overrides", "variables", name])
            yield Problem(field, f"the test does not define it in spec.variables{hint}")


# --- where the load goes ------------------------------------------------------------------------


def is_movable(target: Target) -> bool:
    """Whether it has an address that another one can take the place of."""
    return target.url is not None or target.extension is not None


def at_origin(target: Target, origin: str) -> Target:
    """The target at another scheme, host and port; of an extension only the host and the port.

    Raises ValueError with what is wrong.
    """
    address = _address(urlsplit(origin))
    if (extension := target.extension) is not None:
        moved: Any = extension.model_copy(update={"address": address})
        return target.model_copy(update={"extension": moved})
    known = target.http or target.browser
    if known is None:
        raise ValueError(f"a {target.kind} target has no URL")
    old = urlsplit(known.url)
    query = f"?{old.query}" if old.query else ""
    try:
        url = _URL.validate_python(f"{origin.rstrip('/')}{old.path}{query}")
    except ValidationError as error:
        raise ValueError(error.errors()[0]["msg"]) from error
    return target.model_copy(update={target.kind: known.model_copy(update={"url": url})})


def _address(parts: SplitResult) -> str:
    """Host and port, as in ``localhost:80``. Raises ValueError where the port is none."""
    return parts.netloc if parts.port is not None else f"{parts.netloc}:{port_of(parts)}"


def sent_elsewhere(before: PerfTestSpec, after: PerfTestSpec, namespace: str) -> Iterator[Problem]:
    """What a run would send of Secrets and tokens to a server that its test does not name.

    Whoever may create runs of a test could read them that way.
    """
    sent = " and ".join(_sent(after))
    if not sent:
        return
    allowed = before.overridable.hosts if before.overridable is not None else []
    for field, host in dict.fromkeys(_named(before, after)):
        if not any(_covers(pattern, host, namespace) for pattern in allowed):
            yield Problem(
                field,
                f"this run would send {sent} to {printable(host, _MAX_VALUE)}, which is not the "
                "target of the test: if it may have that, add the host to spec.overridable.hosts "
                "of the PerfTest",
            )


def _named(before: PerfTestSpec, after: PerfTestSpec) -> Iterator[tuple[str, str]]:
    """The fields of the overrides that name another host, and the host."""
    old, new = _origin(before.target), _origin(after.target)
    if new is not None and new != old:
        yield f"{_FIELD}.url", new[1]
    changed = {
        name for name, value in after.variables.items() if before.variables.get(name) != value
    }
    if (command := after.target.benchmark or after.target.script) is not None:
        # It may do anything with what it is told.
        for _, text in texts(command):
            for name in sorted(changed & _references(text)):
                yield _of_variable(name), _host_in(after.variables[name])
    for text in _host_headers(after):
        if names := sorted(_variables_in(text, after) & changed):
            host = _host_in(_filled(text, after.variables))
            if old is None or host != old[1]:
                yield _of_variable(names[0]), host


def _of_variable(name: str) -> str:
    return field_path(["spec", "overrides", "variables", name])


def _host_headers(spec: PerfTestSpec) -> Iterator[str]:
    """Templates of Host headers: a proxy in front of several servers goes by them."""
    if spec.target.http is None:
        return
    of_steps = (placed.step.the_http.headers for placed in placed_steps(spec))
    for headers in (spec.target.http.headers, *of_steps):
        for header in headers:
            if header.name.lower() == "host" and header.value is not None:
                yield header.value


def _variables_in(text: str, spec: PerfTestSpec) -> set[str]:
    """The variables that a text depends on, also by columns of generated feeds."""
    names = _references(text)
    for feed in spec.feeds:
        for column, generated in feed.generate.columns.items() if feed.generate else ():
            if f"{feed.name}.{column}" in names:
                names = names | _references(generated)
    return names


def _references(text: str) -> set[str]:
    """Names in a template; none if it cannot be parsed, because then nothing is run."""
    try:
        return references(parse(text))
    except ValueError:
        return set()


def _filled(text: str, variables: Mapping[str, str]) -> str:
    """With the values of variables; what differs between iterations stays as it is written."""
    return re.sub(r"\$\(\s*(\w+)\s*\)", lambda one: variables.get(one[1], one[0]), text)


def _host_in(text: str) -> str:
    """The host of an origin or of a Host header; the whole text where it is neither."""
    found = _HOST_IN.fullmatch(text)
    return _plain_host(found[1].strip("[]")) if found is not None else text


def _origin(target: Target) -> tuple[str, str, int] | None:
    """Scheme, host and port, so that two spellings of one are equal."""
    extension = target.extension
    parts = urlsplit(f"//{extension.address}" if extension is not None else target.url or "")
    if parts.hostname is None:
        return None
    return parts.scheme, _plain_host(parts.hostname), port_of(parts)


def _plain_host(host: str) -> str:
    """A host in one spelling.

    Unlike policies, this takes no IPv6 address for the IPv4 address in it: whoever routes 6to4 or
    NAT64 decides which server answers there. And ``10.0.0.5%x.evil.example`` is a name.
    """
    if ":" in host:
        try:
            return str(ip_address(host))
        except ValueError:
            return host.lower()
    address = None if "%" in host else address_of(host)
    if address is not None:
        return str(address)
    try:
        return normal_host(host)
    except (ValueError, UnicodeError):
        return host.lower()


def _covers(pattern: str, host: str, namespace: str) -> bool:
    """Whether a pattern is about a host. ``*`` stands for any characters but a dot or a colon."""
    if not _HOST.fullmatch(host):
        return False
    glob = re.escape(normal_host(pattern)).replace(r"\*", "[^.:]*")
    is_service = "." not in host and ":" not in host
    names = [host, f"{host}.{namespace}.svc"] if is_service else [host]
    return any(re.fullmatch(glob, name) for name in names)


def _sent(spec: PerfTestSpec) -> Iterator[str]:
    """The Secrets and tokens whose values may be in what a target is sent."""
    target = spec.target
    if target.http is not None and target.http.tls is not None:
        # A CA is only compared with.
        tls = target.http.tls.model_copy(update={"ca_from": None})
        http = target.http.model_copy(update={"tls": tls})
        target = target.model_copy(update={"http": http})
    parts = (target, spec.feeds, spec.setup, spec.scenarios or [], spec.teardown)
    names = sorted({ref.name for ref in value_refs(parts) if ref.kind == "Secret"})
    if names:
        yield f"values of the Secret{'s' if len(names) > 1 else ''} {', '.join(names)}"
    if target.account_audience is not None:
        yield "a token of the workers' service account"


# --- how much load ------------------------------------------------------------------------------


def _load(spec: PerfTestSpec, wanted: LoadOverrides) -> Load:
    """The load of a run. Raises _UnfitError."""
    if spec.target.benchmark is not None:
        raise _UnfitError(Problem(_LOAD, "a benchmark has no load: its command runs once"))
    load = spec.load
    shape = _shape_of(load)
    known = set(_OF_LOADS[shape])
    others = sorted(wanted.model_dump(exclude_none=True, by_alias=False).keys() - known)
    if others:
        advice = settable(load)
        raise _UnfitError(*(Problem(f"{_LOAD}.{to_camel(name)}", advice) for name in others))
    if wanted.max_duration is not None and {wanted.duration, shape}.isdisjoint(_HAS_MAX_DURATION):
        misplaced = f"is only for duration: {UNTIL_STOPPED}, and for scripts: remove it"
        raise _UnfitError(Problem(f"{_LOAD}.maxDuration", misplaced))
    try:
        load = load.model_copy(update={shape: _sized(load, wanted)})
        workers = wanted.workers or min(load.workers, _fewest(load))
        load = load.model_copy(update={"workers": workers})
        # As if it were written: what a model has against itself is found out.
        return Load.parse(load.model_dump(mode="json", exclude_unset=True))
    except ValidationError as error:
        why = [f"it does not fit: spec.load.{problem}" for problem in parse_problems(error)]
        raise _UnfitError(*(Problem(_LOAD, one) for one in why)) from error
    except ValueError as error:
        raise _UnfitError(Problem(_LOAD, str(error))) from error


def settable(load: Load) -> str:
    """What runs can set of a load, where one has set something else."""
    shape = _shape_of(load)
    *names, last = (f"load.{to_camel(name)}" for name in _OF_LOADS[shape])
    what = f"the load of the test is {shape}"
    if load.max_duration is not None:
        what = "the load of the test is in its script, which may use variables in args and env"
    return f"{what}: runs can set {', '.join(names)} and {last}"


def _shape_of(load: Load) -> str:
    return next(name for name in _OF_LOADS if getattr(load, name) is not None)


def _sized(load: Load, wanted: LoadOverrides) -> object:
    """The shape of a load in another size and length. Raises ValueError."""
    scale = 1.0 if wanted.scale is None else wanted.scale
    if load.max_duration is not None:
        return wanted.max_duration or load.max_duration
    if (burst := load.burst) is not None:
        requests = wanted.requests or _whole(burst.requests * scale)
        concurrency = wanted.users or min(_whole(burst.concurrency * scale), requests)
        return burst.model_copy(update={"requests": requests, "concurrency": concurrency})
    if (capacity := load.capacity) is not None:
        low, high = nearest_rate(capacity.from_ * scale), nearest_rate(capacity.to * scale)
        return capacity.model_copy(update={"from_": low, "to": high})
    if load.closed is not None:
        return _levelled(load.closed, "users", _whole, wanted)
    assert load.open is not None, "there are four shapes"
    opened = _levelled(load.open, "rate", _rate, wanted)
    if opened.max_in_flight is None:
        return opened
    return opened.model_copy(update={"max_in_flight": _whole(opened.max_in_flight * scale)})


def _levelled(
    shape: Shape, name: str, rounded: Callable[[float], float], wanted: LoadOverrides
) -> Shape:
    """A closed or open load at other levels. ``name``: the field of a level, here and in stages."""
    peak = max(getattr(stage, name) for stage in shape.levels()) or 1
    factor = wanted.scale or 1.0
    if (highest := getattr(wanted, name)) is not None:
        factor = highest / peak

    def level(one: Any) -> dict[str, Any]:
        return {name: rounded((getattr(one, name) or 0) * factor)}

    if shape.stages is not None:
        stages: Sequence[Any] = shape.stages
        update: dict[str, Any] = {"stages": _staged(stages, map(level, stages), wanted)}
    else:
        update = level(shape)
        if wanted.duration is not None:
            update |= {"duration": wanted.duration, "max_duration": wanted.max_duration}
    return shape.model_copy(update=update)


def _staged(
    stages: Sequence[Stage], levels: Iterable[Mapping[str, Any]], wanted: LoadOverrides
) -> list[Stage]:
    """The stages at other levels, and in the time that is wanted in all."""
    times = list(chain.from_iterable((stage.ramp, stage.hold) for stage in stages))
    whole = sum(times)
    if isinstance(wanted.duration, str):
        why = f"{wanted.duration} cannot be used with stages, which end by themselves"
        raise _UnfitError(Problem(f"{_LOAD}.duration", why))
    if wanted.duration is not None and whole:
        # By their borders: so the sum is what was asked for, to the nanosecond.
        borders = [border * wanted.duration // whole for border in accumulate(times, initial=0)]
        times = [end - start for start, end in pairwise(borders)]
    pairs = zip(times[::2], times[1::2], strict=True)
    return [
        stage.model_copy(update={**level, "ramp": ramp, "hold": hold})
        for stage, level, (ramp, hold) in zip(stages, levels, pairs, strict=True)
    ]


def _fewest(load: Load) -> int:
    """How many workers have something to do at most."""
    if load.burst is not None:
        return min(load.burst.requests, load.burst.concurrency)
    if load.closed is not None:
        return max(1, *(stage.users for stage in load.closed.levels()))
    most = load.open.max_in_flight if load.open is not None else None
    return most or load.workers


def _whole(number: float) -> int:
    """Rounded, and at least 1 where there was any."""
    return max(1, math.floor(number + 0.5)) if number > 0 else 0


def _rate(per_second: float) -> float:
    return nearest_rate(per_second) if per_second > 0 else 0.0
