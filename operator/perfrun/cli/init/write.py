"""From a draft to commented YAML."""

import textwrap
from collections.abc import Iterable, Iterator
from typing import Any

import yaml

from perfrun.api import API_VERSION
from perfrun.cli.init.draft import Draft, Json, ScenarioDraft, StepDraft
from perfrun.cli.init.texts import one_line

_WIDTH = 100


class _Dumper(yaml.SafeDumper):
    """No anchors: a person reads it."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002
        return True


def _text(dumper: _Dumper, text: str) -> yaml.Node:
    # Templates have single quotes in them. What cannot be seen is escaped: line breaks other than
    # \n would be read as \n.
    readable = "'" in text and not set(text) & {'"', "\\"}
    style = '"' if readable or not text.isprintable() else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text)


def write_drafts(drafts: Iterable[Draft], file: str) -> str:
    """The documents of a file that is to be called ``file``."""
    return "---\n".join(_document(draft, file) for draft in drafts)


def _document(draft: Draft, file: str) -> str:
    lines = [
        *_comment(draft.notes, 0),
        *_comment((f"Check it with perfrun validate {file}, run it with perfrun run {file}.",), 0),
        f"apiVersion: {API_VERSION}",
        "kind: PerfTest",
        *_block({"metadata": {"name": draft.name}}, 0),
        "spec:",
        *_comment(draft.target_notes, 2),
        *_block({"target": {"http": {"url": draft.url, **draft.http}}}, 2),
        *_data(draft),
        *_comment(draft.scenario_notes, 2),
        "  scenarios:",
    ]
    for scenario in draft.scenarios:
        lines += _scenario(scenario, draft.load.rare)
    lines += [
        *_comment(draft.load.notes, 2),
        *_block({"load": draft.load.load}, 2),
        *_comment(_SLO_NOTES, 2),
        *_block({"slos": list(draft.load.slos)}, 2),
    ]
    return "\n".join(lines) + "\n"


_SLO_NOTES = (
    "What it has to meet: set the limits to what your users need. A miss is a Warn, with "
    "onBreach: Fail it fails the run.",
)


def _data(draft: Draft) -> Iterator[str]:
    if not draft.variables and not draft.feeds:
        return
    yield from _comment(draft.data_notes, 2)
    if draft.variables:
        yield from _block({"variables": dict(draft.variables)}, 2)
    if draft.feeds:
        yield from _block({"feeds": list(draft.feeds)}, 2)


def _scenario(scenario: ScenarioDraft, rare: frozenset[str]) -> Iterator[str]:
    yield from _block([{"name": scenario.name, "weight": scenario.weight}], 2, flow=False)
    yield "    steps:"
    for step in scenario.steps:
        yield from _comment(step.notes, 4)
        yield from _block([_step(step, rare)], 4)


def _step(step: StepDraft, rare: frozenset[str]) -> Json:
    http: Json = {} if step.method == "GET" else {"method": step.method}
    http["path"] = step.path
    if step.headers:
        http["headers"] = list(step.headers)
    if step.json is not None:
        http["json"] = step.json
    if step.body is not None:
        http["body"] = step.body
    written: Json = {"name": step.name}
    if step.class_ not in rare:
        written["class"] = step.class_
    written["http"] = http
    if step.status:
        written["expect"] = {"status": list(step.status)}
    if step.think_ms:
        written["thinkTime"] = f"{step.think_ms}ms"
    return written


def _block(value: Any, indent: int, *, flow: bool | None = None) -> list[str]:
    """``flow`` None: what holds nothing deeper stands on one line, as in ``{rate: 10/s}``."""
    text = yaml.dump(
        value,
        Dumper=_Dumper,
        sort_keys=False,
        allow_unicode=True,
        default_flow_style=flow,
        width=1_000_000,
    )
    return [" " * indent + line if line else line for line in text.rstrip("\n").split("\n")]


def _comment(sentences: Iterable[str], indent: int) -> Iterator[str]:
    prefix = " " * indent + "# "
    for sentence in sentences:
        yield from textwrap.wrap(
            one_line(sentence, 600),
            _WIDTH,
            initial_indent=prefix,
            subsequent_indent=prefix,
            break_on_hyphens=False,
        )
