"""Steps compiled to statements and templates of their parameters."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from perfrun.api.test.scenario import Step
from perfrun.engine.awaited.sessions import Done
from perfrun.engine.compiled import CompiledScenario
from perfrun.engine.data.feeds import read_feeds
from perfrun.engine.data.template import Compiler, Template, sendable
from perfrun.engine.errors import ErrorClass
from perfrun.measure.plan import RunPlan
from perfrun.reach.values import Values

Row = tuple[str, ...]


class CompiledStatement(NamedTuple):
    """One statement, and the templates of its parameters."""

    text: str
    parameters: list[Template]


class SqlStep:
    """A step that is ready to run."""

    def __init__(self, step: Step, statements: list[CompiledStatement]) -> None:
        request = step.the_sql
        self.name = step.name
        self.think_time = step.think_time or 0
        """ns after the step."""
        self.statements = statements
        self.in_transaction = request.transaction is not None
        self.batch, self.prepared = request.batch, request.prepared
        self.rows = step.expect.rows if step.expect is not None else None
        """Expected number of rows; None: any."""
        self.columns = {
            name: one.column for name, one in step.extract.items() if one.column is not None
        }
        """Columns by the name of the extracted value."""

    def render(self, number: int, values: dict[str, str]) -> list[list[Row]]:
        """For each statement, its rows of parameters: one, except for a batch.

        Raises OutOfDataError if a feed has no row left, and UnicodeEncodeError.
        """
        numbers: Sequence[int] = (number,)
        if self.batch > 1:
            # Different data in each row, and the same in each repetition of the run.
            numbers = range(number * self.batch, (number + 1) * self.batch)
        return [
            [
                tuple([sendable(make(one, values)) for make in statement.parameters])
                for one in numbers
            ]
            for statement in self.statements
        ]


def judged(
    step: SqlStep, rows: int, first: Mapping[str, str | None] | None, values: dict[str, str]
) -> Done:
    """The result of an executed step: the number of ``rows``, and the ``first`` one with its values
    as the database writes them."""
    for name, column in step.columns.items():
        value = first.get(column) if first is not None else None
        if value is None:
            return Done(ErrorClass.DATA, message=f"no row has a column {column}")
        values[name] = value
    if step.rows is None:
        return _DONE
    if rows == step.rows:
        return Done(passed=1)
    return Done(ErrorClass.CHECK, failed=1, message=f"expected {step.rows} rows, got {rows}")


_DONE = Done()
_OF_VALUES = ("Sql22", "Sql23", "Sql44")
"""Data exceptions, constraints and checks: messages of the server about them contain values."""


def shown_message(error: str, message: str) -> str:
    """The server's message, if it is about statements and not about values."""
    return "" if error in _OF_VALUES else message


def compile_sql(plan: RunPlan, values: Values) -> list[CompiledScenario]:
    """Compile every step of a plan. Raises DataError if something cannot be resolved."""
    feeds = read_feeds(plan, values)
    compiler = Compiler(plan.seed, plan.variables, feeds)

    def build(step: Step, where: str) -> SqlStep:
        for feed in feeds.values():
            feed.batch = step.the_sql.batch
        return SqlStep(step, _statements(step, f"{where}.sql", compiler))

    return compiler.scenarios(plan, build)


def _statements(step: Step, where: str, compiler: Compiler) -> list[CompiledStatement]:
    request = step.the_sql
    if request.statement is not None:
        return [_compiled(request.statement, request.parameters, where, compiler)]
    return [
        _compiled(one.statement, one.parameters, f"{where}.transaction[{index}]", compiler)
        for index, one in enumerate(request.transaction or [])
    ]


def _compiled(
    text: str, parameters: list[str], where: str, compiler: Compiler
) -> CompiledStatement:
    made = [
        compiler.text(one, f"{where}.parameters[{index}]") for index, one in enumerate(parameters)
    ]
    return CompiledStatement(text, made)
