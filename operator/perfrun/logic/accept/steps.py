"""What can be wrong with steps and feeds: templates, names in them, paths, extractions."""

import re
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from perfrun.api import template
from perfrun.api.test.feed import Feed
from perfrun.api.test.perftest import PerfTestSpec
from perfrun.api.test.scenario import HttpRequest, Step
from perfrun.logic.plan.json_path import finder
from perfrun.logic.problems import Problem, field_path, suggestion

Place = list[str | int]

_CLOCKS = ("now", "nowMs")

MAX_SUGGESTIONS = 20
"""Limit on names in templates that are compared for suggestions. Further ones are reported after
these are corrected.
"""


class Placed(NamedTuple):
    """A step, its place, and the names that earlier steps have extracted."""

    where: Place
    step: Step
    extracted: frozenset[str]


def placed_steps(spec: PerfTestSpec) -> Iterator[Placed]:
    """Every step: those of the setup and of the scenarios, whose names the teardown cannot use."""
    yield from _in_order(["spec", "setup"], spec.setup, frozenset())
    of_setup = frozenset().union(*(step.extract for step in spec.setup))
    for s, scenario in enumerate(spec.scenarios or []):
        yield from _in_order(["spec", "scenarios", s, "steps"], scenario.steps, of_setup)
    yield from _in_order(["spec", "teardown"], spec.teardown, of_setup)


def _in_order(where: Place, steps: list[Step], known: frozenset[str]) -> Iterator[Placed]:
    for index, step in enumerate(steps):
        yield Placed([*where, index], step, known)
        known |= step.extract.keys()


def steps_of(spec: PerfTestSpec) -> Iterator[tuple[Place, Step]]:
    """The steps of the scenarios, and their places."""
    for s, scenario in enumerate(spec.scenarios or []):
        for t, step in enumerate(scenario.steps):
            yield ["spec", "scenarios", s, "steps", t], step


def template_problems(spec: PerfTestSpec) -> Iterator[Problem]:
    """Templates that cannot be parsed, and names in them that are not defined."""
    feeds = {feed.name: feed for feed in spec.feeds}
    # the problem of each name: computed once, however often the name occurs
    unknown: dict[str, str] = {}
    for where, text, extracted in _templated(spec):
        try:
            names = template.references(template.parse(text))
        except ValueError as error:
            yield Problem(field_path(where), str(error))
            continue
        known = extracted | spec.variables.keys()
        for name in sorted(names - known):
            feed, _, column = name.partition(".")
            if not (column and feed in feeds):
                if name not in unknown:
                    few = len(unknown) < MAX_SUGGESTIONS
                    unknown[name] = _unknown(name, spec, known if few else ())
                yield Problem(field_path(where), f"$({name}) {unknown[name]}")
            elif (made := feeds[feed].generate) is not None and column not in made.columns:
                hint = suggestion(column, made.columns) or f"; it has: {', '.join(made.columns)}"
                yield Problem(field_path(where), f"$({name}) is not a column of its feed{hint}")


def _unknown(name: str, spec: PerfTestSpec, known: Iterable[str]) -> str:
    """What is wrong with a name, and which of ``known`` may have been meant."""
    if name in template.FUNCTIONS:
        return f"is not a variable; did you mean the function $({name}())?"
    if "." in name:
        feed = name.partition(".")[0]
        feeds = [feed.name for feed in spec.feeds]
        if feed.lower() in ("secret", "secrets") and not suggestion(feed, feeds):
            return "does not name a feed; to use a Secret, set valueFrom.secretKeyRef of a header"
        return f"does not name a feed{suggestion(feed, feeds) or '; define feeds in spec.feeds'}"
    hint = suggestion(name, known) or "; define variables in spec.variables"
    later = {key for _, step, _ in placed_steps(spec) for key in step.extract}
    if name in later:
        hint = ": it is extracted by another scenario or by a later step"
    return f"is not a variable{hint}"


