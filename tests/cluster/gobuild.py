"""Kubernetes and its companions, compiled from pinned Go modules into the cache."""

import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tests.cluster import costs
from tests.cluster.commands import run_logged
from tests.cluster.errors import Unsupported
from tests.cluster.paths import HERE, cache_dir, key_of, locked
from tests.cluster.progress import step

GO_FOLDER = HERE / "go"
_VERSION = re.compile(r"v?(\d+)\.(\d+)(?:\.(\d+))?")


@dataclass(frozen=True)
class Module:
    """A Go module of ours: the tools that it pins, and how the version gets into them."""

    name: str
    tools: tuple[str, ...]
    requires: str = ""
    stamps: tuple[str, ...] = ()
    package: str = "tool"

    @property
    def folder(self) -> Path:
        """Where its go.mod is."""
        return GO_FOLDER / self.name

    def version(self) -> str:
        """The pinned version of the main requirement, such as v1.35.4."""
        return required_version((self.folder / "go.mod").read_text(), self.requires)

    def ldflags(self) -> str:
        """Linker flags: small binaries that know their version."""
        stamps = [stamp.format(v=self.version()) for stamp in self.stamps]
        return " ".join(["-s", "-w", *(f"-X {stamp}" for stamp in stamps)])

    def key(self) -> str:
        """Changes with anything that changes the binaries."""
        sources = [p for p in sorted(self.folder.iterdir()) if p.suffix in {".mod", ".sum", ".go"}]
        return key_of(self.ldflags(), os.uname().machine, *sources)

    def output(self) -> Path:
        """The folder in the cache that has, or will have, the binaries."""
        return cache_dir() / "bin" / f"{self.name}-{self.key()}"


_K8S = "k8s.io/component-base/version."
_HELM = "helm.sh/helm/v3/"
# Helm takes the Kubernetes version for `helm template` from here; its default is years old.
_HELM_KUBE = (".k8sVersionMajor=1", ".k8sVersionMinor=35")

KUBERNETES = Module(
    "kubernetes",
    (
        "kube-apiserver",
        "kube-controller-manager",
        "kube-scheduler",
        "kubelet",
        "kube-proxy",
        "kubectl",
    ),
    "k8s.io/kubernetes",
    # Without it the server says v0.0.0 and clients refuse to compare versions.
    (_K8S + "gitVersion={v}", _K8S + "gitMajor=1", _K8S + "gitMinor=35"),
)
COREDNS = Module("coredns", ("coredns",), "github.com/coredns/coredns", package=".")
METRICS_SERVER = Module("metrics-server", ("metrics-server",), "sigs.k8s.io/metrics-server")
HELM = Module(
    "helm",
    ("helm",),
    "helm.sh/helm/v3",
    (
        _HELM + "internal/version.version={v}",
        *(_HELM + "pkg/chartutil" + stamp for stamp in _HELM_KUBE),
        *(_HELM + "pkg/lint/rules" + stamp for stamp in _HELM_KUBE),
    ),
)
PAUSE = Module("pause", ("pause",), package=".")
KSTATUS = Module("kstatus", ("kstatus",), "sigs.k8s.io/cli-utils", package=".")
ACTIONLINT = Module("actionlint", ("actionlint",), "github.com/rhysd/actionlint")
HELM_DOCS = Module("helm-docs", ("helm-docs",), "github.com/norwoodj/helm-docs")
CLUSTER = (KUBERNETES, HELM, COREDNS, PAUSE)
"""What a cluster is made of; the metrics server comes when a test asks for it."""
ALL = (*CLUSTER, METRICS_SERVER, KSTATUS, ACTIONLINT, HELM_DOCS)


def required_version(go_mod: str, path: str) -> str:
    """The version that a go.mod requires of a module; empty for no module."""
    if not path:
        return ""
    found = re.search(rf"^(?:require)?\s+{re.escape(path)} (v\S+)", go_mod, re.MULTILINE)
    if found is None:
        raise ValueError(f"go.mod requires no {path}")
    return found[1]


