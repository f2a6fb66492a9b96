"""``python -m tests.tables.cron`` makes ``robfig.tsv`` anew, with the real robfig/cron (needs Go)."""

import random
import subprocess
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).parent
TABLE = HERE / "robfig.tsv"
BOUNDS = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 6))
NAMES = {3: ["jan", "FEB", "Jun", "dec"], 4: ["sun", "MON", "Wed", "sat"]}
CHOSEN = """
0 0 */2 * 1
0 0 1 * */2
0 0 */1 * 1
0 0 1,* * 1
0 0 ? * 1
0 0 1 * ?/3
0 0 13 * FRI
0 0 31 2 1
0 0 29 2 *
5-5/10 * * * *
5/10 * * * *
0 0 * * 1/6
0 0 * * 1-5/2
0 0 * * 7
0 0 * * 0-7
0 0 L * *
0 0 * * 5L
0 0 * * 6#3
0 0 1W * *
*/0 * * * *
*/90 * * * *
61 * * * *
0 24 * * *
0 0 0 * *
0 0 * 13 *
10-5 * * * *
1-2-3 * * * *
1/2/3 * * * *
MON * * * *
0 0 * * mon-fri
0 0 * jan-mar/2 *
@daily
@Daily
@weekly
@reboot
* * * *
* * * * * *
""".strip().splitlines()
"""Where others and robfig/cron part."""


def expressions(draw: random.Random, count: int) -> Iterator[str]:
    """The chosen ones, then random ones of which most are valid."""
    yield from CHOSEN
    for _ in range(count):
        yield " ".join(_field(draw, place) for place in range(5))


def _field(draw: random.Random, place: int) -> str:
    if draw.random() < 0.35:
        return "*"
    return ",".join(_item(draw, place) for _ in range(draw.choice((1, 1, 1, 2, 3))))


def _item(draw: random.Random, place: int) -> str:
    first, last = BOUNDS[place]
    if place in NAMES and draw.random() < 0.15:
        return draw.choice(NAMES[place])
    low = draw.randint(first, last)
    high = draw.randint(low, last + (draw.random() < 0.03))
    step = draw.randint(1, max(2, (last - first) // 2))
    forms = (f"{low}", f"{low}-{high}", f"*/{step}", f"{low}/{step}", f"{low}-{high}/{step}", "?")
    return draw.choice(forms)


def main() -> None:
    """Ask the real parser, and keep what it says."""
    lines = [f"2026-11-30T00:00:00Z UTC {one}" for one in expressions(random.Random(7), 900)]
    told = subprocess.run(
        ["go", "run", "."],
        cwd=HERE,
        input="\n".join(lines),
        capture_output=True,
        text=True,
        check=True,
    )
    TABLE.write_text(told.stdout)


if __name__ == "__main__":
    main()
