"""Exit codes, and what is refused before anything runs."""

import io
import itertools
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from perfrun import __version__
from perfrun.api.run.perfrun import PerfRun, Verdict, WorkerCounts
from perfrun.api.test.load import Load
from perfrun.api.test.perftest import PerfTest
from perfrun.cli.commands import app
from perfrun.cli.run import (
    FinishedTest,
    Here,
    WantedTest,
    exit_code,
    print_manifests,
    run_files,
    run_manifests,
    zero_note,
)
from perfrun.cli.terminal import forms
from perfrun.cli.terminal.exits import Exit, FailOn, worst
from perfrun.cli.terminal.outputs import Outputs
from perfrun.cli.terminal.streams import Output
from perfrun.local.files.manifests import parse_manifests
from perfrun.local.files.selector import Selector, parse_selector
from perfrun.local.outcome import judged
from perfrun.local.run import LocalRun
from perfrun.measure.result import RunResult
from tests.cluster.paths import REPO
from tests.unit.coordinator.conftest import NOW, make_plan
from tests.unit.local.files.test_manifests import GOOD
from tests.unit.logic.build import report, step
from tests.unit.report.sample import a_run, an_error
from tests.unit.report.test_junit import slo


def finished(run: PerfRun, *, interrupted: bool = False) -> FinishedTest:
    result = RunResult(plan=make_plan())
    return FinishedTest(run, result, interrupted)


@pytest.mark.parametrize(
    ("verdict", "codes"),
    [
        ("Pass", (0, 0, 0, 0)),
        ("Inconclusive", (1, 0, 0, 0)),
        ("Warn", (1, 1, 0, 0)),
        ("Fail", (1, 1, 1, 0)),
        ("Error", (3, 3, 3, 3)),
    ],
)
def test_exit_code_of_a_verdict(verdict, codes):
    one = finished(a_run(verdict=verdict))
    kinds = (FailOn.INCONCLUSIVE, FailOn.WARN, FailOn.FAIL, FailOn.ERROR)
    assert tuple(exit_code(one, fail_on) for fail_on in kinds) == codes


@pytest.mark.parametrize(("measured", "code"), [(True, Exit.OK), (False, Exit.INTERRUPTED)])
def test_a_load_that_is_to_be_stopped_is_not_interrupted_by_that(measured, code):
    until = {"open": {"rate": "1/s", "duration": "UntilStopped", "maxDuration": "1h"}}
    plan = make_plan().model_copy(update={"load": Load.parse(until)})
    run = a_run(verdict="Pass")
    if not measured:
        run = run.model_copy(update={"status": run.status.model_copy(update={"summary": None})})
    one = FinishedTest(run, RunResult(plan=plan), interrupted=True)
    assert exit_code(one, FailOn.FAIL) is code


@pytest.mark.parametrize(("stopped", "names"), [("by Ctrl-C", "ab"), ("by SIGTERM", "a")])
def test_the_next_test_runs_after_a_load_that_was_stopped_as_planned(monkeypatch, stopped, names):
    until = {"open": {"rate": "1/s", "duration": "UntilStopped", "maxDuration": "1h"}}
    plan = make_plan().model_copy(update={"load": Load.parse(until)})
    ran: list[str] = []

    def run_test(wanted: WantedTest, *_: object) -> FinishedTest:
        name = wanted.test.metadata.name
        ran.append(name)
        status = a_run(verdict="Pass").status.model_copy(update={"stopped": stopped})
        run = a_run().model_copy(update={"status": status})
        if name == "a":
            return FinishedTest(run, RunResult(plan=plan), interrupted=True)
        return finished(a_run(verdict="Pass"))

    monkeypatch.setattr("perfrun.cli.run.run_test", run_test)
    text = "---\n".join(GOOD.replace("name: " + a_test().metadata.name, f"name: {n}") for n in "ab")
    console = Console(record=True, width=200)
    code = run_manifests(
        list(parse_manifests("f.yaml", text.encode())),
        Outputs(Output(None, "standard output"), []),
        Here(),
        console,
        console,
    )
    assert ran == list(names)
    assert code is (Exit.OK if names == "ab" else Exit.INTERRUPTED)


