"""What a finished run looks like on a terminal."""

import io
from typing import IO, Any, cast

import pytest
from rich.console import Console

from perfrun.api.run.perfrun import CapacityStatus, HoldStatus, PerfRun, Summary, Verdict
from perfrun.cli.terminal.streams import Output
from perfrun.report.advice import next_steps
from perfrun.report.console import print_run, render_run
from tests.unit.report.sample import a_run, an_error, step


def printed(run: PerfRun, *, width: int = 80, encoding: str = "utf-8") -> str:
    raw = io.BytesIO()
    with io.TextIOWrapper(raw, encoding=encoding, write_through=True) as stream:
        out = cast("IO[str]", Output(stream, "out"))
        print_run(run, Console(file=out, width=width, highlight=False))
        return raw.getvalue().decode(encoding)


@pytest.mark.parametrize("width", [40, 60, 80, 120])
def test_the_verdict_comes_first_and_nothing_is_wider_than_the_terminal(width):
    text = printed(a_run(), width=width)
    assert text.startswith("▲ WARN  shop/api-under-load")
    assert max(len(line) for line in text.splitlines()) <= width
    flat = " ".join(text.split())
    for shown in (
        "612ms",
        "999.4/s",
        "0.06%",
        "1 of 3 met",
        "lag p99 0.21ms",
        "10 of 330,000 iterations",
    ):
        assert shown in flat


@pytest.mark.parametrize(
    ("width", "left_out"), [(40, "p50, avg, p99, max"), (60, "p50, avg"), (80, "")]
)
def test_columns_are_left_out_where_there_is_no_room_and_figures_are_whole(width, left_out):
    text = printed(a_run(), width=width)
    head = next(line for line in text.splitlines() if line.startswith("Step"))
    for column in ("avg", "p50", "p95", "p99", "max"):
        assert (column in head) == (column not in left_out), head
    assert (f"no space for {left_out}" in text) == bool(left_out)
    (row,) = [line for line in text.splitlines() if line.startswith("all steps")]
    whole = {"999.4/s", "0.06%", "96.4ms", "30.1ms", "612ms", "1.21s", "≥5s"}
    assert whole.issuperset(row.split()[2:]), row


def test_a_long_name_of_a_step_ends_with_an_ellipsis_and_is_not_wrapped():
    for encoding, mark in (("utf-8", "…"), ("ascii", "~")):
        text = printed(a_run(), width=60, encoding=encoding)
        (row,) = [line for line in text.splitlines() if line.startswith("buy/create")]
        assert row.split()[0].endswith(mark)
    assert "buy/create-order-with-a-long-name " in printed(a_run(), width=120)


def test_counts_and_rates_have_the_same_separators():
    run = a_run(steps=[step("get", "default", throughput="12345.6/s")])
    assert "12,345.6/s" in printed(run)


def test_fast_failures_beside_timeouts_are_no_part_of_the_latency_and_it_says_so():
    summary = a_run().status.summary
    assert summary is not None
    assert "latency includes" not in printed(a_run(summary=all_timed_out(summary)))
    assert (
        "latency includes successes, timeouts and requests that were still open: 329,830 of 329,990"
    ) in " ".join(printed(a_run()).split())


def all_timed_out(summary: Summary) -> Summary:
    return summary.model_copy(update={"errors": {"Timeout": summary.requests.failed}})


def test_a_dropped_load_names_who_was_too_slow():
    flat = " ".join(printed(a_run()).split())
    assert "the target was slower than the load, and load.open.maxInFlight" in flat
    own = {"type": "SentBelowPlanned", "effect": "UnderLoading", "message": "..."}
    flat = " ".join(printed(a_run(generator={"findings": [own]})).split())
    assert "could not be started in time, see Generator" in flat


def test_marks_and_words_say_what_colours_say():
    text = printed(a_run())
    for shown in ("▲ Warn", "✔ Pass", "? Inconclusive", "– NotApplicable"):
        assert shown in text
    assert "\x1b" not in text


