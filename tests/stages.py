"""``make test``: its stages, one after the other, what each took, and which tests grew.

``python -m tests.stages [STAGE ...]``; without names all of them. The first stage that fails is the
last. Whatever ends it, nothing goes on running but an embedded cluster that was up before, or
outside of CI: every process of a stage has a mark in its environment, and is looked for by it.
"""

import argparse
import contextlib
import os
import resource
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
PROCESSES = 3
"""Of two cores: tests wait about half of their time."""
SLOWEST = 20
GROWN = 5
LEAST_S = 3.0
"""Files that take less are not remembered."""
INTERRUPTED = 130
GRACE_S = 40.0
"""For pytest to end its tests and take their servers down."""

Words = list[str]
_PYTHON = [sys.executable, "-m"]
_BUILD = [*_PYTHON, "tests.cluster", "build"]


def _pytest(*words: str) -> Words:
    return [*_PYTHON, "pytest", "-o", "junit_family=xunit1", *words]


def _beside(folder: str, processes: int, marks: str) -> Words:
    """Files side by side, the longest first."""
    how = ("--dist=loadfile", "--no-loadscope-reorder")
    return _pytest("-n", str(processes), *how, "-m", marks, folder)


STAGES: dict[str, list[Words]] = {
    "check": [["make", "--no-print-directory", "check"]],
    "units": [_pytest("-n", "4", "tests/unit")],
    "conformance": [_pytest("tests/conformance")],
    "integration": [
        _BUILD,
        _beside("tests/integration", PROCESSES, "not timing and not alone"),
        _beside("tests/integration", 2, "timing and not alone"),
        _pytest("-m", "alone", "tests/integration"),
    ],
    "e2e": [
        [*_BUILD, "--e2e"],
        _beside("tests/e2e", PROCESSES, "not timing and not alone"),
        _beside("tests/e2e", 2, "timing and not alone"),
        _pytest("-m", "alone", "tests/e2e"),
    ],
}


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
    outcomes: Counter[str] = field(default_factory=Counter)

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


def read_tests(result: Result, path: Path) -> None:
    """Add what pytest has written of a command."""
    if not path.exists():
        return
    for case in ET.parse(path).iter("testcase"):
        result.tests[f"{case.get('file')}::{case.get('name')}"] = float(case.get("time") or 0)
        ends = {child.tag for child in case} & {"failure", "error", "skipped"}
        result.outcomes[min(ends, default="passed")] += 1


def summary(results: Sequence[Result], budgets: Budgets) -> list[str]:
    """The slowest tests, the stages, and a last line like pytest's own."""
    tests = {test: took for one in results for test, took in one.tests.items()}
    slowest = sorted(tests, key=lambda test: -tests[test])[:SLOWEST]
    lines = ["", f"slowest {len(slowest)} tests:"]
    lines += [f"{tests[test]:8.1f} s  {test}" for test in slowest]
    lines += ["", f"{'stage':12} {'wall':>8} {'CPU':>8} {'budget':>8}"]
    for one in results:
        may = budgets.stages.get(one.name, 0.0)
        end = "  FAILED: " + one.failed if one.failed else ""
        lines.append(f"{one.name:12} {one.seconds:6.0f} s {one.cpu:6.0f} s {may:6.0f} s{end}")
        if not one.failed and one.seconds > may:
            lines.append(f"warning: {one.name} is over its budget (tests/budgets.toml); grown:")
            lines += [f"  {line}" for line in grown(one, budgets)]
    return [*lines, "", _last_line(results)]


def _last_line(results: Sequence[Result]) -> str:
    outcomes: Counter[str] = Counter()
    for one in results:
        outcomes.update(one.outcomes)
        # A command that is no pytest has no tests to count as failed.
        if one.failed and not one.outcomes["failure"] + one.outcomes["error"]:
            outcomes["failure"] += 1
    words = {"failure": "failed", "error": "errors"}
    order = ("failure", "passed", "skipped", "error")
    told = ", ".join(f"{outcomes[end]} {words.get(end, end)}" for end in order if outcomes[end])
    took = sum(one.seconds for one in results)
    return f" {told or 'no tests ran'} in {took:.2f}s ".center(80, "=")


