"""What can be wrong with feeds: their names, and the templates of generated ones."""

from collections.abc import Iterator

from perfrun.api import template
from perfrun.api.test.perftest import Feed, PerfTestSpec
from perfrun.logic.problems import Problem, suggestion

_CLOCKS = ("now", "nowMs")


def feed_problems(spec: PerfTestSpec) -> Iterator[Problem]:
    """Names that are given twice, and columns that cannot be generated."""
    given = dict.fromkeys(spec.variables, "a variable")
    for index, feed in enumerate(spec.feeds):
        if feed.name in given:
            yield Problem(
                f"spec.feeds[{index}].name",
                f'"{feed.name}" is already the name of {given[feed.name]}',
            )
        given[feed.name] = "a feed"
        yield from _generated_problems(feed, f"spec.feeds[{index}].generate.columns", spec)


def _generated_problems(feed: Feed, where: str, spec: PerfTestSpec) -> Iterator[Problem]:
    for name, text in feed.generate.columns.items() if feed.generate is not None else ():
        try:
            parts = template.parse(text)
        except ValueError as error:
            yield Problem(f"{where}.{name}", str(error))
            continue
        for unknown in sorted(template.references(parts) - spec.variables.keys()):
            hint = suggestion(unknown, spec.variables) or (
                "; a column can use variables and functions"
            )
            yield Problem(f"{where}.{name}", f"$({unknown}) is not a variable{hint}")
        for part in parts:
            if isinstance(part, template.Call) and part.function in _CLOCKS:
                yield Problem(
                    f"{where}.{name}",
                    f"$({part.function}()) gives a new value each time, but a row must be the "
                    "same wherever it is used: use it in the step instead",
                )
