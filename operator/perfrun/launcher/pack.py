"""Copies the launcher, with everything that it needs to run, into a folder: ``pack.py FOLDER``.

That folder is mounted into the container of an image that may have no Python, a different C library
or no files at all except its program. So the interpreter is copied too: its program, the loader and
the shared libraries, and the few modules that the launcher imports. A launcher that really runs
reports which these are. ``argv`` is how it is started there.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

RUN, HIDING = (Path(__file__).with_name(name) for name in ("run.py", "hiding.py"))
LOADER, LIBRARIES, PROGRAM = "so/ld.so", "so", "bin/python3"
# Runs one command, and prints the files that this needed. In a separate process, because this one
# has loaded others.
_ASK = """
import json, runpy, sys
launcher = runpy.run_path(sys.argv[1])
launcher["main"](sys.argv[2])
mapped = [line.split()[-1] for line in open("/proc/self/maps") if ".so" in line]
loaded = [getattr(module, "__file__", None) for module in sys.modules.values()]
print(json.dumps([sorted(set(mapped)), [name for name in loaded if name]]))
"""


def argv(packed: str, folder: str) -> list[str]:
    """How to start the launcher in ``packed`` with ``folder``."""
    loader = [f"{packed}/{LOADER}", "--library-path", f"{packed}/{LIBRARIES}"]
    return [*loader, f"{packed}/{PROGRAM}", "-I", "-S", f"{packed}/run.py", folder]


def pack(into: Path) -> None:
    """Copy everything into it. Raises OSError."""
    mapped, loaded = _needed()
    for library in mapped:
        _copy(library, into / LIBRARIES / library.name)
        for name in _other_names(library.name):
            (into / LIBRARIES / name).symlink_to(library.name)
    (loader,) = (library for library in mapped if library.name.startswith("ld"))
    _copy(loader, into / LOADER)
    _copy(Path(sys.executable).resolve(), into / PROGRAM)
    for program in (RUN, HIDING):
        _copy(program, into / program.name)
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    home = Path(os.__file__).parent
    modules = into / "lib" / version
    (modules / "lib-dynload").mkdir(parents=True)  # by these two the interpreter finds its home
    for file in loaded:
        if ".so" in file.name:
            _copy(file, modules / "lib-dynload" / file.name)
        elif file.is_relative_to(home):
            _copy(file, modules / file.relative_to(home))


def _needed() -> tuple[list[Path], list[Path]]:
    """The shared libraries, and the files of modules, that running a command needs."""
    with tempfile.TemporaryDirectory() as folder:
        order = {"argv": ["/bin/true"], "env": {"S": "secret"}, "hidden": ["S"]}
        (Path(folder) / "start").write_text(json.dumps(order))
        ask = [sys.executable, "-I", "-S", "-c", _ASK, str(RUN), folder]
        told = json.loads(subprocess.run(ask, stdout=subprocess.PIPE, check=True).stdout)  # noqa: S603
    loaded = [Path(name) for name in told[1]]
    return [one for one in map(Path, told[0]) if one not in loaded], loaded


def _other_names(library: str) -> Iterator[str]:
    """Other names of a library: ``libffi.so.8.1`` and ``libffi.so.8`` of ``libffi.so.8.1.2``."""
    stem, _, version = library.partition(".so.")
    numbers = version.split(".")
    for count in range(1, len(numbers)):
        yield ".".join([f"{stem}.so", *numbers[:count]])


def _copy(file: Path, to: Path) -> None:
    to.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(file, to)


if __name__ == "__main__":
    pack(Path(sys.argv[1]))
