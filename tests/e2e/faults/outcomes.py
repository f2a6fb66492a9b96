"""What became of the runs, as the table of docs/reliability.md."""

import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.e2e.faults.faults import PHASES


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


def main() -> None:
    """``python -m tests.e2e.faults.outcomes FILE``: print the table of a campaign."""
    lines = Path(sys.argv[1]).read_text().splitlines()
    print(table([Outcome(**json.loads(line)) for line in lines]))


if __name__ == "__main__":
    main()