def _cpu() -> float:
    """CPU seconds of all that has ended of ours, and of the cluster and its pods so far."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    made_with = settings.recorded()
    pods = 0.0 if made_with is None else cgroups.cpu_seconds(made_with.bridge)
    ticks = sum(_ticks(pid) for pid in leftovers.marked(MARK, state_dir()))
    return used.ru_utime + used.ru_stime + pods + ticks / os.sysconf("SC_CLK_TCK")


def _ticks(pid: int) -> int:
    """Of a process and its children that have ended."""
    with contextlib.suppress(OSError):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return sum(int(word) for word in fields[11:15])
    return 0


def _end(process: subprocess.Popen[bytes]) -> None:
    """As Ctrl-C would end it, then by force. Only the first process: it ends its workers."""
    process.send_signal(signal.SIGINT)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(GRACE_S)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _execute(words: Words, mark: str) -> int:
    """Run a command in a group of its own, so that a Ctrl-C reaches it once, from here."""
    print(f"\n$ {_shown(words)}", flush=True)
    env = {**os.environ, MARK_OF_STAGES: mark}
    parent = os.getppid()
    process = subprocess.Popen(words, cwd=REPO, env=env, start_new_session=True)
    try:
        # Whoever started this may be killed without a word to us.
        while os.getppid() == parent:
            with contextlib.suppress(subprocess.TimeoutExpired):
                return process.wait(1)
    except BaseException:
        _end(process)
        raise
    _end(process)
    return INTERRUPTED


def _shown(words: Words) -> str:
    return " ".join(words).replace(sys.executable, "python")


def _stage(name: str, mark: str, results: list[Result]) -> bool:
    """Run a stage; whether it is well. What it took is kept, however it ends."""
    result, began, cpu = Result(name), time.monotonic(), _cpu()
    results.append(result)
    try:
        for number, words in enumerate(STAGES[name]):
            written = RESULTS / f"{name}-{number}.xml"
            written.unlink(missing_ok=True)
            is_pytest = "pytest" in words
            result.failed = _shown(words)
            code = _execute([*words, f"--junitxml={written}"] if is_pytest else words, mark)
            read_tests(result, written)
            # Pytest's 5: nothing was chosen, as where no test of a folder is marked.
            if code and not (is_pytest and code == 5):
                return False
        result.failed = ""
    finally:
        result.seconds, result.cpu = time.monotonic() - began, _cpu() - cpu
        _sweep(mark)
    return True


def _sweep(mark: str) -> None:
    """Kill what a stage has left behind; the embedded cluster is looked after by itself."""
    for pid in leftovers.marked(MARK_OF_STAGES, mark) - leftovers.marked(MARK, state_dir()):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _interrupt(number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt(number)


@contextlib.contextmanager
def _cluster_as_before() -> Iterator[None]:
    """Namespaces of tests go; a cluster that was not up before goes too, in CI."""
    was_up = settings.recorded() is not None
    yield
    if settings.recorded() is None:
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
    before = {n: signal.signal(n, _interrupt) for n in (signal.SIGTERM, signal.SIGHUP)}
    try:
        with _cluster_as_before() if "e2e" in names else contextlib.nullcontext():
            code = 0 if all(_stage(name, mark, results) for name in names) else 1
    except KeyboardInterrupt:
        code = INTERRUPTED
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    print("\n".join(summary(results, Budgets.read())), flush=True)
    return code


def remember() -> None:
    """Write what files have taken in build/stages into the budgets: the order of the next run."""
    seen = Result("all")
    for path in sorted(RESULTS.glob("*.xml")):
        read_tests(seen, path)
    # Of units nobody waits for one file: they are spread test by test.
    files = {name: took for name, took in seen.files().items() if took >= LEAST_S}
    head, section, _ = BUDGETS.read_text().partition("[files]\n")
    known = {name: took for name, took in Budgets.read().files.items() if (REPO / name).exists()}
    lines = (f'"{name}" = {took:.0f}\n' for name, took in sorted({**known, **files}.items()))
    BUDGETS.write_text(head + section + "".join(lines))


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.stages", description=__doc__)
    parser.add_argument("stages", nargs="*", metavar="STAGE", help=", ".join(STAGES))
    parser.add_argument("--remember", action="store_true", help=remember.__doc__)
    asked = parser.parse_args()
    if asked.remember:
        remember()
        return 0
    chosen = asked.stages or list(STAGES)
    if unknown := set(chosen) - STAGES.keys():
        parser.error(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join(STAGES)}")
    return run(chosen)


if __name__ == "__main__":
    sys.exit(main())