@pytest.mark.parametrize(
    ("verdicts", "note"),
    [
        (["Pass", "Inconclusive", "NotApplicable"], None),
        (["Pass", "Warn"], "1 objective was missed: it does not have onBreach: Fail"),
        (["Warn", "Warn"], "2 objectives were missed: none of them has onBreach: Fail"),
        (["Warn", "Fail"], "2 objectives were missed: --fail-on error"),
    ],
)
def test_why_the_exit_code_is_0_where_objectives_were_missed(verdicts, note):
    runs = [a_run(slos=[slo(verdict)]) for verdict in verdicts]
    told = zero_note(runs, FailOn.ERROR)
    assert told == (note and f"exit code 0, although {note} (--fail-on warn exits with 1)")


def test_an_interrupted_run_is_130_whatever_its_verdict():
    for run in (a_run(verdict="Pass"), an_error("no")):
        assert exit_code(finished(run, interrupted=True), FailOn.INCONCLUSIVE) == 130


def test_of_several_the_first_of_130_2_3_1_0_counts():
    order = [Exit.INTERRUPTED, Exit.USAGE, Exit.ERROR, Exit.MISSED, Exit.OK]
    for one, other in itertools.combinations(order, 2):
        assert worst([other, one, other]) is one


def a_test() -> PerfTest:
    (manifest,) = parse_manifests("f.yaml", GOOD.encode())
    assert manifest.test is not None
    return manifest.test


def ran(
    *files: Path,
    json_file: Path | None = None,
    result_file: Path | None = None,
    selector: Selector | None = None,
):
    console = Console(record=True, width=200, quiet=False, file=open("/dev/null", "w"))  # noqa: SIM115, PTH123
    files_out = [(forms.JSON, json_file), (forms.RESULT, result_file)]
    outputs = Outputs(Output(None, "standard output"), files_out)
    with console.file:
        names = [str(file) for file in files]
        code = run_files(names, outputs, Here(), console, console, selector=selector)
        return code, console.export_text()


def test_a_command_is_measured_on_linux_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    example = REPO / "examples/benchmark/benchmark.yaml"
    (tmp_path / "a.yaml").write_text(example.read_text())
    monkeypatch.setattr("perfrun.cli.run.sys.platform", "darwin")
    code, text = ran(tmp_path)
    assert code is Exit.USAGE
    assert "spec.target.benchmark: `perfrun run` measures commands on Linux only" in text


def test_nothing_runs_when_one_manifest_is_wrong(tmp_path: Path):
    (tmp_path / "a.yaml").write_text(GOOD)
    (tmp_path / "b.yaml").write_text(GOOD.replace("spec:", "specc:"))
    code, text = ran(tmp_path)
    assert code is Exit.USAGE
    assert "b.yaml:4:1: error: api: specc: unknown field" in text


def test_nothing_selected_is_wrong_usage_and_says_so_once(tmp_path: Path):
    (tmp_path / "a.yaml").write_text(GOOD)
    code, text = ran(tmp_path, selector=parse_selector("type=load"))
    assert code is Exit.USAGE
    assert text.strip() == (
        "--selector type=load: the PerfTest does not have these labels (metadata.labels)"
    )


def test_nothing_to_run_is_wrong_usage(tmp_path: Path):
    file = tmp_path / "service.yaml"
    file.write_text("apiVersion: v1\nkind: Service\n")
    code, text = ran(file)
    assert code is Exit.USAGE
    assert "service.yaml:1:1: skipped: Service (v1)" in text
    head = "apiVersion: perfrun.dev/v1alpha1\nkind: PerfPolicy\n"
    file.write_text(f"{head}metadata: {{name: lab}}\nspec: {{}}\n")
    assert "service.yaml:1:1: skipped: a PerfPolicy applies only in a cluster" in ran(file)[1]
    assert "nothing to run" in text


