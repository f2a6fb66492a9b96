"""``make test``: its stages, what each took, and which tests grew.

``python -m tests.stages [STAGE ...]``; without names all of them. They run one after the other, but
for some at the same time (``BESIDE``), and the first that fails is the last. A few tests may fail at
first: they are run once more when nothing else runs, and reported when they pass only then.
Whatever ends it, nothing goes on running but an embedded cluster that was up before, or outside of
CI: every process of a stage has a mark in its environment, and is looked for by it.
"""

import argparse
import contextlib
import ctypes
import functools
import itertools
import os
import re
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from tests.budget import BUDGETS, Budgets
from tests.cluster import cgroups, cluster, leftovers, settings
from tests.cluster.errors import ClusterError
from tests.cluster.paths import REPO, state_dir
from tests.cluster.processes import MARK, start_time

RESULTS = REPO / "build/stages"
MARK_OF_STAGES = "PERFRUN_STAGES_OF"
PROCESSES, OF_E2E = 3, 4
"""On two cores: tests wait about half of their time, and those of e2e longer. With four, loads of the
integration tests come late."""
NICE = {"units": 15, "manifests": 15}
"""Stages that take what the one beside them leaves of the processor."""
SLOWEST = 20
GROWN = 5
MIN_S = 3.0
"""Files that take less are not remembered."""
MAY_FAIL = 8
"""Tests of a command that are run once more. Machines are noisy; a fault fails both times."""
INTERRUPTED = 130
GRACE_S = 40.0
"""For pytest to end its tests and take their servers down."""
POLL_S, TOLD_EVERY_S = 0.2, 60.0
_SET_PARENT_DEATH_SIGNAL = 1
"""PR_SET_PDEATHSIG of prctl(2)."""

Words = list[str]
_PYTHON = [sys.executable, "-m"]


def _pytest(*words: str) -> Words:
    return [*_PYTHON, "pytest", "-o", "junit_family=xunit1", *words]


def _beside(folder: str, processes: int, *chosen: str) -> Words:
    """Files side by side, the longest first."""
    how = ("--dist=loadfile", "--no-loadscope-reorder")
    return _pytest("-n", str(processes), *how, *chosen, folder)


_CLUSTER = [*_PYTHON, "tests.cluster"]
_BUILD = [*_CLUSTER, "build", "--e2e", "--scripts"]
_OF_BENCHMARK = "registry.example/shop/order-book-benchmarks:1.4"
_OF_PERFRUN = "--build-arg=PERFRUN=localhost/perfrun:e2e"


def _image(which: str, context: str, *options: str) -> Words:
    return [*_CLUSTER, "image", f"localhost/perfrun{which}:e2e", context, *options]


_PLAIN = ("-m", "not timing and not alone and not disturbs and not patient")
_TIMING, _DISTURBS, _ALONE = ("-m", "timing"), ("-m", "disturbs"), ("-m", "alone")
_PATIENT = ("-m", "patient")
STAGES: dict[str, list[Words]] = {
    "build": [_BUILD],
    "check": [["make", "--no-print-directory", "check"]],
    "integration": [[*_CLUSTER, "build"], _beside("tests/integration", PROCESSES, *_PLAIN)],
    # What tests of e2e would wait for.
    "image": [
        _BUILD,
        [*_CLUSTER, "up"],
        _image("", "."),
        _image("-browser", ".", "--target=browser"),
        _image("-websocket", "examples/protocols/websocket", _OF_PERFRUN),
        _image("-raw", "tests/e2e/raw", _OF_PERFRUN),
        [*_CLUSTER, "image", _OF_BENCHMARK, "examples/benchmark"],
    ],
    "conformance": [_beside("tests/conformance", 2)],
    "e2e": [_BUILD, _beside("tests/e2e", OF_E2E, *_PLAIN)],
    "integration-timing": [_beside("tests/integration", 2, *_TIMING)],
    "units": [_pytest("-n", "4", "tests/unit")],
    "manifests": [_pytest(*_PATIENT, "tests/integration")],
    "e2e-disturbs": [_pytest(*_DISTURBS, "tests/e2e")],
    "e2e-timing": [_beside("tests/e2e", 2, *_TIMING)],
    "integration-alone": [_pytest(*_ALONE, "tests/integration")],
    "e2e-alone": [_pytest(*_ALONE, "tests/e2e")],
}
_ON_THE_CLUSTER = {"image", *(name for name in STAGES if name.startswith("e2e"))}
BESIDE = (
    (("check", "integration"), ("image",)),
    (("integration-timing", "units", "manifests"), ("e2e-disturbs",)),
)
"""Lanes of stages that run at the same time: one leaves the other most of the cores. Tests that
disturb the cluster mostly wait, one after the other: units and what is patient take what they
leave."""

