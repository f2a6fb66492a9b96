"""What a stranger to the code counts on: a name means one class, a function fits a screen, and every
module can be loaded."""

import ast
from collections import defaultdict
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

import perfrun

ROOT = Path(perfrun.__file__).parent
MODULES = {path.relative_to(ROOT): ast.parse(path.read_text()) for path in ROOT.rglob("*.py")}
MAX_LINES = 60
MAX_MODULES = 15
OF_TOOLS = {"perfrun.engine.script.tools.locust_listener"}
"""Modules that only the Python of a tool can load."""
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


def imported(node: ast.AST) -> set[str]:
    """The names that the imports in a node bind."""
    return {
        (name.asname or name.name).partition(".")[0]
        for one in ast.walk(node)
        if isinstance(one, ast.Import | ast.ImportFrom)
        for name in one.names
    }


def is_for_types(node: ast.AST) -> bool:
    """Whether it is ``if TYPE_CHECKING:``."""
    return isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING")


def missing_at_run_time(tree: ast.Module) -> set[str]:
    """Uses of names that are imported for type checkers only, outside of annotations that Python
    does not evaluate; ``NAME in line N``."""
    for_types = {name for one in ast.walk(tree) if is_for_types(one) for name in imported(one)}
    lazy = any(isinstance(one, ast.ImportFrom) and one.module == "__future__" for one in tree.body)
    found = set()

    def visit(node: ast.AST, missing: set[str], *, inside: bool) -> None:
        """``inside``: a function, which evaluates no annotation of its variables."""
        if is_for_types(node):
            return
        if isinstance(node, ast.Name) and node.id in missing:
            found.add(f"{node.id} in line {node.lineno}")
        for field, value in ast.iter_fields(node):
            is_evaluated = not lazy and not (inside and isinstance(node, ast.AnnAssign))
            if field in ("annotation", "returns") and not is_evaluated:
                continue
            body = field == "body" and isinstance(node, Function | ast.Lambda)
            for one in value if isinstance(value, list) else [value]:
                if isinstance(one, ast.AST):
                    visit(one, missing - imported(node) if body else missing, inside=inside or body)

    if for_types:
        visit(tree, for_types, inside=False)
    return found


@pytest.mark.parametrize(
    ("use", "found"),
    [
        ("isinstance(one, Engine)", {"Engine in line 4"}),
        ("def start(engine: Engine) -> None: ...", {"Engine in line 4"}),
        ("def is_one(one):\n    return isinstance(one, Engine)", {"Engine in line 5"}),
        ("engine: Engine", {"Engine in line 4"}),
        ('def start(engine: "Engine") -> None: ...', set()),
        ("def start():\n    engines: list[Engine] = []", set()),
        ("def start():\n    from engine import Engine\n    return Engine()", set()),
    ],
)
def test_names_for_type_checkers_are_found_where_they_are_used(use: str, found: set[str]) -> None:
    start = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from engine import Engine\n"
    assert missing_at_run_time(ast.parse(start + use)) == found
    assert missing_at_run_time(ast.parse("from engine import Engine\n" + use)) == set()


def test_no_module_uses_what_it_imports_for_type_checkers_only() -> None:
    found = {str(module): missing_at_run_time(tree) for module, tree in MODULES.items()}
    assert {module: names for module, names in found.items() if names} == {}


def test_every_module_can_be_loaded() -> None:
    names = {".".join(("perfrun", *module.with_suffix("").parts)) for module in MODULES}
    for name in sorted(names - OF_TOOLS):
        import_module(name.removesuffix(".__init__"))
