"""What became of the runs, as the table of docs/reliability.md."""

import json
import sys
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from perfrun import __version__
from tests.cluster.gobuild import KUBERNETES
from tests.e2e.faults.faults import PHASES

DOCUMENT = Path(__file__).resolve().parents[3] / "docs/reliability.md"
BEGIN, END = "<!-- campaign -->", "<!-- /campaign -->"


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


class Outcomes:
    """Collected in a file, a line each, so that what was seen outlives a failure."""

    def __init__(self, path: Path | None) -> None:
        self._path = path

    def add(self, outcome: Outcome) -> None:
        """Keep one."""
        if self._path is not None:
            with self._path.open("a") as file:
                file.write(json.dumps(asdict(outcome)) + "\n")


def table(outcomes: list[Outcome]) -> str:
    """Faults by phases, as Markdown."""
    rows = ["| fault | while | outcome | after | what the run says |", "|---|---|---|--:|---|"]
    order = {phase: number for number, phase in enumerate(PHASES)}
    faults = list(dict.fromkeys(outcome.fault for outcome in outcomes))
    latest = {(one.fault, one.phase): one for one in outcomes}
    for one in sorted(latest.values(), key=lambda o: (faults.index(o.fault), order[o.phase])):
        message = one.message.replace("|", "\\|")
        rows.append(f"| {one.fault} | {one.phase} | {one.what} | {one.seconds:.0f} s | {message} |")
    return "\n".join(rows)


def versions() -> str:
    """With what it was seen."""
    today = datetime.now(UTC).strftime("%Y-%m-%d")
    return f"`make campaign`, {today}: perfrun {__version__}, Kubernetes {KUBERNETES.version()}."


def main() -> None:
    """``python -m tests.e2e.faults.outcomes FILE``: the table of a campaign, into the document."""
    lines = Path(sys.argv[1]).read_text().splitlines()
    made = table([Outcome(**json.loads(line)) for line in lines])
    text = DOCUMENT.read_text()
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    DOCUMENT.write_text(f"{before}{BEGIN}\n{versions()}\n\n{made}\n{END}{after}")


if __name__ == "__main__":
    main()
