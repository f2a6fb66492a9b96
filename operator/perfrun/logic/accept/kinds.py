"""What steps may contain depends on the kind of target: a page has a status, a query has rows."""

from collections.abc import Iterator
from typing import Literal, NamedTuple

from perfrun.api.base import ApiModel
from perfrun.api.test.perftest import PerfTestSpec
from perfrun.api.test.scenario import Step
from perfrun.logic.accept.steps import Place, placed_steps
from perfrun.logic.problems import Problem, field_path

StepKind = Literal["http", "sql", "browser", "extension"]
"""The kinds of targets that have steps."""


class Language(NamedTuple):
    """What steps of one kind may expect and extract."""

    expect: frozenset[str]
    extract: frozenset[str]


LANGUAGES: dict[StepKind, Language] = {
    "http": Language(
        frozenset({"status", "json", "maxBytes"}), frozenset({"json", "header", "regex"})
    ),
    "sql": Language(frozenset({"rows"}), frozenset({"column"})),
    "browser": Language(frozenset({"status"}), frozenset()),
    "extension": Language(frozenset({"json", "maxBytes"}), frozenset({"json", "regex"})),
}


def kind_problems(spec: PerfTestSpec) -> Iterator[Problem]:
    """Steps, expectations and extractions that belong to another kind of target."""
    kind = spec.target.kind
    if kind == "benchmark" or kind == "script":
        yield from _of_no_steps(spec)
        return
    language = LANGUAGES[kind]
    if kind != "http" and spec.scenarios is None:
        yield Problem("spec.scenarios", f"a {kind} target requires scenarios with steps")
    for where, step, _ in placed_steps(spec):
        for other in LANGUAGES:
            if other != kind and getattr(step, other) is not None:
                yield Problem(
                    field_path([*where, other]), f"cannot be used with {kind} targets: use {kind}"
                )
        if kind != "http" and getattr(step, kind) is None:
            yield Problem(
                field_path([*where, kind]), "this field is required: it says what the step does"
            )
        yield from _page_problems(where, step, kind)
        for place, statement in _statements([*where, kind], step):
            if "$(" in statement:
                yield Problem(
                    field_path(place),
                    "contains a template: pass values in parameters, never in SQL",
                )
        if step.expect is not None:
            yield from _foreign([*where, "expect"], step.expect, language.expect, kind)
        for name, extraction in step.extract.items():
            yield from _foreign([*where, "extract", name], extraction, language.extract, kind)


def _of_no_steps(spec: PerfTestSpec) -> Iterator[Problem]:
    """What benchmarks and scripts cannot have, because perfrun does not send their requests."""
    given = {
        "scenarios": spec.scenarios,
        "setup": spec.setup,
        "teardown": spec.teardown,
        "feeds": spec.feeds,
    }
    for field, value in given.items():
        if value:
            yield Problem(
                f"spec.{field}",
                f"cannot be used with a {spec.target.kind} target, which only runs its command: "
                "remove it",
            )


def _page_problems(where: Place, step: Step, kind: StepKind) -> Iterator[Problem]:
    """A visit begins with an empty page, so its first step has to load one; only visits have
    figures of pages.
    """
    if step.class_ == "Page" and kind != "browser":
        yield Problem(field_path([*where, "class"]), "the class Page is only for browser targets")
    if where[-1] == 0 and step.browser is not None and step.browser.goto is None:
        yield Problem(
            field_path([*where, "browser"]),
            "the first step of a scenario must load a page, as in goto: /",
        )


def _statements(where: Place, step: Step) -> Iterator[tuple[Place, str]]:
    if step.sql is None:
        return
    if step.sql.statement is not None:
        yield [*where, "statement"], step.sql.statement
    for index, one in enumerate(step.sql.transaction or []):
        yield [*where, "transaction", index, "statement"], one.statement


def _foreign(
    where: Place, part: ApiModel, own: frozenset[str], kind: StepKind
) -> Iterator[Problem]:
    for name in part.model_dump(by_alias=True, exclude_defaults=True):
        if name not in own:
            known = f"use {', '.join(sorted(own))}" if own else "remove it"
            yield Problem(
                field_path([*where, name]), f"cannot be used with {kind} targets: {known}"
            )
