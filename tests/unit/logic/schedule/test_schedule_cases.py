"""docs/reference/schedules-cases.md: every test that it names is there, and no case is left out."""

import ast
import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[3]
PAGE = (TESTS.parent / "docs/reference/schedules-cases.md").read_text()
USUAL = "unit/logic/schedule/test_schedule_cronjob.py"
SECTIONS = [section.partition("\n") for section in PAGE.split("\n## ")[1:]]
NAMED = sorted(set(re.findall(r"`([\w/.:]*\btest_\w+)`", PAGE)))


def cases(text: str) -> list[int]:
    return [
        int(number) for number in re.findall(r"^\|.*\| (\d+) \|.*`[\w/.:]*\btest_\w+`", text, re.M)
    ]


def functions(file: str) -> set[str]:
    """The names of a file's functions, those of a class below it."""
    found = set()
    for node in ast.parse((TESTS / file).read_text()).body:
        inside = node.body if isinstance(node, ast.ClassDef) else [node]
        prefix = f"{node.name}::" if isinstance(node, ast.ClassDef) else ""
        for one in inside:
            if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef):
                found.add(f"{prefix}{one.name}")
    return found


@pytest.mark.parametrize("named", NAMED)
def test_a_test_that_is_named_is_there(named: str) -> None:
    file, _, name = named.partition(".py::")
    where, what = (f"{file}.py", name) if name else (USUAL, named)
    assert what in functions(where)


@pytest.mark.parametrize(("heading", "body"), [(one, text) for one, _, text in SECTIONS])
def test_every_case_has_a_row_with_a_test(heading: str, body: str) -> None:
    rows = [line for line in body.splitlines() if line.startswith("| ")][1:]
    assert len(cases(body)) == len(rows)
    assert sum(cases(body)) == int(re.findall(r"\((\d+)\)", heading)[0])


def test_the_sum_is_the_one_that_is_told() -> None:
    assert f"{sum(cases(PAGE))} cases" in PAGE