Lane = list[str]
"""Stages that run one after the other."""


def turns(names: Sequence[str]) -> list[list[Lane]]:
    """The stages in their order, those that run at the same time together."""
    made: list[list[Lane]] = []
    left = list(names)
    while left:
        together = next((lanes for lanes in BESIDE if any(left[0] in lane for lane in lanes)), ())
        lanes = [[name for name in lane if name in left] for lane in together] or [[left[0]]]
        made.append([lane for lane in lanes if lane])
        left = [name for name in left if not any(name in lane for lane in lanes)]
    return made


@dataclass
class Result:
    """What a stage has taken, and its tests."""

    name: str
    seconds: float = 0.0
    cpu: float = 0.0
    failed: str = ""
    """The command that failed, as it can be run again; empty where all is well."""
    tests: dict[str, float] = field(default_factory=dict)
    """Seconds by test, as FILE::NAME, set-up included."""
    ends: dict[str, str] = field(default_factory=dict)
    """What became of each test at last: passed, skipped, failure or error."""
    at_first: list[str] = field(default_factory=list)
    """Tests that failed at first, and are run once more."""
    again: list[Words] = field(default_factory=list)
    """The commands that do so."""

    @property
    def outcomes(self) -> Counter[str]:
        """How many tests ended how."""
        return Counter(self.ends.values())

    def files(self) -> dict[str, float]:
        """Seconds by file."""
        found: Counter[str] = Counter()
        for test, took in self.tests.items():
            found[test.partition("::")[0]] += took  # type: ignore[assignment]
        return dict(found)


def grown(result: Result, budgets: Budgets) -> list[str]:
    """The files of a stage that have grown most, with both figures."""
    more = {name: took - budgets.files.get(name, 0) for name, took in result.files().items()}
    most = sorted((name for name in more if more[name] > 1), key=lambda name: -more[name])
    return [
        f"{name}: {budgets.files.get(name, 0):.0f} s -> {result.files()[name]:.0f} s"
        for name in most[:GROWN]
    ]


def read_tests(result: Result, path: Path) -> list[str]:
    """Add what pytest has written of a command; the tests that failed."""
    failed = []
    for case in ET.parse(path).iter("testcase") if path.exists() else ():
        file = case.get("file") or ""
        classes = (case.get("classname") or "").removeprefix(file[:-3].replace("/", "."))
        test = f"{file}{classes.replace('.', '::')}::{case.get('name')}"
        result.tests[test] = float(case.get("time") or 0)
        ends = {child.tag for child in case} & {"failure", "error", "skipped"}
        result.ends[test] = min(ends, default="passed")
        # Of one that fails and cannot be taken down either there are two.
        if ends - {"skipped"} and test not in failed:
            failed.append(test)
    return failed


def summary(results: Sequence[Result], took: float, budgets: Budgets) -> list[str]:
    """The slowest tests, the stages, and a last line like pytest's own."""
    tests = {test: took for one in results for test, took in one.tests.items()}
    slowest = sorted(tests, key=lambda test: -tests[test])[:SLOWEST]
    lines = ["", f"slowest {len(slowest)} tests:"]
    lines += [f"{tests[test]:8.1f} s  {test}" for test in slowest]
    lines += ["", f"{'stage':18} {'wall':>8} {'CPU':>8} {'budget':>8}"]
    for one in results:
        may = budgets.stages.get(one.name, 0.0)
        end = "  FAILED: " + one.failed if one.failed else ""
        lines.append(f"{one.name:18} {one.seconds:6.0f} s {one.cpu:6.0f} s {may:6.0f} s{end}")
        if one.at_first and not one.failed:
            lines.append("warning: failed at first, and passed when nothing else ran:")
            lines += [f"  {test}" for test in one.at_first]
        if not one.failed and one.seconds > may:
            lines.append(f"warning: {one.name} is over its budget (tests/budgets.toml); grown:")
            lines += [f"  {line}" for line in grown(one, budgets)]
    return [*lines, "", _last_line(results, took)]


