"""The other generators: where each comes from, in which version, and the images of those with scripts.

Debian's packages come from apt, the rest from the registries of their languages into the cache
outside of the checkout, by version.
"""

import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from tests.cluster import apt, costs, images
from tests.cluster.archive import layer_of_file, write_archive
from tests.cluster.commands import Argv, run, run_logged
from tests.cluster.errors import ClusterError
from tests.cluster.paths import HERE, cache_dir, key_of, locked, write
from tests.cluster.progress import say, step

JMETER, LOCUST = HERE / "jmeter", HERE / "locust"
_LAUNCHER = """\
#!/bin/sh
# As the launcher that comes with JMeter: JVM_ARGS are options of the virtual machine.
exec java $JVM_ARGS -jar "$(dirname "$(readlink -f "$0")")/ApacheJMeter.jar" "$@"
"""


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


def _from_maven(tool: Tool) -> Path:
    """JMeter's folder, as its launcher wants it, of the parts that Maven resolves."""
    program = tool.folder / "bin" / tool.name
    if not program.exists():
        apt.ensure(apt.JAVA_PACKAGES)
        parts = tool.folder / "lib"
        options = ["-B", "-q", f"-Djmeter={tool.version}", f"-DoutputDirectory={parts}"]
        _build(
            tool, ["mvn", *options, "-f", JMETER / "pom.xml", "dependency:copy-dependencies"], {}
        )
        _arrange(tool.folder)
        # Last, since it says that all is there.
        write(program, _LAUNCHER, 0o755)
    return program


def _arrange(home: Path) -> None:
    """Bring what Maven has copied to lib into the places where JMeter looks for it."""
    extensions, settings = home / "lib/ext", home / "bin"
    extensions.mkdir(exist_ok=True)
    (home / "lib/junit").mkdir(exist_ok=True)
    (config,) = home.glob("lib/ApacheJMeter_config-*.jar")
    with zipfile.ZipFile(config) as archive:
        archive.extractall(home, [name for name in archive.namelist() if name.startswith("bin/")])
    config.unlink()
    for part in home.glob("lib/ApacheJMeter_*.jar"):
        part.replace(extensions / part.name)
    (launcher,) = home.glob("lib/ApacheJMeter-*.jar")
    launcher.replace(settings / "ApacheJMeter.jar")


def _build(tool: Tool, argv: Argv, env: dict[str, str]) -> None:
    log = cache_dir() / "logs" / f"bench-{tool.name}.log"
    seconds = costs.expected([tool.name])
    about = f" (once, about {costs.words(seconds)})" if seconds else ""
    with (
        locked(cache_dir(), "the cache"),
        costs.noting(tool.name),
        step(f"installing {tool.name} {tool.version}{about}"),
    ):
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
        Tool("jmeter", "5.6.3", _from_maven),
    )
}
SCRIPTS = ("k6", "locust", "jmeter")
"""Those whose scripts perfrun runs: each has an image too."""
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


def image(name: str) -> str:
    """The image of a tool with scripts, made where the cache lacks it and given to the node.

    Returns its reference. The program is on the PATH of the image. Raises ClusterError.
    """
    tool, make = TOOLS[name], _IMAGES[name]
    tool.install(tool)
    recipe = sorted(path for path in (HERE / name).glob("*") if path.is_file())
    key = key_of(images.base_reference(), tool.version, *recipe)
    return images.give(f"localhost/perfrun-{name}:{key}", lambda reference: make(tool, reference))


def _k6_image(tool: Tool, reference: str) -> None:
    """Nothing but the program: no shell, no certificates, no Python."""
    with images.workspace(tool.name) as work:
        layer_of_file(tool.folder / tool.name, work / "layer.tar")
        config = {"Env": ["PATH=/"], "Entrypoint": ["/k6"], "User": "65532:65532"}
        write_archive(images.archive_of(reference), reference, work / "layer.tar", config)


def _locust_image(tool: Tool, reference: str) -> None:
    given = {"BASE": images.base_reference(), "VERSION": tool.version}
    images.build(reference, LOCUST, build_args=given).replace(images.archive_of(reference))


def _jmeter_image(tool: Tool, reference: str) -> None:
    given = {"BASE": images.base_reference()}
    built = images.build(reference, tool.folder, JMETER / "Dockerfile", given)
    built.replace(images.archive_of(reference))


_IMAGES = {"k6": _k6_image, "locust": _locust_image, "jmeter": _jmeter_image}
