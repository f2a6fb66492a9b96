"""A dashboard as its JSON has it."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Json = dict[str, Any]

FOLDER = Path(__file__).parents[2] / "charts/perfrun/dashboards"
RATE_INTERVAL = "15s"
"""Grafana's is at least four scrape intervals; the Prometheus of the tests scrapes each second."""
_VARIABLE = re.compile(r"\$\{?(\w+)(?::\w+)?\}?")


@dataclass(frozen=True)
class Query:
    """One expression of a panel."""

    expression: str
    legend: str
    instant: bool

    @property
    def live(self) -> bool:
        """Whether it shows only what is in progress."""
        return "perfrun_live_" in self.expression and "vector(0)" not in self.expression


@dataclass(frozen=True)
class Panel:
    """A panel that is no row."""

    body: Json

    @property
    def title(self) -> str:
        """What is written above it."""
        return str(self.body["title"])

    @property
    def kind(self) -> str:
        """Grafana's type, such as timeseries."""
        return str(self.body["type"])

    @property
    def defaults(self) -> Json:
        """How its fields are shown."""
        found: Json = self.body["fieldConfig"]["defaults"]
        return found

    @property
    def queries(self) -> list[Query]:
        """In their order."""
        return [
            Query(target["expr"], target["legendFormat"], target["instant"])
            for target in self.body["targets"]
        ]


@dataclass(frozen=True)
class Dashboard:
    """One file of the chart."""

    name: str
    body: Json

    @property
    def panels(self) -> list[Panel]:
        """All but the rows."""
        return [Panel(body) for body in self.body["panels"] if body["type"] != "row"]

    @property
    def variables(self) -> dict[str, Json]:
        """By name."""
        return {one["name"]: one for one in self.body["templating"]["list"]}


def dashboards() -> list[Dashboard]:
    """Those of the chart, by name."""
    return [Dashboard(path.stem, json.loads(path.read_text())) for path in sorted(FOLDER.glob("*"))]


def variables_in(text: str) -> set[str]:
    """The names of the variables that a text holds."""
    return set(_VARIABLE.findall(text))


def substituted(expression: str, values: Mapping[str, str]) -> str:
    """An expression with its variables replaced, as Grafana does. Raises KeyError."""
    known = {"__rate_interval": RATE_INTERVAL, **values}
    return _VARIABLE.sub(lambda match: known[match[1]], expression)
