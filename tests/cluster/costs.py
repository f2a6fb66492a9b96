"""What the parts of the embedded cluster cost to make, and how long that will take here.

``costs.toml`` has what each took on two cores, with every cache empty: ``python -m tests.cluster
costs --remember`` writes it from what was made last on this machine.
"""

import contextlib
import json
import resource
import time
import tomllib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass

from tests.cluster.paths import HERE, cache_dir, write

TABLE = HERE / "costs.toml"


@dataclass(frozen=True)
class Cost:
    """Of one part, in seconds."""

    wall: float
    cpu: float
    packages: int = 0
    """Go packages that were compiled."""


def table() -> dict[str, Cost]:
    """What each part cost where the table was made."""
    return {name: Cost(**row) for name, row in tomllib.loads(TABLE.read_text()).items()}


def expected(parts: Iterable[str]) -> float:
    """Seconds that it takes to make ``parts``, as it took there."""
    known = table()
    return sum(known[part].wall for part in parts if part in known)


def seconds_left(part: str, packages: int, elapsed: float) -> float:
    """Seconds until ``part`` is compiled, by how fast its packages were here so far."""
    cost = table().get(part, Cost(0, 0))
    # The first packages say little, and the last binary is linked when all are compiled.
    share = min(0.95, packages / cost.packages) if cost.packages else 0.0
    usual = cost.wall * (1 - share)
    return usual if share < 0.1 else share * elapsed * (1 - share) / share + (1 - share) * usual


def words(seconds: float) -> str:
    """As in 40 s, or 3 min."""
    if seconds < 90:
        return f"{max(10, round(seconds, -1)):.0f} s"
    return f"{round(seconds / 60):.0f} min"


def _cpu_of_children() -> float:
    """CPU seconds of all child processes that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def noted() -> dict[str, Cost]:
    """What each part cost when it was made last on this machine."""
    path = cache_dir() / "costs.json"
    rows = json.loads(path.read_text()) if path.exists() else {}
    return {name: Cost(**row) for name, row in rows.items()}


@contextlib.contextmanager
def noting(part: str, packages: Callable[[], int] = lambda: 0) -> Iterator[None]:
    """Remember what the block costs that makes ``part``, if it comes to its end."""
    began, before = time.monotonic(), _cpu_of_children()
    yield
    wall, cpu = time.monotonic() - began, _cpu_of_children() - before
    rows = {**noted(), part: Cost(round(wall, 1), round(cpu, 1), packages())}
    text = json.dumps({name: asdict(cost) for name, cost in rows.items()}, indent=1)
    write(cache_dir() / "costs.json", text)


def remember() -> None:
    """Make the table anew from what was noted on this machine."""
    lines = ["# Made by `python -m tests.cluster costs --remember`: seconds on two cores.\n"]
    for name, cost in {**table(), **noted()}.items():
        lines.append(f'["{name}"]')
        lines += [f"{field} = {value}" for field, value in asdict(cost).items()]
        lines.append("")
    write(TABLE, "\n".join(lines))


def printed() -> str:
    """The costs noted here, as a table."""
    rows = noted() or table()
    lines = [f"{'part':<16}{'wall':>8}{'CPU':>8}  packages"]
    lines += [
        f"{name:<16}{cost.wall:>6.0f} s{cost.cpu:>6.0f} s  {cost.packages or ''}"
        for name, cost in rows.items()
    ]
    total = Cost(sum(cost.wall for cost in rows.values()), sum(cost.cpu for cost in rows.values()))
    return "\n".join([*lines, f"{'all':<16}{total.wall:>6.0f} s{total.cpu:>6.0f} s"])