def _last_line(results: Sequence[Result], took: float) -> str:
    outcomes: Counter[str] = Counter()
    for one in results:
        outcomes.update(one.outcomes)
        # A command that is no pytest has no tests to count as failed.
        if one.failed and not one.outcomes["failure"] + one.outcomes["error"]:
            outcomes["failure"] += 1
    words = {"failure": "failed", "error": "errors"}
    order = ("failure", "passed", "skipped", "error")
    told = ", ".join(f"{outcomes[end]} {words.get(end, end)}" for end in order if outcomes[end])
    return f" {told or 'no tests ran'} in {took:.2f}s ".center(80, "=")


def _cpu_of_cluster() -> float:
    """CPU seconds of the embedded cluster and its pods so far."""
    made_with = settings.recorded()
    pods = 0.0 if made_with is None else cgroups.cpu_seconds(made_with.bridge)
    for pid in leftovers.marked(MARK, state_dir()):
        _TICKS[pid] = max(_TICKS.get(pid, 0), _ticks(pid))
    return pods + sum(_TICKS.values()) / os.sysconf("SC_CLK_TCK")


_TICKS: dict[int, int] = {}
"""Of each process of the cluster, those that have ended included: tests kill some of them."""


def _ticks(pid: int) -> int:
    """Of a process and its children that have ended."""
    with contextlib.suppress(OSError):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return sum(int(word) for word in fields[11:15])
    return 0


def _shown(words: Words) -> str:
    return " ".join(words).replace(sys.executable, "python")


def _ends_with_us(nice: int) -> None:
    """In a child that begins: it hears SIGINT, and gets it if we are killed without a word."""
    os.nice(nice)
    # A shell has what it starts in the background ignore it.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_SET_PARENT_DEATH_SIGNAL, signal.SIGINT)


def _mark_of(mark: str, stage: str) -> str:
    return f"{mark}-{stage}"


def _left_of(mark: str) -> set[int]:
    """Processes of a stage. The embedded cluster is looked after by itself."""
    return leftovers.marked(MARK_OF_STAGES, mark) - leftovers.marked(MARK, state_dir())


def _kill(processes: set[int]) -> None:
    for pid in processes:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


