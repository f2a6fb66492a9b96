"""What a panel says about how values are shown: names, texts, colours."""

import re
from collections.abc import Mapping

from tests.dashboards.model import Json, Panel

COLOURS = {
    "green": "#56a64b",
    "blue": "#3274d9",
    "purple": "#a352cc",
    "orange": "#ff780a",
    "yellow": "#e0b400",
    "red": "#e02f44",
    "dark-red": "#9b1c2b",
    "text": "#24292e",
    "transparent": "transparent",
}
PALETTE = ("#56a64b", "#e0b400", "#3274d9", "#ff780a", "#e02f44", "#a352cc", "#12939a", "#8d6e63")


def name_of(legend: str, labels: Mapping[str, str]) -> str:
    """A series' name by its legend, or else by its labels."""
    if legend:
        return re.sub(r"\{\{(\w+)\}\}", lambda found: labels.get(found[1], ""), legend)
    return ", ".join(f"{name}={value}" for name, value in labels.items()) or "Value"


def overridden(panel: Panel, name: str) -> Json:
    """How a field of that name is shown."""
    found = dict(panel.defaults)
    for override in panel.body["fieldConfig"]["overrides"]:
        if override["matcher"] == {"id": "byName", "options": name}:
            found |= {one["id"]: one["value"] for one in override["properties"]}
    return found


def line_colour(options: Json, number: int) -> str:
    """The fixed colour of a field, or that of its place."""
    fixed = options["color"].get("fixedColor")
    return COLOURS[fixed] if fixed else PALETTE[number % len(PALETTE)]


def mapped(defaults: Json, value: float | str) -> tuple[str, str] | None:
    """The text and colour that a value is replaced by."""
    text = f"{value:g}" if isinstance(value, float) else value
    for mapping in defaults.get("mappings", []):
        option = mapping["options"].get(text)
        if option is not None:
            return option["text"], COLOURS[option["color"]]
    return None


def threshold_colour(defaults: Json, value: float) -> str:
    """The colour of the highest threshold that a value has reached."""
    colour = "text"
    for step in defaults["thresholds"]["steps"]:
        if step["value"] is None or value >= step["value"]:
            colour = step["color"]
    return COLOURS[colour]
