"""How much of a spec is checked at most: its size and depth, and the CPU and memory of its check.

``perfrun run`` refuses by size and depth too, and has no need of the rest of the check.
"""

from collections.abc import Iterator

from perfrun.logic.problems import Problem, field_path

MAX_SPEC_BYTES = 256 * 1024
"""Size limit of a spec as compact JSON."""
MAX_FROZEN_BYTES = 1024 * 1024
"""Size limit of a spec with all defaults written out, as it is kept for a run."""
MAX_CPU_S = 1.0
MAX_MEMORY_BYTES = 256 * 1024 * 1024
MAX_DEPTH = 64
"""How many mappings and lists may be nested in each other."""


def too_deep(spec: object) -> Problem | None:
    """The field in which a spec is nested more than ``MAX_DEPTH`` levels deep."""
    for path in _nested_over(spec, MAX_DEPTH):
        # Report the nested field only: the path to the innermost level would be long.
        field = field_path(["spec", *path[:8]])
        return Problem(field, f"is nested more than {MAX_DEPTH} levels deep: make it flatter")
    return None


def _nested_over(value: object, levels: int) -> Iterator[tuple[str | int, ...]]:
    """The paths of values that are nested deeper; without recursion, so any depth is safe."""
    waiting: list[tuple[tuple[str | int, ...], int, object]] = [((), 0, value)]
    while waiting:
        path, depth, one = waiting.pop()
        if not isinstance(one, dict | list):
            continue
        if depth >= levels:
            yield path
            continue
        items = one.items() if isinstance(one, dict) else enumerate(one)
        # Report only the beginning of a path.
        waiting += [((*path, key) if depth < 8 else path, depth + 1, item) for key, item in items]


def too_large(size: int, most: int = MAX_SPEC_BYTES) -> Problem | None:
    """The problem of a spec that is too large, before anything else in it is checked."""
    if size <= most:
        return None
    return Problem(
        "spec",
        f"has {size / 1024:.0f} KiB as JSON; at most {most // 1024} KiB are allowed: move bodies "
        "and data into feeds",
    )


def over_budget(what: str) -> Problem:
    """The problem of a spec whose check needed more of ``what`` (CPU, memory) than it may use."""
    return Problem(
        "spec",
        f"checking it takes more than {what}: make it smaller or simpler, for example its regular "
        "expressions",
    )


OVER_CPU = over_budget(f"{MAX_CPU_S:.0f} s of CPU")
OVER_MEMORY = over_budget(f"{MAX_MEMORY_BYTES // 1024 // 1024} MiB of memory")
