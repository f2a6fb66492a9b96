"""What steps may say depends on the kind of target: a page has a status, a query has rows."""

from collections.abc import Iterator
from typing import NamedTuple

from perfrun.api.base import ApiModel
from perfrun.api.perftest import PerfTestSpec
from perfrun.api.scenario import Step
from perfrun.api.target import TargetKind
from perfrun.logic.problems import Problem, field_path
from perfrun.logic.step_checks import Place, placed_steps


class Language(NamedTuple):
    """The words of one kind."""

    expect: frozenset[str]
    extract: frozenset[str]


LANGUAGES: dict[TargetKind, Language] = {
    "http": Language(
        frozenset({"status", "json", "maxBytes"}), frozenset({"json", "header", "regex"})
    ),
    "sql": Language(frozenset({"rows"}), frozenset({"column"})),
    "extension": Language(frozenset({"json", "maxBytes"}), frozenset({"json", "regex"})),
}


def kind_problems(spec: PerfTestSpec) -> Iterator[Problem]:
    """Steps, expectations and extractions that belong to another kind of target."""
    kind = spec.target.kind
    language = LANGUAGES[kind]
    if kind != "http" and spec.scenarios is None:
        yield Problem("spec.scenarios", f"a target of kind {kind} needs steps that say what to do")
    for where, step, _ in placed_steps(spec):
        for other in LANGUAGES:
            if other != kind and getattr(step, other) is not None:
                yield Problem(field_path([*where, other]), f"the target is {kind}: write {kind}")
        if kind != "http" and getattr(step, kind) is None:
            yield Problem(field_path([*where, kind]), "is missing: it says what the step does")
        for place, statement in _statements([*where, kind], step):
            if "$(" in statement:
                yield Problem(
                    field_path(place), "has a template: values go into parameters, never into SQL"
                )
        if step.expect is not None:
            yield from _foreign([*where, "expect"], step.expect, language.expect, kind)
        for name, extraction in step.extract.items():
            yield from _foreign([*where, "extract", name], extraction, language.extract, kind)


def _statements(where: Place, step: Step) -> Iterator[tuple[Place, str]]:
    if step.sql is None:
        return
    if step.sql.statement is not None:
        yield [*where, "statement"], step.sql.statement
    for index, one in enumerate(step.sql.transaction or []):
        yield [*where, "transaction", index, "statement"], one.statement


def _foreign(
    where: Place, part: ApiModel, own: frozenset[str], kind: TargetKind
) -> Iterator[Problem]:
    for name in part.model_dump(by_alias=True, exclude_defaults=True):
        if name not in own:
            known = ", ".join(sorted(own))
            yield Problem(field_path([*where, name]), f"means nothing for {kind}: use {known}")
