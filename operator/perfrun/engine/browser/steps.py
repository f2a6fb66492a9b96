"""Steps compiled to actions in a page."""

from typing import NamedTuple

from perfrun.api.test.scenario import Step
from perfrun.engine.compiled import CompiledScenario
from perfrun.engine.data.feeds import read_feeds
from perfrun.engine.data.template import Compiler, Template, sendable
from perfrun.measure.plan import RunPlan
from perfrun.reach.values import Values


class Deed(NamedTuple):
    """The actions of one execution of a step, in this order."""

    goto: str | None
    """A whole URL."""
    fill: list[tuple[str, str]]
    """Selectors of fields, and the text to type into them."""


class PageStep:
    """A step that is ready to run."""

    def __init__(
        self,
        step: Step,
        goto: Template | None,
        fill: list[tuple[str, Template]],
        *,
        is_last: bool,
    ) -> None:
        request = step.the_browser
        self.name = step.name
        self.think_time = step.think_time or 0
        """ns after the step."""
        self.click, self.wait_for = request.click, request.wait_for
        self.status = frozenset(step.expect.status) if step.expect is not None else frozenset()
        """Allowed statuses of the page; empty: any below 400."""
        self.is_last = is_last
        """Whether the visit ends with this step."""
        self._goto, self._fill = goto, fill

    def render(self, number: int, values: dict[str, str]) -> Deed:
        """What the iteration ``number`` does. Raises OutOfDataError where a feed is used up."""
        goto = sendable(self._goto(number, values)) if self._goto is not None else None
        fill = [(selector, sendable(make(number, values))) for selector, make in self._fill]
        return Deed(goto, fill)


def compile_pages(plan: RunPlan, values: Values) -> list[CompiledScenario]:
    """Every step of a plan, compiled. Raises DataError for what cannot be resolved."""
    compiler = Compiler(plan.seed, plan.variables, read_feeds(plan, values))
    base = plan.target.the_browser.url.rstrip("/")
    last = {id(step) for scenario in plan.scenarios for step in scenario.steps[-1:]}

    def build(step: Step, where: str) -> PageStep:
        request = step.the_browser
        goto = None
        if request.goto is not None:
            # The part before the path is not a template.
            goto = Template([base]) + compiler.text(request.goto, f"{where}.browser.goto")
        fill = [
            (one.selector, compiler.text(one.value, f"{where}.browser.fill[{index}].value"))
            for index, one in enumerate(request.fill or [])
        ]
        return PageStep(step, goto, fill, is_last=id(step) in last)

    return compiler.scenarios(plan, build)
