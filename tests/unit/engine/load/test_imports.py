"""What makes a load knows no protocol: a kind of target is no burden to the others."""

import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import perfrun.engine.load

_MODULES = {path.stem for path in Path(*perfrun.engine.load.__path__).glob("[a-z]*.py")}
_WITH_TLS = {"setup_teardown"}
"""They compile and check requests, whose errors have those of TLS among them."""
_IMPORT = """
import sys
from importlib import import_module

# None in its place is an ImportError. asyncio asks for ssl too, and does without it.
for name in sys.argv[1].split():
    sys.modules[name] = None
for module in sys.argv[2:]:
    import_module(f"perfrun.engine.load.{module}")
print(*(name for name in sys.modules if name.startswith("perfrun.engine.")))
"""


def rooms(modules: Iterable[str], without: str) -> set[str]:
    """The rooms of the engine that some modules load, where some packages cannot be loaded."""
    got = subprocess.run(
        [sys.executable, "-c", _IMPORT, without, *sorted(modules)],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return {name.split(".")[2] for name in got.stdout.split()}


def test_what_makes_a_load_loads_no_kind_of_target() -> None:
    found = rooms(_MODULES, "httptools hpack")
    assert found <= {"load", "record", "data", "response", "compiled", "errors"}


def test_what_paces_a_load_loads_no_tls() -> None:
    assert {"kind", "pacers", "execution"} <= _MODULES - _WITH_TLS
    assert "http" not in rooms(_MODULES - _WITH_TLS, "ssl httptools hpack")
