"""The environment of our templates: everything is escaped, and invisible characters are removed."""

import base64
import hashlib
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from perfrun.api.run.perfrun import Verdict
from perfrun.report.html.drawing import draw, legend
from perfrun.report.html.svg import clean, element

_PACKAGE = "perfrun.report.html"
_COLOURS = {
    Verdict.PASS: "#1a7f4b",
    Verdict.WARN: "#b35c00",
    Verdict.FAIL: "#c02020",
    Verdict.ERROR: "#c02020",
}


def render(template: str, verdict: Verdict | None, mark: str, **values: Any) -> str:
    """A whole page. Its icon shows ``verdict`` and ``mark``."""
    script = _asset("reader.js")
    return (
        _environment()
        .get_template(template)
        .render(
            style=Markup(_asset("style.css")),  # noqa: S704 (ours)
            script=Markup(script),  # noqa: S704 (ours)
            policy=_policy(script),
            icon=_icon(verdict, mark),
            mark=mark,
            **values,
        )
    )


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader(_PACKAGE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        # Called for every expression in every template, before it is escaped.
        finalize=lambda value: clean(value) if _is_foreign(value) else value,
    )
    environment.globals.update(draw=draw, legend=legend)
    return environment


def _is_foreign(value: Any) -> bool:
    return isinstance(value, str) and not isinstance(value, Markup)


@cache
def _asset(name: str) -> str:
    return (files(_PACKAGE) / "templates" / name).read_text(encoding="utf-8")


def _policy(script: str) -> str:
    """The content security policy: no network access, and no scripts except ours."""
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return (
        "default-src 'none'; style-src 'unsafe-inline'; img-src data:; "
        f"script-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    )


def _icon(verdict: Verdict | None, mark: str) -> str:
    """The verdict in the browser's tab."""
    colour = _COLOURS.get(verdict, "#59636e") if verdict is not None else "#59636e"
    svg = element(
        "svg",
        element("circle", cx=8, cy=8, r=8, fill=colour),
        element(
            "text",
            mark,
            x=8,
            y=12,
            fill="#fff",
            font_size=11,
            text_anchor="middle",
            font_family="sans-serif",
        ),
        xmlns="http://www.w3.org/2000/svg",
        viewBox="0 0 16 16",
    )
    return "data:image/svg+xml;base64," + base64.b64encode(svg.encode()).decode()
