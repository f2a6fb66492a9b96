"""``perfrun run``: each test in turn, on this machine, and one exit code for all."""

import asyncio
import json
import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from perfrun.api.perfrun import PerfRun, Verdict
from perfrun.api.perftest import PerfTest
from perfrun.api.target import value_refs
from perfrun.cli.local import LocalRun, Stop, cores, run_local
from perfrun.cli.manifests import Manifest, read_manifests
from perfrun.cli.progress import ProgressView
from perfrun.logic.names import requested_run_name
from perfrun.logic.plan import make_plan
from perfrun.logic.verdict import Judgement, RunOutcome, cancelled, errored, judge
from perfrun.measure.plan import RunPlan
from perfrun.measure.result import RunResult
from perfrun.report.console import print_run
from perfrun.report.document import Times, local_run, result_document, run_object


class Exit(IntEnum):
    """What the exit code says, see docs/cli.md."""

    OK = 0
    MISSED = 1
    USAGE = 2
    ERROR = 3
    INTERRUPTED = 130


_WORST_FIRST = (Exit.INTERRUPTED, Exit.USAGE, Exit.ERROR, Exit.MISSED, Exit.OK)


@dataclass(frozen=True, slots=True)
class Options:
    """The options of ``perfrun run``."""

    json_file: Path | None = None
    result_file: Path | None = None
    secrets: Path | None = None
    strict: bool = False


@dataclass(frozen=True, slots=True)
class Finished:
    """One test that was run, or would have been."""

    run: PerfRun
    result: RunResult
    interrupted: bool


def run_files(files: Sequence[str], options: Options, out: Console, err: Console) -> Exit:
    """Run every PerfTest of ``files``. Nothing is run unless all of them are right."""
    manifests = read_manifests(files)
    tests = [manifest.test for manifest in manifests if manifest.test is not None]
    told = tell_manifests(manifests, err)
    problems = list(_problems(manifests, options))
    if not tests and not told:
        problems.append("no PerfTest in what was given: nothing to run")
    for problem in problems:
        tell(err, problem)
    if told or problems:
        return Exit.USAGE
    finished: list[Finished] = []
    for test in tests:
        finished.append(run_test(test, options.secrets, err))
        print_run(finished[-1].run, out)
        out.print()
        if finished[-1].interrupted:
            break
    codes = [exit_code(one, strict=options.strict) for one in finished]
    try:
        _write(options, finished)
    except OSError as error:
        tell(err, f"{error.filename}: cannot be written: {error.strerror}")
        codes.append(Exit.ERROR)
    return worst(codes)


def run_test(test: PerfTest, secrets: Path | None, err: Console) -> Finished:
    """Run one test and judge it; whatever happens, there is a PerfRun that says so."""
    name, uid = test.metadata.name, str(uuid.uuid4())
    plan = make_plan(
        test.spec,
        uid=uid,
        namespace=test.metadata.namespace,
        test=name,
        run=requested_run_name(name, uid),
    )
    if plan.load.workers > cores():
        tell(
            err,
            f"note: {plan.load.workers} workers share {cores()} cores of this machine; "
            "they may be slower than what they measure",
        )
    with ProgressView(err) as view:
        local = asyncio.run(_run(plan, secrets.resolve() if secrets else None, view))
    for note in local.notes:
        tell(err, f"note: {note}")
    judgement = _judged(test, local)
    assert local.ended is not None
    run = local_run(
        plan,
        judgement,
        Times(local.created, local.start, local.ended),
        report=local.report,
        stopped=local.stopped,
    )
    result = result_document(plan, test.spec, run, local.report)
    return Finished(run, result, interrupted=local.stopped is not None)


def exit_code(finished: Finished, *, strict: bool) -> Exit:
    """What one run means for the exit code; without ``strict`` only a Fail is a failure."""
    if finished.interrupted:
        return Exit.INTERRUPTED
    match finished.run.status.verdict:
        case Verdict.ERROR:
            return Exit.ERROR
        case Verdict.PASS:
            return Exit.OK
        case Verdict.FAIL:
            return Exit.MISSED
        case _:
            return Exit.MISSED if strict else Exit.OK


def worst(codes: Iterable[Exit]) -> Exit:
    """The one that counts of several."""
    found = set(codes)
    return next(code for code in _WORST_FIRST if code in found)


def missing_values(test: PerfTest, secrets: Path | None) -> list[str]:
    """What the test takes from Secrets and ConfigMaps that ``secrets`` does not hold."""
    missing = []
    for ref in sorted(value_refs([test.spec.target, *(test.spec.scenarios or [])])):
        wanted = f"{ref.kind} {ref.name}, key {ref.key}"
        if secrets is None:
            missing.append(
                f"spec: takes a value from {wanted}: pass --secrets DIR with the file "
                f"DIR/{ref.name}/{ref.key}"
            )
        elif not (secrets / ref.name / ref.key).is_file():
            missing.append(
                f"spec: takes a value from {wanted}: there is no file "
                f"{secrets / ref.name / ref.key}"
            )
    return missing


def tell_manifests(manifests: Sequence[Manifest], err: Console) -> int:
    """Say what is wrong, doubtful or skipped; returns how many problems there are."""
    for manifest in manifests:
        if manifest.skipped:
            tell(err, f"{manifest.source}: skipped: {manifest.skipped}")
        for warning in manifest.warnings:
            tell(err, f"{manifest.source}: warning: {warning}")
        for problem in manifest.problems:
            tell(err, f"{manifest.source}: {problem}")
    return sum(len(manifest.problems) for manifest in manifests)


def tell(console: Console, text: str) -> None:
    """One line, never broken and never read as markup."""
    console.print(Text(text), soft_wrap=True)


def _problems(manifests: Sequence[Manifest], options: Options) -> Iterator[str]:
    """What speaks against running tests that are right in themselves."""
    for manifest in manifests:
        if manifest.test is not None:
            for problem in missing_values(manifest.test, options.secrets):
                yield f"{manifest.source}: {problem}"
    for file in (options.json_file, options.result_file):
        if file is not None and not file.absolute().parent.is_dir():
            yield f"{file}: cannot be written: there is no such folder"
        elif file is not None and file.is_dir():
            yield f"{file}: cannot be written: it is a folder"


async def _run(plan: RunPlan, secrets: Path | None, view: ProgressView) -> LocalRun:
    stop = Stop()
    stop.listen()
    return await run_local(plan, secrets, stop, view)


def _judged(test: PerfTest, local: LocalRun) -> Judgement:
    if local.error is not None:
        return errored(local.error, local.workers)
    if local.start is None:
        return cancelled(f"stopped ({local.stopped}) before the load began", local.workers)
    return judge(
        test.spec, RunOutcome(local.plan, local.report, local.workers, stopped=local.stopped)
    )


def _write(options: Options, finished: Sequence[Finished]) -> None:
    if options.json_file is not None:
        _write_json(options.json_file, [run_object(one.run) for one in finished])
    if options.result_file is not None:
        _write_json(options.result_file, [json.loads(one.result.to_bytes()) for one in finished])


def _write_json(file: Path, documents: list[Any]) -> None:
    """One document as it is, several as a list."""
    whole = documents[0] if len(documents) == 1 else documents
    file.write_text(json.dumps(whole, indent=2, ensure_ascii=False) + "\n")
