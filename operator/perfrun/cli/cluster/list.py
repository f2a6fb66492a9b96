"""``perfrun list``: the tests or the runs of a cluster."""

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import yaml
from rich.console import Console

from perfrun.api.run.perfrun import Verdict
from perfrun.cli.cluster import PERF_RUNS, PERF_TESTS, Cluster, Json
from perfrun.cli.cluster.views import RunView, TestView, age, due, recency
from perfrun.cli.terminal.choices import ListForm, What
from perfrun.cli.terminal.exits import Exit
from perfrun.cli.terminal.streams import tell
from perfrun.cli.terminal.tables import Column, print_table


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to show of them."""

    what: What
    test: str | None = None
    labels: str = ""
    verdicts: frozenset[Verdict] = frozenset()
    everywhere: bool = False
    output: ListForm = ListForm.TABLE


_NAMESPACE = Column("NAMESPACE")
_TESTS = (
    Column("TEST"),
    Column("SCHEDULE", keep=2),
    Column("VERDICT"),
    Column("SLOS", keep=4),
    Column("TREND", keep=5),
    Column("LAST", keep=6),
    Column("NEXT", keep=7),
    Column("NOTE", keep=1, cut=True),
)
_RUNS = (
    Column("RUN"),
    Column("TEST", keep=1),
    Column("VERDICT"),
    Column("P95", keep=6, right=True),
    Column("RATE", keep=5, right=True),
    Column("ERRORS", keep=4, right=True),
    Column("AGE", keep=7),
    Column("REASON", keep=3),
)


def list_objects(cluster: Cluster, wanted: Wanted, out: Console, err: Console) -> Exit:
    """Print them. Raises ClusterError."""
    resource = PERF_TESTS if wanted.what is What.TESTS else PERF_RUNS
    everything, _ = cluster.list(resource, labels=wanted.labels, everywhere=wanted.everywhere)
    bodies = [body for body in everything if _is_wanted(body, wanted)]
    if not everything and not wanted.everywhere and not cluster.has_namespace():
        tell(err, f"there is no namespace {cluster.namespace}")
        return Exit.USAGE
    if wanted.output is ListForm.TABLE:
        _print(bodies, wanted, out)
        if not bodies:
            tell(err, _nothing(cluster, wanted, some=bool(everything)))
    else:
        _print_objects(_in_order(bodies, wanted), wanted.output, out)
    return Exit.OK


def parse_verdicts(texts: Collection[str]) -> frozenset[Verdict]:
    """``Warn``, or several: ``warn,fail``. Raises ValueError with those that there are."""
    known = {verdict.value.lower(): verdict for verdict in Verdict}
    names = [name.strip() for text in texts for name in text.split(",")]
    for name in names:
        if name.lower() not in known:
            raise ValueError(
                f"--verdict: there is no verdict {name!r}; there are {', '.join(Verdict)}"
            )
    return frozenset(known[name.lower()] for name in names)


def _is_wanted(body: Json, wanted: Wanted) -> bool:
    if wanted.what is What.TESTS:
        test = TestView.of(body)
        name, verdict = test.name, test.verdict
    else:
        run = RunView.of(body)
        name, verdict = run.test, run.verdict
    return wanted.test in (None, name) and (not wanted.verdicts or verdict in wanted.verdicts)


def _print(bodies: Sequence[Json], wanted: Wanted, out: Console) -> None:
    now = datetime.now(UTC)
    rows: list[tuple[str, ...]]
    if wanted.what is What.TESTS:
        tests = sorted(map(TestView.of, bodies), key=lambda test: (test.namespace, test.name))
        columns, rows = _TESTS, [(test.namespace, *_test_row(test, now)) for test in tests]
    else:
        runs = sorted(map(RunView.of, bodies), key=recency, reverse=True)
        columns, rows = _RUNS, [(run.namespace, *_run_row(run, now)) for run in runs]
    if not rows:
        return
    if wanted.everywhere:
        print_table(out, (_NAMESPACE, *columns), rows)
    else:
        print_table(out, columns, [row[1:] for row in rows])


def _test_row(test: TestView, now: datetime) -> tuple[str, ...]:
    last = age(test.last_time, now)
    soon = test.waits or due(test.next_time, now)
    running = f"{', '.join(test.active)} under way" if test.active else ""
    return (
        test.name,
        test.schedule,
        test.verdict,
        test.slos,
        test.trend,
        f"{last} ago" if last else "",
        soon,
        test.problem or test.trend_told or running,
    )


def _run_row(run: RunView, now: datetime) -> tuple[str, ...]:
    return (
        run.name,
        run.test,
        run.state,
        run.p95.replace("unsupported", "n/a"),
        run.rate,
        run.errors,
        age(run.created, now),
        run.reason,
    )


def _nothing(cluster: Cluster, wanted: Wanted, *, some: bool) -> str:
    kind = "PerfTests" if wanted.what is What.TESTS else "PerfRuns"
    where = "this cluster" if wanted.everywhere else f"namespace {cluster.namespace}"
    asked = [f"of {wanted.test}"] if wanted.test and wanted.what is What.RUNS else []
    asked += [f"named {wanted.test}"] if wanted.test and wanted.what is What.TESTS else []
    asked += [f"with {wanted.labels}"] if wanted.labels else []
    asked += [f"that are {' or '.join(sorted(wanted.verdicts))}"] if wanted.verdicts else []
    others = "; there are others" if some else ""
    return " ".join(["there are no", kind, *asked, "in", where]) + others


def _in_order(bodies: Sequence[Json], wanted: Wanted) -> list[Json]:
    if wanted.what is What.TESTS:
        return list(bodies)
    return sorted(bodies, key=lambda body: recency(RunView.of(body)), reverse=True)


def _print_objects(bodies: Sequence[Json], output: ListForm, out: Console) -> None:
    """A List, as kubectl prints one; without what the API server notes for itself."""
    items = [_tidy(body) for body in bodies]
    document = {"apiVersion": "v1", "kind": "List", "metadata": {}, "items": items}
    if output is ListForm.JSON:
        # In ASCII: standard output may have any encoding.
        out.file.write(json.dumps(document, indent=2) + "\n")
    else:
        unicode = out.encoding.lower().startswith("utf")
        yaml.safe_dump(document, out.file, sort_keys=False, allow_unicode=unicode)
    out.file.flush()


def _tidy(body: Json) -> Json:
    metadata = {name: value for name, value in body["metadata"].items() if name != "managedFields"}
    return {**body, "metadata": metadata}
