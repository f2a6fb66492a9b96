"""A dashboard drawn from its own JSON, on data that is given."""

from dataclasses import dataclass, field

import pytest

from tests.dashboards.model import Dashboard, dashboards
from tests.dashboards.page import Source, merged, page
from tests.e2e.prometheus import Prometheus, Series

BOARDS = {board.name: board for board in dashboards()}
START = 1_795_313_000.0


@dataclass(frozen=True)
class Given(Prometheus):
    """Answers each query that holds a text with the series that stand beside it."""

    answers: dict[str, Series] = field(default_factory=dict)

    def query(self, expression: str, time: float | None = None) -> Series:
        return next((found for text, found in self.answers.items() if text in expression), [])

    def query_range(self, expression: str, start: float, end: float, step: float) -> Series:
        return [
            {
                "metric": one["metric"],
                "values": [[start + step * n, one["value"][1]] for n in range(9)],
            }
            for one in self.query(expression)
        ]


def drawn(board: Dashboard, **answers: Series) -> str:
    values = {"namespace": "team", "test": "api", "step": ".*", "job": "perfrun"}
    return page(board, Source(Given(answers=answers), values, START, START + 600))


def series(value: str, **labels: str) -> Series:
    return [{"metric": labels, "value": [START, value]}]


@pytest.mark.parametrize("name", sorted(BOARDS))
def test_every_panel_is_there_also_without_data(name: str) -> None:
    html = drawn(BOARDS[name])
    for body in BOARDS[name].body["panels"]:
        assert body["title"] in html
    assert "No data" in html


def test_row_of_a_test_has_its_verdict_and_its_figures() -> None:
    of = {"namespace": "team", "test": "api"}
    html = drawn(
        BOARDS["overview"],
        perfrun_verdict=series("1", verdict="Warn", **of),
        perfrun_latency_seconds=series("0.012", **of),
    )
    assert '<td style="background:#ff780a;color:#fff">Warn</td>' in html
    assert "<td>12 ms</td>" in html


def test_rows_are_merged_by_the_labels_that_all_results_have() -> None:
    state = series("1", test="api", state="Stable") + series("1", test="shop", state="Suspect")
    rows = merged({"A": state, "B": series("5", test="api"), "C": []})
    assert rows == [
        {"test": "api", "state": "Stable", "A": 1.0, "B": 5.0},
        {"test": "shop", "state": "Suspect", "A": 1.0},
    ]
    assert merged({"A": []}) == []


def test_series_have_their_names_and_colours_in_the_legend() -> None:
    html = drawn(BOARDS["test"], perfrun_requests_total=series("3", outcome="failed"))
    assert '<b style="color:#e02f44">&#9644;</b> failed' in html
    assert 'stroke="#e02f44"' in html


def test_names_of_series_are_text_and_no_markup() -> None:
    html = drawn(BOARDS["test"], perfrun_live_requests=series("3", outcome="<script>"))
    assert "&lt;script&gt;" in html
    assert "<script>" not in html
