"""What a campaign has seen, as the tables of docs/explanation/reliability.md."""

import json
import sys
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.campaign import ROOT, Campaign
from tests.cluster.gobuild import KUBERNETES

DOCUMENT = ROOT / "docs/explanation/reliability.md"
BEGIN, END = "<!-- campaign -->", "<!-- /campaign -->"
PHASES = ("Queued", "Starting", "Running", "Collecting")
Record = dict[str, Any]


@dataclass(frozen=True)
class Outcome:
    """One fault in one phase."""

    fault: str
    phase: str
    what: str
    """Verdict, workers and requests, in words."""
    message: str
    """What the run says of itself."""
    seconds: float
    """From the fault (that one included that takes time by itself: from its end) to the end."""

    def keep(self, campaign: Campaign) -> None:
        """Add it to the campaign."""
        campaign.add("fault", **asdict(self))


def faults(records: Iterable[Record]) -> str:
    """Faults by phases, as Markdown."""
    rows = ["| fault | while | outcome | after | what the run says |", "|---|---|---|--:|---|"]
    outcomes = [Outcome(**record) for record in records]
    order = {phase: number for number, phase in enumerate(PHASES)}
    names = list(dict.fromkeys(outcome.fault for outcome in outcomes))
    latest = {(one.fault, one.phase): one for one in outcomes}
    for one in sorted(latest.values(), key=lambda o: (names.index(o.fault), order[o.phase])):
        message = one.message.replace("|", "\\|")
        rows.append(f"| {one.fault} | {one.phase} | {one.what} | {one.seconds:.0f} s | {message} |")
    return "\n".join(rows)


def soak(record: Record) -> str:
    """First and last levels of what must not grow."""
    first, last = record["first"], record["last"]
    return "\n".join(
        [
            f"| {record['runs']} runs in a row | first | last |",
            "|---|--:|--:|",
            f"| operator's memory, MiB resident | {first['memory']:.1f} | {last['memory']:.1f} |",
            f"| the same, lowest of each half | {record['low'][0]:.1f} | {record['low'][1]:.1f} |",
            f"| watches of perfrun's kinds | {first['watches']} | {last['watches']} |",
            f"| perfrun's objects in the namespace | {first['objects']} | {last['objects']} |",
        ]
    )


def manifests(record: Record) -> str:
    """What became of each of so many."""
    count = {"total": record["count"], **record["said"]}
    rows = [f"| mutated manifests | {count.pop('total')} |", "|---|--:|"]
    rows += [f"| {what} | {number} |" for what, number in count.items()]
    rows.append(f"| slowest answer of the operator meanwhile | {record['slowest']:.2f} s |")
    return "\n".join(rows)


def trend(record: Record) -> str:
    """What was told of a test that did not change."""
    rows = [f"| runs of a test that does not change | {record['runs']} |", "|---|--:|"]
    rows += [f"| state of its trend: {state} | {n} |" for state, n in record["states"].items()]
    rows.append(f"| reported as Regressed, Improved or Recovered | {record['told']} |")
    return "\n".join(rows)


def versions(records: Iterable[Record]) -> str:
    """With what it was seen."""
    seen = list(records)
    today = datetime.now(UTC).strftime("%Y-%m-%d")
    commits = ", ".join(dict.fromkeys(record["commit"] for record in seen))
    last = seen[-1]
    return (
        f"`{last['command']}`, {today}: perfrun {last['perfrun']} (commit {commits}), "
        f"Python {last['python']}, Kubernetes {KUBERNETES.version()}, Linux {last['kernel']}."
    )


def tables(records: list[Record]) -> str:
    """All of them; of what was seen more than once, the last."""
    by_kind: dict[str, list[Record]] = {}
    for record in records:
        rest = {name: value for name, value in record.items() if name != "kind"}
        by_kind.setdefault(record["kind"], []).append(rest)

    def made() -> Iterator[str]:
        yield versions(by_kind["versions"])
        yield faults(by_kind.get("fault", []))
        for kind, table in (("soak", soak), ("manifests", manifests), ("trend", trend)):
            if kind in by_kind:
                yield table(by_kind[kind][-1])

    return "\n\n".join(made())


def main() -> None:
    """``python -m tests.e2e.faults.outcomes FILE``: the tables of a campaign, into the document."""
    lines = Path(sys.argv[1]).read_text().splitlines()
    made = tables([json.loads(line) for line in lines])
    text = DOCUMENT.read_text()
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    DOCUMENT.write_text(f"{before}{BEGIN}\n{made}\n{END}{after}")


if __name__ == "__main__":
    main()