def test_an_output_that_cannot_be_written_is_told_before_the_run(tmp_path: Path):
    file = tmp_path / "a.yaml"
    file.write_text(GOOD)
    code, text = ran(file, json_file=tmp_path / "no" / "out.json")
    assert code is Exit.USAGE
    assert "there is no such folder" in text


def test_one_place_for_two_outputs_is_wrong_usage(tmp_path: Path):
    file = tmp_path / "a.yaml"
    file.write_text(GOOD)
    for place, same in ((tmp_path / "o", tmp_path / "." / "o"), (Path("-"), Path("-"))):
        code, text = ran(file, json_file=place, result_file=same)
        assert code is Exit.USAGE
        assert "--json and --result both write to" in text


def test_a_load_that_nobody_reported_on_is_an_error_and_a_stopped_one_is_not():
    local = LocalRun(make_plan(), workers=WorkerCounts(planned=1, ready=1))
    local.start = NOW
    local.lost.append("worker 0: it was ended by SIGKILL")
    run_verdict = judged(a_test(), local)
    assert run_verdict.verdict is Verdict.ERROR
    assert run_verdict.message == ("none of 1 workers reported: worker 0: it was ended by SIGKILL")
    local.stopped = "by Ctrl-C"
    assert judged(a_test(), local).verdict is Verdict.INCONCLUSIVE


def test_the_version_is_told_both_ways():
    for arguments in (["version"], ["--version"]):
        result = CliRunner().invoke(app, arguments)
        assert (result.exit_code, result.stdout) == (0, f"perfrun {__version__}\n")


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["run"],
        ["run", "--secrets", "/no/such", "x"],
        ["fly"],
        ["run", "--fast"],
        ["run", "-l", "a b", "x"],
    ],
)
def test_wrong_usage_is_2(arguments):
    assert CliRunner().invoke(app, arguments).exit_code == 2


def test_a_manifest_on_stdin():
    result = CliRunner().invoke(app, ["validate", "-"], input=GOOD)
    assert result.exit_code == 0
    assert result.stdout.startswith("-:1:1: ok: api: burst of 10 iterations, 10 at a time")


def test_what_only_matters_in_a_cluster_is_not_told_of_a_run_here() -> None:
    burst, slos = "{burst: {requests: 10, concurrency: 10}}", "{metric: successRate, min: 100%}"
    observing = f"""\
{slos}, {{metric: latency.p99, max: 1s}}, {{metric: cpu.max, of: api, max: "1"}}]
  observe: [{{name: api, workload: {{kind: Deployment, name: api}}}}"""
    text = GOOD.replace(burst, "{open: {rate: 10/s, duration: 5s}}").replace(slos, observing)
    (manifest,) = parse_manifests("f.yaml", text.encode())
    assert manifest.problems == ()
    assert "metrics.k8s.io" in " ".join(one.text for one in manifest.warnings)
    written = io.StringIO()
    assert print_manifests([manifest], Console(file=written, width=1000)) == 0
    assert "latency.p99" in written.getvalue()
    assert "cpu.max" not in written.getvalue()


@pytest.mark.parametrize(
    ("stopped", "verdict"), [("by Ctrl-C", Verdict.PASS), ("by SIGTERM", Verdict.INCONCLUSIVE)]
)
def test_only_ctrl_c_is_the_planned_end_of_a_load_until_stopped(stopped, verdict):
    until = {"open": {"rate": "1/s", "duration": "UntilStopped", "maxDuration": "1h"}}
    test = a_test()
    spec = test.spec.model_copy(update={"load": Load.parse(until), "slos": []})
    plan = make_plan().model_copy(update={"load": spec.load})
    counts = WorkerCounts(planned=1, ready=1, reported=1)
    local = LocalRun(plan, report=report(step([1_000_000] * 100)), workers=counts, stopped=stopped)
    assert judged(test.model_copy(update={"spec": spec}), local).verdict is verdict