class Stage:
    """A stage in progress: its commands, one after the other, each in a session of its own."""

    def __init__(self, result: Result, mark: str, *, beside: bool) -> None:
        """Begin. ``beside``: another one runs too, and what this one prints is kept until its end.

        Of a result with tests that failed, those are run once more.
        """
        self.result = result
        self._mark = _mark_of(mark, result.name)
        self._beside = beside
        self._is_second = bool(result.again)
        self._left = list(enumerate(result.again or STAGES[result.name]))
        self._process: subprocess.Popen[bytes] | None = None
        self._began, self._cluster = time.monotonic(), self._cpu_of_cluster()

    def go_on(self) -> bool:
        """Start what comes next, if nothing runs; whether the stage is still in progress."""
        if self._process is None and self._left:
            self._process = self._start(*self._left.pop(0))
        if self._process is None:
            return False
        code = self._reap(self._process)
        if code is not None:
            self._ended(code)
        return True

    def told(self) -> str:
        """How far a command is whose words are not seen."""
        if not self._log.exists():
            return f"{self.result.name}: begins"
        shares = re.findall(r"\[ *(\d+%)\]", self._log.read_text(errors="replace"))
        return f"{self.result.name}: {shares[-1] if shares else '0%'}"

    def interrupt(self) -> None:
        """As Ctrl-C does, and only the first process: it ends its workers."""
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)

    def close(self) -> None:
        """End by force what has not ended, and kill what was left behind."""
        if self._process is not None:
            until = time.monotonic() + GRACE_S
            while self._reap(self._process) is None:
                if time.monotonic() > until:
                    os.killpg(self._process.pid, signal.SIGKILL)
                time.sleep(POLL_S)
            self._ended(INTERRUPTED)
        self.result.seconds += time.monotonic() - self._began
        self.result.cpu += self._cpu_of_cluster() - self._cluster
        _kill(_left_of(self._mark))

    def _start(self, number: int, words: Words) -> "subprocess.Popen[bytes]":
        print(f"\n$ {_shown(words)}", flush=True)
        self._words = words
        second = "-again" if self._is_second else ""
        self._written = RESULTS / f"{self.result.name}{second}-{number}.xml"
        self._log = self._written.with_suffix(".log")
        self._written.unlink(missing_ok=True)
        asked = [*words, f"--junitxml={self._written}"] if "pytest" in words else words
        env = {**os.environ, MARK_OF_STAGES: self._mark}
        nice = NICE.get(self.result.name, 0) if self._beside else 0
        with self._log.open("wb") if self._beside else contextlib.nullcontext() as out:
            # A group of its own, so that a Ctrl-C reaches it once, from here.
            return subprocess.Popen(
                asked, cwd=REPO, env=env, start_new_session=True, stdout=out, stderr=out,
                preexec_fn=functools.partial(_ends_with_us, nice),
            )  # fmt: skip

    def _reap(self, process: "subprocess.Popen[bytes]") -> int | None:
        """The exit code, and what it took is noted; None while it runs."""
        pid, status, used = os.wait4(process.pid, os.WNOHANG)
        if not pid:
            return None
        self.result.cpu += used.ru_utime + used.ru_stime
        process.returncode = os.waitstatus_to_exitcode(status)
        return process.returncode

    def _ended(self, code: int) -> None:
        self._process = None
        if self._beside:
            said = self._log.read_text(errors="replace")
            print(f"\n{self.result.name} said:\n{said}", flush=True)
        failed = read_tests(self.result, self._written)
        # Pytest's 1: tests failed; 5: nothing was chosen, as where no test of a folder is marked.
        if "pytest" in self._words and code == 5:
            return
        if code == 1 and not self._is_second and 0 < len(failed) <= MAY_FAIL:
            self.result.at_first += failed
            self.result.again.append([*self._words[:-1], "-n", "0", *failed])
        elif code:
            self.result.failed, self._left = _shown(self._words), []

    def _cpu_of_cluster(self) -> float:
        return _cpu_of_cluster() if self.result.name in _ON_THE_CLUSTER else 0.0


def _turn(lanes: Sequence[Lane], mark: str, results: list[Result]) -> bool:
    """Run stages at the same time, each lane to its end; whether all are well."""
    in_lanes = [[Result(name) for name in lane] for lane in lanes]
    turn = list(itertools.chain(*in_lanes))
    results += turn
    _run_beside(in_lanes, mark)
    for result in turn:
        if result.again and not any(one.failed for one in turn):
            _run_beside([[result]], mark)
    return not any(result.failed for result in turn)


def _run_beside(lanes: Sequence[Sequence[Result]], mark: str) -> None:
    """Run each lane to its end, or to the first of its stages that fails."""
    left = [iter(lane) for lane in lanes]
    beside = len(lanes) > 1
    in_progress = {n: Stage(next(lane), mark, beside=beside) for n, lane in enumerate(left)}
    parent, told = os.getppid(), time.monotonic()
    try:
        # Whoever started this may be killed without a word to us.
        while in_progress and os.getppid() == parent:
            for number, stage in tuple(in_progress.items()):
                if stage.go_on():
                    continue
                del in_progress[number]
                stage.close()
                following = None if stage.result.failed else next(left[number], None)
                if following is not None:
                    in_progress[number] = Stage(following, mark, beside=beside)
            if beside and time.monotonic() - told > TOLD_EVERY_S:
                told = time.monotonic()
                print("; ".join(stage.told() for stage in in_progress.values()), flush=True)
            time.sleep(POLL_S)
    finally:
        for stage in in_progress.values():
            stage.interrupt()
        for stage in in_progress.values():
            stage.close()


