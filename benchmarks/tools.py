"""The other generators: where each comes from, and which version is compared with.

Debian's packages come from apt, the rest from the registries of their languages into the cache
outside of the checkout, by version.
"""

import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from tests.cluster import apt
from tests.cluster.commands import Argv, run, run_logged
from tests.cluster.errors import ClusterError
from tests.cluster.paths import cache_dir, locked
from tests.cluster.progress import say, step


class MissingError(Exception):
    """A tool that is not here and cannot be installed; the message says why."""


@dataclass(frozen=True)
class Tool:
    """A program to compare with."""

    name: str
    version: str
    """Of what is installed from a registry; empty: whatever Debian has."""
    install: Callable[["Tool"], Path]
    """Installs it where it is not, and gives its program."""

    @property
    def folder(self) -> Path:
        """Where it is installed."""
        return cache_dir() / "bench" / f"{self.name}-{self.version}"


def _from_debian(tool: Tool) -> Path:
    if shutil.which(tool.name) is None:
        apt.ensure([_package(tool.name)])
    return Path(shutil.which(tool.name) or f"/usr/sbin/{tool.name}")


def _package(name: str) -> str:
    return {"nginx": "nginx-light"}.get(name, name)


def _from_go(module: str) -> Callable[[Tool], Path]:
    def install(tool: Tool) -> Path:
        program = tool.folder / tool.name
        if not program.exists():
            env = {"GOBIN": str(tool.folder), "GOTOOLCHAIN": "auto", "CGO_ENABLED": "0"}
            _build(tool, ["go", "install", f"{module}@v{tool.version}"], env)
        return program

    return install


def _from_crates(tool: Tool) -> Path:
    program = tool.folder / "bin" / tool.name
    if not program.exists():
        argv = ["cargo", "install", "--locked", "--version", tool.version, tool.name]
        _build(tool, [*argv, "--root", tool.folder], {})
    return program


def _from_pypi(tool: Tool) -> Path:
    program = tool.folder / "bin" / tool.name
    if not program.exists():
        run([sys.executable, "-m", "venv", tool.folder], what=f"a venv for {tool.name}")
        what = f"{tool.name}=={tool.version}"
        _build(tool, [tool.folder / "bin" / "pip", "install", "--quiet", what], {})
    return program


def _build(tool: Tool, argv: Argv, env: dict[str, str]) -> None:
    log = cache_dir() / "logs" / f"bench-{tool.name}.log"
    with locked(cache_dir(), "the cache"), step(f"installing {tool.name} {tool.version}"):
        run_logged(argv, log, what=f"installing {tool.name}", env=env)


TOOLS = {
    tool.name: tool
    for tool in (
        Tool("nginx", "", _from_debian),
        Tool("wrk", "", _from_debian),
        Tool("hey", "", _from_debian),
        Tool("oha", "1.16.0", _from_crates),
        Tool("vegeta", "12.13.0", _from_go("github.com/tsenart/vegeta/v12")),
        Tool("k6", "1.8.1", _from_go("go.k6.io/k6")),
        Tool("locust", "2.47.0", _from_pypi),
    )
}
_NUMBERS = re.compile(r"\d+(?:\.\d+)+")


def program(name: str) -> Path:
    """The program of a tool, installed where it was not. Raises MissingError."""
    tool = TOOLS[name]
    try:
        return tool.install(tool)
    except (ClusterError, OSError) as error:
        first = str(error).partition("\n")[0]
        raise MissingError(f"{name} is not here and could not be installed: {first}") from error


def available(names: Iterable[str], *, require: bool = False) -> dict[str, Path]:
    """The programs of those tools that are here or could be installed; says what could not.

    Raises MissingError for the first that could not, if all are required.
    """
    found = {}
    for name in names:
        try:
            found[name] = program(name)
        except MissingError as error:
            if require:
                raise
            say(str(error))
    return found


def version(name: str) -> str:
    """The version of a tool as the table gives it."""
    tool = TOOLS[name]
    if tool.version:
        return tool.version
    done = subprocess.run(
        ["dpkg-query", "-W", "-f", "${Version}", _package(name)],
        capture_output=True,
        text=True,
        check=False,
    )
    numbers = _NUMBERS.search(done.stdout)
    return numbers[0] if numbers else "?"
