"""The example of a protocol from outside: as small as the documents say, and as they show it."""

import ast
import inspect
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from perfrun import extension
from perfrun.engine.extension.load import GROUP, SECONDS_TO_LOAD
from tests.unit.examples.commands import in_script, parsed

REPO = Path(__file__).parents[3]
EXAMPLE = REPO / "examples/protocols/websocket"
MODULE = (EXAMPLE / "perfrun_websocket.py").read_text()
PAGE = (REPO / "docs/how-to/protocols.md").read_text()
README = (EXAMPLE / "README.md").read_text()
MAX_LINES = 60


def test_the_module_is_small_and_the_page_says_how_small():
    lines = MODULE.count("\n")
    assert lines <= MAX_LINES
    assert f"its module has {lines} lines." in PAGE


def test_the_page_shows_the_module_as_it_is():
    assert f"```python\n{MODULE}```" in PAGE


def test_the_module_needs_one_module_of_perfrun():
    modules = {
        node.module for node in ast.walk(ast.parse(MODULE)) if isinstance(node, ast.ImportFrom)
    }
    assert {name for name in modules if name.startswith("perfrun")} == {"perfrun.extension"}


def test_the_entry_point_is_the_one_that_the_page_shows_and_the_manifest_names():
    project = tomllib.loads((EXAMPLE / "pyproject.toml").read_text())["project"]
    points = project["entry-points"][GROUP]
    (name,) = points
    shown = f'[project.entry-points."{GROUP}"]\n{name} = "{points[name]}"\n'
    assert shown in PAGE
    manifest: dict[str, Any] = yaml.safe_load((EXAMPLE / "websocket.yaml").read_text())
    assert manifest["spec"]["target"]["extension"]["kind"] == name


def test_the_page_names_every_method_and_the_times_that_it_has():
    methods = {name for name, _ in inspect.getmembers(extension.Extension, inspect.isfunction)}
    asked = set(re.findall(r"^\| `(?:async )?(\w+)\(self", PAGE, re.MULTILINE))
    assert asked == {name for name in methods if name != "__init__"} | {"__init__"}
    assert f"imported within {SECONDS_TO_LOAD:g} s" in PAGE
    assert extension.CLOSE_SECONDS == 2
    assert "it has two seconds" in PAGE


@pytest.mark.parametrize("name", ["path", "scheme", "send", "expect"])
def test_the_readme_names_what_a_test_can_say(name: str):
    assert f"| `{name}` |" in README
    assert re.search(rf"\b{name}: str", MODULE)


def test_commands_of_the_readme_exist_with_their_options():
    scripts = re.findall(r"^```sh\n(.*?)^```", README, re.DOTALL | re.MULTILINE)
    found = [words for script in scripts for words in in_script(script)]
    assert found
    for words in found:
        parsed(words)


def test_links_lead_somewhere():
    for text, folder in ((PAGE, REPO / "docs/how-to"), (README, EXAMPLE)):
        for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", text):
            assert (folder / target).exists(), target
