"""Thread groups as the load of a test."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from perfrun.cli.init.draft import LoadDraft, NotCarried, ScenarioDraft
from perfrun.cli.init.jmeter.elements import ThreadGroup
from perfrun.cli.init.jmeter.values import JmeterValues
from perfrun.cli.init.load import arriving, burst, ramped_users, users
from perfrun.cli.init.texts import one_line

_MAX_USERS = 100_000
_MAX_SECONDS = 7 * 86_400
_UNITS = {"S": 1, "M": 60}


@dataclass(frozen=True)
class Threads:
    """The number of users of a thread group, and its duration."""

    users: int
    ramp: int
    """Seconds until all users have started."""
    loops: int
    """Iterations of each user; 0: until the end."""
    seconds: int
    """The duration; 0: until all loops are done."""


def threads_of(group: ThreadGroup, values: JmeterValues, not_carried: NotCarried) -> Threads | None:
    """None if the numbers are not constant. Whatever else it contains is reported as not carried
    over."""
    element = group.element
    if element.kind.endswith("ConcurrencyThreadGroup"):
        unit = _UNITS.get(element.text("Unit"), 60)
        found = [
            values.number(element.text(name) or "0") for name in ("TargetLevel", "RampUp", "Hold")
        ]
        if None in found or element.text("Iterations"):
            not_carried.add(f"{element.shown}: its load is not fixed", element.line)
            return None
        level, ramp, hold = (max(one or 0, 0) for one in found)
        return _bounded(level, ramp * unit, 0, (ramp + hold) * unit)
    controller = element.part("ThreadGroup.main_controller")
    loops_text = controller.text("LoopController.loops") if controller else "1"
    endless = controller is not None and controller.is_set("LoopController.continue_forever")
    numbers = [
        values.number(text or "0")
        for text in (
            element.text("ThreadGroup.num_threads"),
            element.text("ThreadGroup.ramp_time"),
            "-1" if endless and not loops_text else loops_text,
            element.text("ThreadGroup.duration") if element.is_set("ThreadGroup.scheduler") else "",
            element.text("ThreadGroup.delay") if element.is_set("ThreadGroup.scheduler") else "",
        )
    ]
    if None in numbers:
        not_carried.add(f"{element.shown}: its load is not fixed", element.line)
        return None
    count, ramp, loops, seconds, delay = (one or 0 for one in numbers)
    if delay > 0:
        not_carried.add(f"{element.shown}: its delay of {delay} s", element.line)
    if loops > 0 and seconds > 0:
        not_carried.add(f"{element.shown}: that it ends after {loops} loops", element.line)
    return _bounded(count, ramp, 0 if seconds > 0 else max(loops, 0), max(seconds, 0))


def _bounded(count: int, ramp: int, loops: int, seconds: int) -> Threads:
    return Threads(
        min(max(count, 0), _MAX_USERS),
        min(max(ramp, 0), _MAX_SECONDS),
        min(loops, 1_000_000),
        min(seconds, _MAX_SECONDS),
    )


def weights_of(threads: Sequence[Threads | None]) -> list[int]:
    """How often each scenario is chosen: by its users, or, if all count their loops, by those."""
    counted = all(one is not None and one.loops for one in threads)
    return [max(one.users * (one.loops if counted else 1), 1) if one else 1 for one in threads]


def whole_weights(shares: Sequence[Fraction]) -> list[int]:
    """Weights of scenarios in proportion to these shares, as a test has them."""
    multiple = math.lcm(*(share.denominator for share in shares))
    counts = [int(share * multiple) for share in shares]
    divisor = math.gcd(*counts)
    scale = min(1.0, 10_000 * divisor / max(counts, default=1))
    return [max(round(one / divisor * scale), 1) for one in counts]


def load_of(
    groups: Sequence[ThreadGroup],
    threads: Sequence[Threads | None],
    scenarios: Sequence[ScenarioDraft],
    not_carried: NotCarried,
) -> LoadDraft:
    """One load for the whole test."""
    known = [one for one in threads if one is not None]
    if len(known) < len(threads):
        return users(scenarios)
    if len(set(known)) > 1:
        for group in groups:
            not_carried.add(
                "that thread groups begin and end at different times: all scenarios share one load",
                group.element.line,
            )
    count = sum(one.users for one in known)
    ramp, seconds = (max(getattr(one, name) for one in known) for name in ("ramp", "seconds"))
    if all(one.loops for one in known):
        requests = sum(one.users * one.loops for one in known)
        if ramp and all(one.loops == 1 for one in known):
            return arriving(scenarios, requests, ramp)
        if ramp:
            for group in groups:
                what = f"{group.element.shown}: its ramp-up: all users begin at once"
                not_carried.add(one_line(what, 240), group.element.line)
        return burst(scenarios, requests, count)
    return ramped_users(scenarios, count, ramp, seconds)