def test_a_terminal_without_unicode_gets_ascii():
    text = printed(a_run(), encoding="ascii")
    assert "! WARN" in text
    assert "+ Pass" in text
    assert ">=5s" in text


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


def an_slo(verdict: str = "Warn", metric: str = "latency.p99", **more: object) -> dict[str, Any]:
    limit = "1%" if metric.endswith("Rate") else "1s"
    return {"metric": metric, "max": limit, "verdict": verdict, "message": "...", **more}


def a_finding(kind: str, message: str) -> dict[str, Any]:
    return {"findings": [{"type": kind, "effect": "Inflating", "message": message}]}


def test_advice_names_the_most_frequent_error_first():
    first, second = next_steps(a_run())
    assert first.startswith("Status5xx (160): the target failed")
    assert second == ("compare the steps, and look at the target's CPU and memory during the run")


def test_with_one_step_there_is_nothing_to_compare():
    run = a_run(steps=[step("get", "default")])
    assert next_steps(run)[1] == "look at the target's CPU and memory during the run"


def test_what_failed_is_no_matter_of_cpu_and_memory():
    (only,) = next_steps(a_run(slos=[an_slo(metric="errorRate")]))
    assert only.startswith("Status5xx")


@pytest.mark.parametrize(
    ("kind", "advice"),
    [
        ("Stall", "perfrun itself was delayed"),
        ("Coverage", "check why a worker was lost"),
        ("Dropped", "raise spec.load.open.maxInFlight"),
    ],
)
def test_a_finding_is_worth_advice_only_where_a_verdict_was_taken_back_for_it(kind, advice):
    generator = a_finding(kind, "a worker was paused")
    taken_back = an_slo(
        "Inconclusive", message="was 2s, but this proves nothing: a worker was paused"
    )
    assert advice in next_steps(a_run(slos=[taken_back], generator=generator))[1]
    for slo in (an_slo("Inconclusive"), an_slo("Fail")):
        assert advice not in " ".join(next_steps(a_run(slos=[slo], generator=generator)))


def test_a_short_load_is_to_be_longer_unless_it_was_stopped():
    slo = an_slo("Inconclusive", unsupported="needs 1000 samples, but there were 320")
    assert "longer load, or a higher rate" in next_steps(a_run(slos=[slo], generator=None))[1]
    stopped = next_steps(a_run(slos=[slo], generator=None, stopped="by Ctrl-C"))
    assert "longer" not in " ".join(stopped)


def test_an_error_before_the_load_and_one_after_it_are_not_the_same():
    assert next_steps(an_error("no"))[0].startswith("nothing was judged")
    lost = an_error("none of 1 workers reported", startTime="2026-11-22T02:00:03Z")
    assert "check why the workers ended" in next_steps(lost)[0]


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


def a_search() -> PerfRun:
    run = a_run()
    holds = [
        HoldStatus(rate="100/s", outcome="Met", p95="2.9ms", error_rate="0%", message="fine"),
        HoldStatus(rate="200/s", outcome="Missed", p95="1.7s", message="p95 was 1.7s"),
        HoldStatus(rate="141/s"),
    ]
    status = run.status.model_copy(update={"capacity": CapacityStatus(holds=holds)})
    return run.model_copy(update={"status": status})


@pytest.mark.parametrize("width", [40, 80])
def test_the_holds_of_a_search_are_a_table(width):
    lines = printed(a_search(), width=width).splitlines()
    assert max(len(line) for line in lines) <= width
    (at,) = [n for n, line in enumerate(lines) if line.split()[:2] == ["Hold", "Rate"]]
    rows = [line.split() for line in lines[at + 2 :] if line.split()[:1] in (["1"], ["2"], ["3"])]
    assert rows[0] == ["1", "100/s", "2.9ms", "0%", "Met"]
    assert rows[1][:5] == ["2", "200/s", "1.7s", "n/a", "Missed:"]
    assert rows[2][:5] == ["3", "141/s", "n/a", "n/a", "not"]
