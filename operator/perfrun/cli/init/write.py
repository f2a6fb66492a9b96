"""Writes a draft as commented YAML."""

import re
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import yaml

from perfrun.api import API_VERSION, Json
from perfrun.cli.init.draft import ALL_CLASSES, Draft, ScenarioDraft, StepDraft
from perfrun.cli.init.texts import one_line
from perfrun.local.files.scalars import kubernetes_float, kubernetes_int

_WIDTH = 100


class _Dumper(yaml.SafeDumper):
    """No anchors, for the sake of the reader."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002
        return True


_PLAIN = re.compile(
    r"(?!(?:y|n|yes|no|on|off|true|false|null|nan|inf)\Z)[A-Za-z/][^\r\n]*\Z"
    r"|[0-9]+(?:\.[0-9]+)?(?:ns|us|ms|s|m|h|%|/s|/m|/min|/h)\Z",
    re.IGNORECASE,
)
"""Texts that no version of YAML reads as a number, a date, a boolean or null."""


def _text(dumper: _Dumper, text: str) -> yaml.Node:
    # Templates contain single quotes. Invisible characters are escaped: line breaks other than \\n
    # would be read as \\n.
    readable = "'" in text and not set(text) & {'"', "\\"}
    plain = None if _PLAIN.match(text) else "'"
    style = '"' if readable or not text.isprintable() else plain
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text)


def write_drafts(drafts: Iterable[Draft], file: str) -> str:
    """The documents of a file that will be called ``file``."""
    return "---\n".join(_document(draft, file) for draft in drafts)


def yaml_text(document: Json) -> str:
    """A document for people to read, without comments."""
    return "\n".join(_block(document, 0)) + "\n"


def manifest(draft: Draft) -> Json:
    """The object that a draft stands for; reading the written text has to give the same."""
    spec: Json = {"target": {"http": {"url": draft.url, **draft.http}}}
    if draft.script:
        spec = {"target": {"script": draft.script}}
    if draft.variables:
        spec["variables"] = dict(draft.variables)
    if draft.feeds:
        spec["feeds"] = list(draft.feeds)
    for place, steps in (("setup", draft.setup), ("teardown", draft.teardown)):
        if steps:
            spec[place] = [_step(step, ALL_CLASSES) for step in steps]  # none is judged
    if draft.scenarios:
        spec["scenarios"] = [
            {
                "name": scenario.name,
                "weight": scenario.weight,
                "steps": [_step(step, draft.load.rare) for step in scenario.steps],
            }
            for scenario in draft.scenarios
        ]
    spec["load"] = draft.load.load
    if draft.load.slos or not draft.script:
        spec["slos"] = list(draft.load.slos)
    if draft.pod:
        spec["podTemplate"] = draft.pod
    metadata = {"name": draft.name}
    if draft.namespace:
        metadata["namespace"] = draft.namespace
    return {"apiVersion": API_VERSION, "kind": "PerfTest", "metadata": metadata, "spec": spec}


def _document(draft: Draft, file: str) -> str:
    whole = manifest(draft)
    spec = whole["spec"]
    data = {name: spec[name] for name in ("variables", "feeds") if name in spec}
    lines = [
        *_comment(draft.notes, 0),
        *_comment((f"Check it with perfrun validate {file}, run it with perfrun run {file}.",), 0),
        *(line for name in ("apiVersion", "kind", "metadata") for line in _field(whole, name, 0)),
        "spec:",
        *_comment(draft.target_notes, 2),
        *_field(spec, "target", 2),
        *_comment(draft.data_notes if data else (), 2),
        *(line for name in data for line in _field(data, name, 2)),
        *_steps("setup", draft.setup, spec),
        *_steps("teardown", draft.teardown, spec),
        *_comment(draft.scenario_notes, 2),
        *(("  scenarios:",) if draft.scenarios else ()),
    ]
    for scenario, written in zip(draft.scenarios, spec.get("scenarios", ()), strict=True):
        lines += _scenario(scenario, written)
    lines += [*_comment(draft.load.notes, 2), *_field(spec, "load", 2)]
    if "slos" in spec:
        lines += [*_comment(_SLO_NOTES, 2), *_field(spec, "slos", 2)]
    if "podTemplate" in spec:
        lines += _field(spec, "podTemplate", 2)
    return "\n".join(lines) + "\n"


_SLO_NOTES = (
    "Objectives: set the limits to what your users need. A missed objective gives Warn, or "
    "Fail with onBreach: Fail.",
)


def _scenario(scenario: ScenarioDraft, written: Json) -> Iterator[str]:
    head = {name: value for name, value in written.items() if name != "steps"}
    yield from _block([head], 2, flow=False)
    yield from _steps("steps", scenario.steps, written, 4)


def _steps(name: str, steps: Sequence[StepDraft], written: Json, indent: int = 2) -> Iterator[str]:
    if not steps:
        return
    yield f"{' ' * indent}{name}:"
    for step, one in zip(steps, written[name], strict=True):
        yield from _comment(step.notes, indent)
        yield from _block([one], indent)


def _step(step: StepDraft, rare: frozenset[str]) -> Json:
    http: Json = {} if step.method == "GET" else {"method": step.method}
    http["path"] = step.path
    if step.headers:
        http["headers"] = list(step.headers)
    if step.json is not None:
        http["json"] = _kept(step.json)
    if step.body is not None:
        http["body"] = step.body
    written: Json = {"name": step.name}
    if step.class_ not in rare:
        written["class"] = step.class_
    written["http"] = http
    expect: Json = {"status": list(step.status)} if step.status else {}
    if step.expect_json:
        expect["json"] = {path: _kept(one) for path, one in step.expect_json.items()}
    if expect:
        written["expect"] = expect
    if step.extract:
        written["extract"] = dict(step.extract)
    if step.think_ms:
        written["thinkTime"] = f"{step.think_ms}ms"
    return written


def _kept(value: Any) -> Any:
    """A JSON value as an API server stores it: 2.0 becomes 2."""
    if isinstance(value, dict):
        return {key: _kept(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_kept(one) for one in value]
    if isinstance(value, float):
        return kubernetes_float(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return kubernetes_int(value)
    return value


def _field(owner: Json, name: str, indent: int) -> list[str]:
    return _block({name: owner[name]}, indent, flow=None if indent else False)


def _block(value: Any, indent: int, *, flow: bool | None = None) -> list[str]:
    """``flow`` None: something without nested collections is written on one line, as in ``{rate:
    10/s}``."""
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
        text = one_line(sentence, 600)
        yield from textwrap.wrap(
            text if text.endswith((".", ":")) else f"{text}.",
            _WIDTH,
            initial_indent=prefix,
            subsequent_indent=prefix,
            break_on_hyphens=False,
        )
