"""perfrun report and perfrun compare, as they are called: files in, text, files and exit codes."""

import io
import json
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from perfrun.cli.commands import app
from perfrun.cli.commands.reports import _spread
from perfrun.report.document import run_document, run_object
from tests.unit.logic.comparison.test_compare import NEW, OLD, runs
from tests.unit.report.sample import a_run, an_error

Cli = Callable[..., Result]


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """The command in a folder of its own, far from any cluster."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    monkeypatch.setenv("COLUMNS", "100")

    def run(*arguments: object) -> Result:
        return CliRunner().invoke(app, [str(argument) for argument in arguments])

    return run


def keep(name: str, *documents: object) -> Path:
    file = Path(name)
    body = documents[0] if len(documents) == 1 else {"kind": "List", "items": documents}
    file.write_text(json.dumps(body))
    return file


def test_a_report_is_printed_where_no_form_is_named(cli: Cli):
    done = cli("report", keep("a.json", run_object(a_run())))
    assert done.exit_code == 0
    assert done.stdout.startswith("▲ WARN  shop/api-under-load\n")


def test_every_form_is_written_and_nothing_printed(cli: Cli):
    file = keep("a.json", run_object(a_run()), run_object(an_error("boom")))
    done = cli(
        "report", file, "--junit", "j.xml", "--json", "o.json", "--md", "s.md", "--html", "pages"
    )
    assert (done.exit_code, done.output) == (0, "")
    assert ET.parse("j.xml").getroot().get("errors") == "1"
    assert json.loads(Path("o.json").read_text())["kind"] == "List"
    assert Path("s.md").read_text().startswith("| Test | Verdict |")
    assert len(list(Path("pages").iterdir())) == 1


def test_what_was_written_as_json_is_read_again(cli: Cli):
    cli("report", keep("a.json", run_object(a_run())), "--json", "b.json")
    assert json.loads(Path("b.json").read_text()) == run_document(a_run())
    assert cli("report", "b.json").stdout == cli("report", "a.json").stdout


@pytest.mark.parametrize(
    ("verdict", "strict"), [("Pass", 0), ("Warn", 1), ("Fail", 1), ("Inconclusive", 1)]
)
def test_a_bad_verdict_fails_only_a_strict_report(cli: Cli, verdict: str, strict: int):
    file = keep("a.json", run_object(a_run(verdict=verdict)))
    assert cli("report", file).exit_code == 0
    assert cli("report", file, "--strict").exit_code == strict
    cli("report", file, "--junit", "j.xml", "--strict")
    assert ET.parse("j.xml").getroot().get("failures") != "0"


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (("report", "none.json"), 2, "none.json: cannot be read: No such file or directory"),
        (("report", "a.json", "--md", "no/s.md"), 2, "--md no/s.md: cannot be written"),
        (("report", "a.json", "--md", "/dev/full"), 3, "/dev/full: cannot be written: No space"),
        (
            ("report", "shop-1"),
            3,
            "shop-1: it is not a file, so it must be a run in a cluster, but no",
        ),
        (
            ("compare", "shop-1", "shop-2"),
            3,
            "shop-1: it is not a file, so it must be a run in a cluster",
        ),
        (("report", ""), 2, "Invalid value for 'RUN|FILE': the name is empty"),
        (("compare", "a.json", "--against", ""), 2, "Invalid value for '--against': the name is"),
        (("compare", "a.json", "a.json", "--md", ""), 2, "Invalid value for '--md': the name is"),
        (("compare", "a.json"), 2, "a comparison needs at least two runs, but there is one"),
        (("compare", "a.json", "a.json", "--html", "-", "--md", "-"), 2, "both write to -"),
        (("compare", "--against", "a.json"), 2, "Missing argument 'RUN|FILE'"),
        (("compare", "a.json", "--against"), 2, "Option '--against' requires an argument"),
        (("compare", "a.json", "a.json", "--test", "x"), 2, "at least two runs, but there is none"),
        (("compare", "many.json", "a.json"), 2, "runs of several tests (api-under-load, other)"),
        (("compare", "a.json", "a.json"), 2, "api-under-load-rab3de4fgh5 is given twice"),
    ],
)
def test_what_is_wrong_is_said_with_its_exit_code(
    cli: Cli, arguments: tuple[str, ...], code: int, sentence: str
):
    keep("a.json", run_object(a_run()))
    other = run_object(a_run())
    other["spec"] = {"testRef": {"name": "other"}}
    keep("many.json", run_object(a_run()), other)
    done = cli(*arguments)
    assert done.exit_code == code
    assert sentence in " ".join(done.stderr.split())


def test_a_run_that_is_not_done_is_reported_and_noted(cli: Cli):
    body = run_object(a_run(phase="Running"))
    del body["status"]["verdict"]
    done = cli("report", keep("a.json", body))
    assert done.exit_code == 0
    assert "is not done (Running): it has no verdict yet" in done.stderr


def kept_groups() -> tuple[list[Path], list[Path]]:
    old, new = (
        [keep(f"{one.run.metadata.name}.json", run_object(one.run)) for one in group]
        for group in (runs("old", *OLD), runs("new", *NEW))
    )
    return old, new


def test_two_files_are_held_against_each_other(cli: Cli):
    old, new = kept_groups()
    done = cli("compare", old[0], new[0])
    assert done.exit_code == 0
    assert "no change is shown: one run of each" in done.stdout
    assert "the second run measured: latency.p95 +20%" in done.stdout


def test_all_that_follows_against_is_the_baseline(cli: Cli):
    old, new = kept_groups()
    done = cli("compare", *new, "--against", *old, "--json", "c.json", "--md", "-")
    assert done.exit_code == 0
    assert "latency.p95 changed by +20%: worse" in done.stdout
    written = json.loads(Path("c.json").read_text())
    assert [one["name"] for one in written["columns"]][:5] == [f"old-{n}" for n in range(5)]
    assert written["columns"][0]["group"] == "baseline"


def test_one_test_is_chosen_of_files_with_several(cli: Cli):
    for file in ("one.json", "two.json"):
        other = run_object(a_run())
        other["spec"] = {"testRef": {"name": "other"}}
        other["metadata"]["name"] = f"other-{file[:3]}"
        keep(file, run_object(a_run()), other)
    done = cli("compare", "one.json", "two.json", "--test", "other")
    assert done.exit_code == 0
    assert done.stdout.startswith("shop/other\n")
    assert cli("compare", "one.json", "two.json").exit_code == 2


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        (["a", "--against", "b", "c"], ["a", "--against", "b", "--against", "c"]),
        (["--against", "b", "-n", "x", "a"], ["--against", "b", "-n", "x", "a"]),
        (["a", "--against", "-", "--md", "x"], ["a", "--against", "-", "--md", "x"]),
        (["a", "--against=b", "c"], ["a", "--against=b", "c"]),
        (["a", "--against"], ["a", "--against"]),
        (["a", "--against", "--md", "x"], ["a", "--against", "--md", "x"]),
    ],
)
def test_words_after_against_belong_to_it_up_to_the_next_option(given: list[str], meant: list[str]):
    assert _spread(given) == meant


def test_the_comparison_page_holds_its_runs(cli: Cli):
    old, new = kept_groups()
    assert cli("compare", *new, "--against", *old, "--html", "c.html").exit_code == 0
    page = io.StringIO(Path("c.html").read_text()).read()
    assert "old-0" in page and "new-4" in page
