"""Why requests failed, in lines for any report."""

from collections.abc import Iterator, Mapping, Sequence

from perfrun.api.run.perfrun import StepStatus
from perfrun.report.steps import number

MAX_FAILURES = 5


def by_count(errors: Mapping[str, int]) -> str:
    """``Timeout 1,234, Status5xx 12``: the most frequent first."""
    kinds = sorted(errors.items(), key=lambda item: -item[1])
    return ", ".join(f"{kind} {number(count)}" for kind, count in kinds)


def explained(steps: Sequence[StepStatus]) -> Iterator[str]:
    """Of the classes that are explained, the most frequent: ``list: Status4xx: status 404``."""
    found = [
        (step.errors.get(kind, 0), f"{step.name}: {kind}: {said}")
        for step in steps
        for kind, said in step.said.items()
    ]
    for _, line in sorted(found, key=lambda item: -item[0])[:MAX_FAILURES]:
        yield line
