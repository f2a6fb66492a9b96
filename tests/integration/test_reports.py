"""Two real runs, kept as files, and what perfrun report and compare make of them."""

import json
import xml.etree.ElementTree as ET

from tests.integration.test_local_run import Cli, Target, cli, target

__all__ = ["cli", "target"]

LOAD = "{workers: 2, burst: {requests: 400, concurrency: 4}}"
SLOS = "[{metric: successRate, min: 100%}, {metric: latency.p95, max: 10s}]"


def perfrun(cli: Cli, *arguments: object) -> tuple[int, str, str]:
    with cli.start(*arguments) as process:
        out, err = process.communicate(timeout=40)
        return process.returncode, out, err


def test_two_runs_are_reported_and_compared(cli: Cli, target: Target) -> None:
    good = cli.manifest("api", target.url + "/good", LOAD, SLOS)
    forms = ("--junit", "j.xml", "--md", "s.md", "--html", "p.html")
    code, printed, err = cli.run(good, "--result", "one.json", *forms)
    assert code == 0, printed + err
    bad = cli.manifest("api", target.url + "/bad", LOAD, SLOS)
    assert cli.run(bad, "--result", "two.json")[0] == 0

    assert ET.parse(cli.folder / "j.xml").getroot().get("tests") == "3"
    assert (cli.folder / "s.md").read_text().startswith("### ✔ Pass: shop/api\n")
    assert "shop/api" in (cli.folder / "p.html").read_text()

    # The report of the file is the one that the run itself has printed and written.
    assert perfrun(cli, "report", "one.json") == (0, printed, "")
    assert perfrun(cli, "report", "one.json", "--md", "-")[1] == (cli.folder / "s.md").read_text()

    code, out, err = perfrun(cli, "compare", "one.json", "two.json", "--html", "c.html")
    assert (code, out, err) == (0, "", "")
    code, out, err = perfrun(cli, "compare", "one.json", "two.json")
    assert (code, err) == (0, "")
    told = " ".join(out.split())
    assert "no change is shown: one run of each does not show how much runs vary" in told
    assert "errorRate +100 points" in told
    assert "do not measure the same" in told
    assert f"target.http.url is {target.url}/good and {target.url}/bad" in told

    assert perfrun(cli, "compare", "one.json", "two.json", "--json", "c.json")[0] == 0
    rows = json.loads((cli.folder / "c.json").read_text())["rows"]
    errors = next(row for row in rows if row["name"] == "errorRate")
    assert [cell["text"] for cell in errors["cells"]] == ["0%", "100%"]
