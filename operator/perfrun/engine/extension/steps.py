"""Steps of an extension: strings by name, compiled once, and the expectations of replies."""

from typing import NamedTuple

from perfrun.api.test.scenario import Step
from perfrun.engine.awaited.sessions import Done
from perfrun.engine.compiled import CompiledScenario
from perfrun.engine.data.feeds import read_feeds
from perfrun.engine.data.template import Compiler, Template, sendable
from perfrun.engine.errors import ErrorClass
from perfrun.engine.extension.load import NamedParameters
from perfrun.engine.response.expect import Expectation, too_large
from perfrun.engine.response.extract import Answer, Extractor
from perfrun.extension import Reply
from perfrun.measure.plan import RunPlan
from perfrun.reach.values import Values

_FINE = 200
"""The status for expectations of a reply, which has none."""


class _NoHead(NamedTuple):
    """The head of a reply, which has none."""

    def header(self, name: bytes) -> None:
        """There is none."""


class ExtensionStep:
    """A step that is ready to run."""

    def __init__(self, step: Step, where: str, texts: dict[str, Template]) -> None:
        self.name = step.name
        self.think_time = step.think_time or 0
        """ns after the step."""
        self._texts = list(texts.items())
        self._expectation = Expectation(step.expect, f"{where}.expect.json")
        self._extract = Extractor(step.extract, f"{where}.extract")
        self._is_looked_at = self._expectation.needs_body or bool(self._extract)

    def render(self, number: int, values: dict[str, str]) -> dict[str, str]:
        """The values of iteration ``number``. Raises OutOfDataError."""
        return {name: sendable(text(number, values)) for name, text in self._texts}

    def judged(self, reply: Reply, values: dict[str, str]) -> Done:
        """The result of a step; extracted values go into ``values``."""
        received, passed, failed = len(reply.body), reply.passed, reply.failed
        if reply.error is not None:
            return Done(reply.error, received, passed, failed, reply.message)
        if not self._is_looked_at:
            return Done(None, received, passed, failed)
        if received > self._expectation.size_limit:
            message = too_large(self._expectation.size_limit, received)
            return Done(ErrorClass.SIZE, received, passed, failed, message)
        answer = Answer(reply.body)
        judged = self._expectation.judge(_FINE, answer, values)
        passed, failed = passed + judged.passed, failed + judged.failed
        if judged.error is None and (missing := self._extract(_NoHead(), answer, values)):
            return Done(ErrorClass.DATA, received, passed, failed, missing)
        return Done(judged.error, received, passed, failed, judged.message)


def compile_steps(plan: RunPlan, values: Values, names: NamedParameters) -> list[CompiledScenario]:
    """Every step of a plan, compiled. Raises DataError if something cannot be resolved.

    ``names`` are the parameters that a step can have.
    """
    compiler = Compiler(plan.seed, plan.variables, read_feeds(plan, values))

    def build(step: Step, where: str) -> ExtensionStep:
        request = step.the_extension
        names.check(request, f"{where}.extension", plan.target.the_extension.kind)
        texts = {
            name: compiler.text(text, f"{where}.extension.{name}") for name, text in request.items()
        }
        return ExtensionStep(step, where, texts)

    return compiler.scenarios(plan, build)
