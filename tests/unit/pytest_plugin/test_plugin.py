"""The plugin in sessions of pytest; what a run comes to is given."""

import json
import subprocess
import sys
import xml.etree.ElementTree as ET
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from perfrun.api.run.perfrun import Verdict
from perfrun.local.outcome import new_plan
from perfrun.logic.comparison.model import Reported
from perfrun.pytest_plugin import MARKERS, fixture
from perfrun.pytest_plugin.given import Given
from perfrun.pytest_plugin.running import CompletedRun
from perfrun.report.document import result_document
from tests.unit.report.sample import a_run

pytest_plugins = "pytester"

LOAD = "target='http://shop', load={'burst': {'requests': 10, 'concurrency': 2}}"
ALONE = [f"-pno:{plugin}" for plugin in ("cacheprovider", "asyncio", "hypothesispytest", "anyio")]
ROOT = Path(__file__).parents[3]
CHECKED = f"def test_it(perfrun): perfrun.check(perfrun.load({LOAD}))"


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Given]:
    """Runs come to the verdict that they are named after, else to Pass; what was asked for is
    kept."""
    asked: list[Given] = []

    def run(given: Given, on_interrupt: object) -> CompletedRun:
        asked.append(given)
        name = given.test.metadata.name.capitalize()
        run = a_run(verdict=name if name in set(Verdict) else "Pass")
        result = result_document(new_plan(given.test), given.test.spec, run, None)
        lost = ("worker 0: \x1b[31mit ended with code 9",) if name == "Lost" else ()
        return CompletedRun(Reported(run, result), lost)

    monkeypatch.setattr(fixture, "run_and_wait", run)
    return asked


def session(pytester: pytest.Pytester, *arguments: str) -> pytest.RunResult:
    return pytester.runpytest_inprocess(*ALONE, "-W", "default", *arguments)


def session_of_its_own(pytester: pytest.Pytester, run: str, *arguments: str) -> pytest.RunResult:
    """In another process, where ``run`` takes the place of a run."""
    pytester.makeconftest(
        "from perfrun.pytest_plugin import fixture\n"
        "from perfrun.pytest_plugin.running import CompletedRun\n"
        "from perfrun.logic.comparison.model import Reported\n"
        "from tests.unit.report.sample import a_run\n"
        f"def run(given, on_interrupt):\n{run}"
        "fixture.run_and_wait = run\n"
    )
    return pytester.runpytest_subprocess(*ALONE, "-o", f"pythonpath={ROOT}", *arguments)


def test_it_is_found_by_pytest_and_loads_nothing_but_itself():
    (entry,) = entry_points(group="pytest11", name="perfrun")
    assert entry.value == "perfrun.pytest_plugin"
    script = (
        "import sys, pytest\n"
        "before = set(sys.modules)\n"
        "import perfrun.pytest_plugin\n"
        "print(*sorted({name for name in set(sys.modules) - before}))"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", script], check=True, capture_output=True, text=True
    ).stdout.split()
    assert {name for name in loaded if not name.startswith("perfrun.pytest_plugin")} == {"perfrun"}


def test_markers_are_known(pytester: pytest.Pytester):
    lines = [f"@pytest.mark.{name}" for name in MARKERS]
    pytester.makepyfile("import pytest\n" + "\n".join(lines) + "\ndef test_it(): pass")
    session(pytester, "--strict-markers", "-m", "load and slow").assert_outcomes(passed=1)


@pytest.mark.usefixtures("asked")
@pytest.mark.parametrize(
    ("arguments", "outcomes"),
    [
        ((), {"passed": 3, "warnings": 2, "failed": 2}),
        (("--perfrun-strict",), {"passed": 1, "failed": 4}),
    ],
)
def test_only_fail_and_error_fail_a_test_by_default(
    pytester: pytest.Pytester, arguments: tuple[str, ...], outcomes: dict[str, int]
):
    verdicts = ("Pass", "Warn", "Inconclusive", "Fail", "Error")
    pytester.makepyfile(
        test_a="\n".join(CHECKED.replace("test_it", f"test_{one.lower()}") for one in verdicts)
    )
    done = session(pytester, *arguments)
    done.assert_outcomes(**outcomes)
    done.stdout.fnmatch_lines(
        [
            f"{one:<12} test_a.py::test_{one.lower()}: 1 of 3 objectives missed: *"
            for one in verdicts
        ]
    )
    assert "reports are in" not in done.stdout.str()


@pytest.mark.usefixtures("asked")
def test_workers_that_were_lost_are_told_without_their_control_characters(
    pytester: pytest.Pytester,
):
    pytester.makepyfile(CHECKED.replace("test_it", "test_lost"))
    out = session(pytester).stdout.str()
    assert "  note: lost: worker 0: " in out
    assert "it ended with code 9" in out
    assert "\x1b" not in out


def test_sessions_without_runs_say_nothing(pytester: pytest.Pytester):
    pytester.makepyfile("def test_it(): pass")
    assert "perfrun ==" not in session(pytester).stdout.str()


