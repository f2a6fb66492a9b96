"""SVG as text, with all contents escaped."""

from markupsafe import Markup, escape

from perfrun.api.sentence import printable

MAX_CHARACTERS = 2048
"""Maximum length of a text from others; the rest is left out."""

Attribute = str | float | None


def clean(text: str, most: int = MAX_CHARACTERS) -> str:
    """Foreign text for display: without invisible characters, and not too long."""
    shown = printable(text)
    return shown if len(shown) <= most else shown[: most - 1] + "…"


def element(name: str, *children: str, **attributes: Attribute) -> Markup:
    """One element. Names are ours; texts and values are escaped unless they are Markup.

    ``class_`` becomes ``class``, and other underscores become hyphens; an attribute that is None is
    left out.
    """
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{_value(value)}"'
        for key, value in attributes.items()
        if value is not None
    )
    inner = "".join(escape(_shown(child)) for child in children)
    return Markup(f"<{name}{written}>{inner}</{name}>")  # noqa: S704 (all parts are escaped)


def number(value: float) -> str:
    """At most one decimal: a tenth of a pixel is enough."""
    return f"{value:.1f}".removesuffix(".0")


def percent(place: float) -> str:
    """A position from 0 to 1, as SVG and CSS write it."""
    return f"{place * 100:.2f}".rstrip("0").rstrip(".") + "%"


def _value(value: str | float) -> str:
    return str(escape(_shown(value))) if isinstance(value, str) else number(value)


def _shown(text: str) -> str:
    return text if isinstance(text, Markup) else clean(text)