def parse_version(text: str) -> tuple[int, int, int]:
    """The first version number in a text, such as the answer of `go version`."""
    found = _VERSION.search(text.replace("go version go", ""))
    if found is None:
        return (0, 0, 0)
    return (int(found[1]), int(found[2]), int(found[3] or 0))


def needed_go(module: Module) -> str:
    """The Go version in a module's go.mod."""
    found = re.search(r"^go (\S+)$", (module.folder / "go.mod").read_text(), re.MULTILINE)
    return found[1] if found else "1.26"


def find_go(module: Module) -> str:
    """The go command; Unsupported when it is missing or too old for the module."""
    go = shutil.which("go") or shutil.which("go", path="/usr/local/go/bin")
    if go is None:
        newest = max((needed_go(each) for each in ALL), key=parse_version)
        raise Unsupported(
            f"Go is not installed: the embedded cluster is compiled, with Go {newest} or newer."
        )
    needed = needed_go(module)
    # In the module's folder, so that a Go that may fetch its own newer version does so here.
    asked = subprocess.run(
        [go, "version"], cwd=module.folder, capture_output=True, text=True, check=False
    )
    if asked.returncode or parse_version(asked.stdout) < parse_version(needed):
        said = (asked.stdout + asked.stderr).strip().splitlines()
        raise Unsupported(
            f"Go is too old: {module.name} needs {needed} or newer ({said[0] if said else go})."
        )
    return go


def _build(module: Module) -> None:
    go = find_go(module)
    final = module.output()
    final.parent.mkdir(parents=True, exist_ok=True)
    for stale in final.parent.glob(f".building-{module.name}-*"):
        shutil.rmtree(stale)
    temporary = final.parent / f".building-{module.name}-{os.getpid()}"
    temporary.mkdir()
    log = cache_dir() / "logs" / f"go-{module.name}.log"

    def compiled() -> list[str]:
        # `go build -v` names each package that it compiles.
        return log.read_text(errors="replace").splitlines() if log.exists() else []

    def detail() -> str:
        if not (packages := compiled()):
            return "fetching or linking"
        left = costs.seconds_left(module.name, len(packages), time.monotonic() - began)
        return f"{len(packages)} packages compiled, about {costs.words(left)} left"

    began, about = time.monotonic(), costs.words(costs.expected([module.name]))
    what = f"compiling {module.name} {module.version()} (once, about {about})"
    with costs.noting(module.name, lambda: len(compiled())), step(what, detail):
        flags = ["-v", "-buildvcs=false", "-mod=readonly", "-ldflags", module.ldflags()]
        run_logged(
            [go, "build", *flags, "-o", f"{temporary}/", module.package],
            log,
            what=f"compiling {module.name}",
            # Static, so that they run in any image; fewer garbage collections compile faster.
            env={"CGO_ENABLED": "0", "GOGC": "400", "GOFLAGS": "", "GOWORK": "off"},
            cwd=module.folder,
        )
    temporary.rename(final)


def check_go() -> None:
    """Unsupported when something has to be compiled and Go cannot do it."""
    for module in CLUSTER:
        if not is_built(module):
            find_go(module)


def is_built(module: Module) -> bool:
    """Whether the cache has every binary of a module."""
    return all((module.output() / tool).exists() for tool in module.tools)


def ensure(modules: Iterable[Module] = CLUSTER) -> None:
    """Compile what the cache lacks; one process at a time."""
    if all(is_built(module) for module in modules):
        return
    with locked(cache_dir(), "the cache"):
        for module in modules:
            if not is_built(module):
                _build(module)


def binary(tool: str) -> Path:
    """Where the cache has a tool, by its name."""
    for module in ALL:
        if tool in module.tools:
            return module.output() / tool
    raise KeyError(tool)