def extraction_problems(spec: PerfTestSpec) -> Iterator[Problem]:
    """Extractions that cannot be parsed, and names that are defined twice."""
    given = dict.fromkeys(spec.variables, "a variable")
    given |= {feed.name: "a feed" for feed in spec.feeds}
    for where, step, _ in placed_steps(spec):
        for name, extraction in step.extract.items():
            at = field_path([*where, "extract", name])
            if name in given:
                yield Problem(at, f'"{name}" is already the name of {given[name]}')
            if extraction.json_ is not None and (wrong := _wrong_path(extraction.json_)):
                yield Problem(f"{at}.json", wrong)
            if extraction.regex is not None and (wrong := _wrong_regex(extraction.regex)):
                yield Problem(f"{at}.regex", wrong)


def json_path_problems(spec: PerfTestSpec) -> Iterator[Problem]:
    """Paths of checks that cannot be parsed."""
    for where, step, _ in placed_steps(spec):
        for path in step.expect.json_ if step.expect is not None else ():
            if wrong := _wrong_path(path):
                yield Problem(field_path([*where, "expect", "json", path]), wrong)


def bracket_doubts(spec: PerfTestSpec) -> Iterator[Problem]:
    """Templates of other tools, which perfrun sends as they are."""
    for where, text, _ in _templated(spec):
        for bracket in ("${", "{{"):
            if bracket in text:
                yield Problem(
                    field_path(where), f"{bracket} is sent as it is: templates are written $(...)"
                )


def _wrong_path(path: str) -> str | None:
    try:
        finder(path)
    except ValueError as error:
        return str(error)
    return None


def _wrong_regex(pattern: str) -> str | None:
    try:
        re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        return f"is not a regular expression: {error}"
    return None


def _templated(spec: PerfTestSpec) -> Iterator[tuple[Place, str, frozenset[str]]]:
    """Every string that may contain templates, its place, and the names extracted before."""
    http: Place = ["spec", "target", "http"]
    headers = spec.target.http.headers if spec.target.http is not None else []
    for index, header in enumerate(headers):
        if header.value is not None:
            yield [*http, "headers", index, "value"], header.value, frozenset()
    for where, step, extracted in placed_steps(spec):
        for place, text in _templated_in_step(where, step):
            yield place, text, extracted


def _templated_in_step(where: Place, step: Step) -> Iterator[tuple[Place, str]]:
    if step.http is not None:
        yield from _templated_in_request([*where, "http"], step.http)
    if step.browser is not None:
        if step.browser.goto is not None:
            yield [*where, "browser", "goto"], step.browser.goto
        for index, fill in enumerate(step.browser.fill or []):
            yield [*where, "browser", "fill", index, "value"], fill.value
    if step.sql is not None:
        yield from _texts_in([*where, "sql", "parameters"], step.sql.parameters)
        for index, one in enumerate(step.sql.transaction or []):
            place: Place = [*where, "sql", "transaction", index, "parameters"]
            yield from _texts_in(place, one.parameters)
    if step.extension is not None:
        yield from _texts_in([*where, "extension"], step.extension)


def _templated_in_request(where: Place, request: HttpRequest) -> Iterator[tuple[Place, str]]:
    if request.path is not None:
        yield [*where, "path"], request.path
    for index, header in enumerate(request.headers):
        if header.value is not None:
            yield [*where, "headers", index, "value"], header.value
    if request.body is not None:
        yield [*where, "body"], request.body
    yield from _texts_in([*where, "json"], request.json_)


def _texts_in(where: Place, value: Any) -> Iterator[tuple[Place, str]]:
    if isinstance(value, str):
        yield where, value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _texts_in([*where, str(key)], item)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _texts_in([*where, index], item)


def feed_problems(spec: PerfTestSpec) -> Iterator[Problem]:
    """Names that are defined twice, and columns that cannot be generated."""
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