def test_paths_begin_at_the_module_and_names_follow_the_test(
    pytester: pytest.Pytester, asked: list[Given]
):
    folder = pytester.mkdir("deep")
    (folder / "api.yaml").write_text(
        "apiVersion: perfrun.dev/v1alpha1\nkind: PerfTest\nmetadata: {name: api}\n"
        "spec: {target: {http: {url: http://a}}, load: {burst: {requests: 1, concurrency: 1}}}\n"
    )
    (folder / "test_deep.py").write_text(
        "import pytest\n"
        "@pytest.fixture(scope='module')\n"
        f"def once(perfrun): return perfrun.load({LOAD})\n"
        "def test_of_a_manifest(perfrun): perfrun.run('api.yaml', url='http://b')\n"
        "@pytest.mark.parametrize('n', [1, 2])\n"
        f"def test_in_python(perfrun, n): perfrun.load({LOAD}, variables={{'n': str(n)}})\n"
        "def test_one(once): once.check()\n"
        "def test_two(once): once.check()\n"
    )
    done = session(pytester)
    done.assert_outcomes(passed=5)
    assert [given.test.metadata.name for given in asked] == [
        "api",
        "in-python-1",
        "in-python-2",
        "one",
    ]
    assert asked[0].test.spec.target.http.url == "http://b"
    assert asked[2].test.spec.variables == {"n": "2"}
    # A run of a fixture is told once, with the test that it was made for.
    assert done.stdout.str().count("test_one: ") == 1
    assert "test_two: " not in done.stdout.str()


def test_a_test_that_is_wrong_fails_with_field_and_reason(pytester: pytest.Pytester):
    pytester.makepyfile("def test_it(perfrun): perfrun.load(target='shop', load={})")
    done = session(pytester)
    done.assert_outcomes(failed=1)
    done.stdout.fnmatch_lines(
        [
            "*spec.target.http.url: *http:// or https://*",
            "*spec.load: load needs exactly one of burst, closed, open or capacity*",
        ]
    )


@pytest.mark.usefixtures("asked")
def test_each_run_is_written_in_every_form(pytester: pytest.Pytester):
    pytester.makepyfile(test_a=f"def test_it(perfrun): perfrun.load({LOAD}); perfrun.load({LOAD})")
    done = session(pytester, "--perfrun-report", "out/reports")
    done.assert_outcomes(passed=1)
    done.stdout.fnmatch_lines(["reports are in out/reports"])
    folder = pytester.path / "out" / "reports"
    assert sorted(file.name for file in folder.iterdir()) == sorted(
        f"test_a-test_it{number}{ending}"
        for number in ("", "-2")
        for ending in (".html", ".json", ".result.json", ".xml")
    )
    assert json.loads((folder / "test_a-test_it.json").read_text())["kind"] == "PerfRun"
    assert ET.parse(folder / "test_a-test_it.xml").getroot().get("failures") == "0"


@pytest.mark.usefixtures("asked")
def test_reports_that_cannot_be_written_fail_no_test(pytester: pytest.Pytester):
    pytester.makepyfile(test_a=CHECKED)
    (pytester.path / "out").mkdir()
    (pytester.path / "out" / "test_a-test_it.html").mkdir()
    done = session(pytester, "--perfrun-report", "out")
    done.assert_outcomes(passed=1)
    done.stdout.fnmatch_lines(["*test_a-test_it.html: cannot be written: *"])
    assert (pytester.path / "out" / "test_a-test_it.xml").is_file()


def test_a_file_in_the_place_of_the_folder_is_a_wrong_option(pytester: pytest.Pytester):
    (pytester.path / "out").write_text("")
    pytester.makepyfile("def test_it(): pass")
    done = session(pytester, "--perfrun-report", "out")
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    done.stderr.fnmatch_lines(["*--perfrun-report out: exists and is not a folder"])


def test_runs_of_an_interrupted_session_are_told(pytester: pytest.Pytester):
    pytester.makepyfile(CHECKED)
    done = session_of_its_own(
        pytester,
        "    on_interrupt(CompletedRun(Reported(a_run(verdict='Inconclusive'))))\n    raise KeyboardInterrupt\n",
    )
    assert done.ret == pytest.ExitCode.INTERRUPTED
    done.stdout.fnmatch_lines(["Inconclusive *::test_it: *"])


def test_processes_of_xdist_tell_their_runs_to_the_main_one(pytester: pytest.Pytester):
    pytester.makepyfile(test_a=CHECKED, test_b=CHECKED)
    done = session_of_its_own(
        pytester, "    return CompletedRun(Reported(a_run(verdict='Pass')))\n", "-n", "2"
    )
    done.assert_outcomes(passed=2)
    lines = [line for line in done.stdout.lines if line.startswith("Pass ")]
    assert sorted(line.split()[1] for line in lines) == [
        "test_a.py::test_it:",
        "test_b.py::test_it:",
    ]