def _interrupt(number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt(number)


@contextlib.contextmanager
def _all_as_before(mark: str, *, on_cluster: bool) -> Iterator[None]:
    """Have a process kill what is left, and put the cluster back, when this ends, also by a kill
    without a word."""
    was_up = settings.recorded() is not None
    words = [*_PYTHON, "tests.stages", "--clean-up", mark, *(["--keep"] if was_up else [])]
    words += [] if on_cluster else ["--no-cluster"]
    # It reads until we are gone; in a session of its own no Ctrl-C ends it.
    guard = subprocess.Popen(words, cwd=REPO, stdin=subprocess.PIPE, start_new_session=True)
    try:
        yield
    finally:
        guard.communicate()


def clean_up(mark: str, *, was_up: bool, on_cluster: bool = True) -> None:
    """Once standard input ends: nothing of the stages goes on, and the cluster is as it was.

    Namespaces of tests go; a cluster that was not up before goes too, in CI.
    """
    sys.stdin.buffer.read()
    until = time.monotonic() + GRACE_S
    while left := set[int]().union(*(_left_of(_mark_of(mark, name)) for name in STAGES)):
        if time.monotonic() > until:
            _kill(left)
        time.sleep(POLL_S)
    if settings.recorded() is None or not on_cluster:
        return
    if os.environ.get("CI") == "true" and not was_up:
        cluster.down()
        return
    with contextlib.suppress(ClusterError):
        words = ("delete", "namespace", "-l", "perfrun.dev/e2e", "--wait=false")
        cluster.running().kubectl(*words)


def run(names: Sequence[str]) -> int:
    """Run stages; 0 all are well, 1 one is not, 130 interrupted."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    mark = f"{os.getpid()}-{start_time(os.getpid())}"
    results: list[Result] = []
    began = time.monotonic()
    before = {n: signal.signal(n, _interrupt) for n in (signal.SIGTERM, signal.SIGHUP)}
    try:
        on_cluster = bool(_ON_THE_CLUSTER & set(names))
        with _all_as_before(mark, on_cluster=on_cluster):
            code = 0 if all(_turn(turn, mark, results) for turn in turns(names)) else 1
    except KeyboardInterrupt:
        code = INTERRUPTED
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    took = time.monotonic() - began
    begun = [result for result in results if result.seconds]
    print("\n".join(summary(begun, took, Budgets.read())), flush=True)
    return code


def remember() -> None:
    """Write what files have taken in build/stages into the budgets: the order of the next run."""
    seen = Result("all")
    for path in sorted(RESULTS.glob("*.xml")):
        read_tests(seen, path)
    # Of units nobody waits for one file: they are spread test by test.
    files = {name: took for name, took in seen.files().items() if took >= MIN_S}
    head, section, _ = BUDGETS.read_text().partition("[files]\n")
    known = {name: took for name, took in Budgets.read().files.items() if (REPO / name).exists()}
    lines = (f'"{name}" = {took:.0f}\n' for name, took in sorted({**known, **files}.items()))
    BUDGETS.write_text(head + section + "".join(lines))


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.stages", description=__doc__)
    parser.add_argument("stages", nargs="*", metavar="STAGE", help=", ".join(STAGES))
    parser.add_argument("--remember", action="store_true", help=remember.__doc__)
    parser.add_argument("--clean-up", metavar="MARK", help=argparse.SUPPRESS)
    parser.add_argument("--keep", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--no-cluster", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.remember:
        remember()
        return 0
    if asked.clean_up:
        clean_up(asked.clean_up, was_up=asked.keep, on_cluster=not asked.no_cluster)
        return 0
    chosen = asked.stages or list(STAGES)
    if unknown := set(chosen) - STAGES.keys():
        parser.error(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join(STAGES)}")
    return run(chosen)


if __name__ == "__main__":
    sys.exit(main())
