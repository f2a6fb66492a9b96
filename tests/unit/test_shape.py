"""What a stranger to the code counts on: a name means one class, and a function fits a screen."""

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import perfrun

ROOT = Path(perfrun.__file__).parent
MODULES = {path.relative_to(ROOT): ast.parse(path.read_text()) for path in ROOT.rglob("*.py")}
MAX_LINES = 60
MAX_MODULES = 15
Function = ast.FunctionDef | ast.AsyncFunctionDef


def functions() -> Iterator[tuple[Path, Function]]:
    """Every function and method, and the module that it is in."""
    for module, tree in MODULES.items():
        for node in ast.walk(tree):
            if isinstance(node, Function):
                yield module, node


def length(function: Function) -> int:
    """The lines of a function. The parameters of a command are its options, each with its help:
    they are a table, and not counted."""
    decorators = [ast.unparse(one) for one in function.decorator_list]
    is_command = any(one.startswith("app.command") for one in decorators)
    start = function.body[0].lineno if is_command else function.lineno
    return (function.end_lineno or 0) - start + 1


def test_no_two_public_classes_have_the_same_name() -> None:
    modules = defaultdict(list)
    for module, tree in MODULES.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                modules[node.name].append(str(module))
    assert {name: found for name, found in modules.items() if len(found) > 1} == {}


def test_a_function_fits_a_screen() -> None:
    long = {f"{module}: {one.name}": length(one) for module, one in functions()}
    assert {place: lines for place, lines in long.items() if lines > MAX_LINES} == {}


def test_a_folder_has_few_modules() -> None:
    found: dict[str, int] = defaultdict(int)
    for module in MODULES:
        found[str(module.parent)] += module.name != "__init__.py"
    assert {folder: count for folder, count in found.items() if count > MAX_MODULES} == {}
