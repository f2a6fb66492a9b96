"""What was observed, in a line for each thing."""

from rich.console import Console

from perfrun.api.test.observe import ObservedStatus
from perfrun.report.console import render_run
from perfrun.report.markdown import markdown
from perfrun.report.observed import observed_lines
from tests.unit.report.sample import a_run

OBSERVED = [
    {"name": "api", "figures": {"cpu.max": "420m", "memory.growth": "-1.5Mi"}},
    {"name": "db", "message": "db:5432 refused the login"},
    {"name": "queue"},
]
LINES = [
    "api: cpu.max 420m, memory.growth -1.5Mi",
    "db: nothing was seen: db:5432 refused the login",
    "queue: too little was seen in the window for a figure",
]


def test_figures_or_why_there_are_none() -> None:
    assert observed_lines([ObservedStatus.model_validate(one) for one in OBSERVED]) == LINES


def test_they_stand_on_the_terminal_and_in_markdown() -> None:
    run = a_run(observed=OBSERVED)
    console = Console(width=100)
    with console.capture() as capture:
        console.print(render_run(run))
    printed = capture.get()
    written = markdown([run])
    assert "**Observed**" in written
    for line in LINES:
        assert line in printed
        assert f"- {line.split(':')[0]}: " in written
