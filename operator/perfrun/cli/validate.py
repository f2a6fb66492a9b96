"""``perfrun validate``: what a manifest would cost, and whether it would be accepted."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from rich.console import Console

from perfrun.api import Json
from perfrun.cli.costs import Daily, Estimate, daily, load_words, plan_of, total_words
from perfrun.cli.terminal.exits import Exit
from perfrun.cli.terminal.streams import TextForm, print_line, print_structured
from perfrun.local.files.manifests import FileRemark, Manifest, read_manifests, selected
from perfrun.local.files.selector import Selector


def validate_files(
    files: Sequence[str],
    out: Console,
    form: TextForm = TextForm.TEXT,
    selector: Selector | None = None,
) -> Exit:
    """Print for every document whether it is right, and what it would cost."""
    manifests, nothing = selected(read_manifests(files), selector)
    now = datetime.now(UTC)
    if form is TextForm.TEXT:
        for manifest in manifests:
            for line in describe(manifest, now):
                print_line(out, line)
        if (total := total_line(manifests, now)) is not None:
            print_line(out, total)
    else:
        print_structured([as_json(manifest, now) for manifest in manifests], form, out)
    if any(manifest.problems for manifest in manifests):
        return Exit.USAGE
    if nothing is not None or not any(one.test or one.policy for one in manifests):
        if form is TextForm.TEXT:
            print_line(out, nothing or "no PerfTest and no PerfPolicy in the given files")
        return Exit.USAGE
    return Exit.OK


def describe(manifest: Manifest, now: datetime) -> Iterator[str]:
    """The lines about one document."""
    yield from (problem.line("error") for problem in manifest.problems)
    yield from (warning.line("warning") for warning in manifest.warnings)
    if manifest.skipped:
        yield f"{manifest.source}: skipped: {manifest.skipped}"
    if manifest.problems:
        return
    if manifest.held is not None:
        kind, _, name, data = manifest.held
        keys = ", ".join(sorted(data))
        yield f"{manifest.source}: ok: {kind} {name}: perfrun run takes values from it: {keys}"
    if manifest.policy is not None:
        name = manifest.policy.metadata.name
        effect = "it applies in a cluster; perfrun next takes it into account"
        yield f"{manifest.source}: ok: PerfPolicy {name}: {effect}"
    if manifest.test is not None:
        plan = plan_of(manifest.test)
        cost = daily(manifest.test, plan, now)
        words = [*load_words(plan), *(cost.words() if cost is not None else ())]
        yield f"{manifest.source}: ok: {manifest.test.metadata.name}: {', '.join(words)}"


def total_line(manifests: Sequence[Manifest], now: datetime) -> str | None:
    """The totals of several tests; None if there is only one, or one is wrong."""
    tests = [one.test for one in manifests if one.test is not None]
    if len(tests) < 2 or any(one.problems for one in manifests):
        return None
    return f"in all: {', '.join(total_words([daily(one, plan_of(one), now) for one in tests]))}"


def as_json(manifest: Manifest, now: datetime) -> Json:
    """One document for a program."""
    test, right = manifest.test, not manifest.problems
    found: Json = {
        "source": manifest.source,
        "ok": right,
        "problems": list(map(_remark_json, manifest.problems)),
        "warnings": list(map(_remark_json, manifest.warnings)),
    }
    if manifest.skipped:
        found["skipped"] = manifest.skipped
    if test is not None:
        found |= {"test": test.metadata.name, "namespace": test.metadata.namespace}
    if manifest.policy is not None:
        found["policy"] = manifest.policy.metadata.name
    if test is not None and right:
        plan = plan_of(test)
        cost = daily(test, plan, now)
        found["load"] = ", ".join(load_words(plan))
        found["daily"] = None if cost is None else _daily_json(cost)
    return found


def _remark_json(remark: FileRemark) -> Json:
    line, column = remark.place or (None, None)
    place: Json = {"file": remark.file, "line": line, "column": column}
    return place | {"name": remark.name, "field": remark.field, "message": remark.message}


def _daily_json(cost: Daily) -> Json:
    return {
        "runs": cost.runs,
        "requests": _amount_json(cost.requests),
        "coreHours": _amount_json(cost.core_hours),
    }


def _amount_json(amount: Estimate | None) -> Json | None:
    return None if amount is None else {"value": amount.value, "atMost": amount.at_most}
