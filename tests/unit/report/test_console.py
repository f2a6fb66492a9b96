"""What a finished run looks like on a terminal."""

import io

import pytest
from rich.console import Console

from perfrun.api.perfrun import PerfRun, Verdict
from perfrun.report.advice import next_steps
from perfrun.report.console import print_run, render_run
from tests.unit.report.sample import a_run, an_error, step


def printed(run: PerfRun, *, width: int = 80, encoding: str = "utf-8") -> str:
    raw = io.BytesIO()
    with io.TextIOWrapper(raw, encoding=encoding, write_through=True) as stream:
        print_run(run, Console(file=stream, width=width, highlight=False))
        return raw.getvalue().decode(encoding)


@pytest.mark.parametrize("width", [80, 120])
def test_the_verdict_comes_first_and_nothing_is_wider_than_the_terminal(width):
    text = printed(a_run(), width=width)
    assert text.startswith("▲ WARN  shop/api-under-load")
    assert max(len(line) for line in text.splitlines()) <= width
    for shown in (
        "612ms",
        "999.4/s",
        "0.06%",
        "1 of 3 met",
        "Status5xx 160",
        "lag p99 0.21ms",
        "a worker stood still for 210ms",
        "10 of 330,000 iterations",
    ):
        assert shown in text


def test_marks_and_words_say_what_colours_say():
    text = printed(a_run())
    for shown in ("▲ Warn", "✔ Pass", "? Inconclusive", "– NotApplicable"):
        assert shown in text
    assert "\x1b" not in text


def test_a_terminal_without_unicode_gets_ascii():
    text = printed(a_run(), encoding="ascii")
    assert "! WARN" in text
    assert "+ Pass" in text


def test_what_a_target_or_a_user_wrote_is_neither_markup_nor_control():
    text = printed(a_run(message="[red]x[/red] \x1b[2J\x07 end"))
    assert "[red]x[/red]  [2J  end" in text
    assert "\x1b" not in text


def test_one_step_is_shown_once_and_its_scenario_is_not_named():
    text = printed(a_run(steps=[step("get", "default")]))
    assert "all steps" not in text
    assert "default/get" not in text
    assert "\nget " in text


def test_many_steps_are_cut():
    steps = [step(f"s{number}", "default") for number in range(40)]
    text = printed(a_run(steps=steps))
    assert "and 10 more" in text
    assert "s29 " in text
    assert "s30 " not in text


def test_an_error_says_why_and_shows_no_empty_tables():
    text = printed(an_error("worker 0: 127.0.0.1:1 refuses connections"))
    assert text.startswith("✘ ERROR")
    assert "worker 0: 127.0.0.1:1 refuses connections" in text
    assert "Step" not in text


def test_a_run_that_is_not_finished_shows_its_phase():
    assert printed(a_run(verdict=None, phase="Running")).startswith("Running  shop/")


def test_it_is_a_renderable_of_its_own():
    console = Console(width=80, file=io.StringIO(), record=True)
    console.print(render_run(a_run()))
    assert "WARN" in console.export_text()


def test_advice_names_the_most_frequent_error_and_the_generator():
    first, second, *_ = next_steps(a_run())
    assert first.startswith("Status5xx (160)")
    assert second.startswith("perfrun was the limit")


def test_a_pass_without_objectives_is_asked_for_some():
    run = a_run(verdict=Verdict.PASS, slos=[], generator=None)
    assert any("slos" in line for line in next_steps(run))


def test_a_plain_pass_needs_no_advice():
    run = a_run()
    passed = [slo for slo in run.status.slos if slo.verdict is Verdict.PASS]
    summary = run.status.summary
    assert summary is not None
    quiet = run.status.model_copy(
        update={
            "verdict": Verdict.PASS,
            "slos": passed,
            "summary": summary.model_copy(update={"errors": {}}),
        }
    )
    assert next_steps(run.model_copy(update={"status": quiet})) == []


def test_advice_tells_a_lost_worker_from_a_slow_one_and_from_a_short_load():
    slo = {"metric": "latency.p99", "max": "1s", "verdict": "Inconclusive", "message": "..."}
    lost = {"findings": [{"type": "Coverage", "effect": "UnderLoading", "message": "50%"}]}
    (advice,) = next_steps(a_run(slos=[slo], generator=lost))[1:]
    assert "why a worker was lost" in advice
    short = a_run(slos=[{**slo, "measured": "unsupported"}], generator=None)
    assert "longer or larger load" in next_steps(short)[1]
