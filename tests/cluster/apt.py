"""Debian packages that the cluster and the end-to-end tests need; only the missing come in."""

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.cluster.commands import run, run_logged, succeeds
from tests.cluster.errors import ClusterError, Unsupported
from tests.cluster.paths import cache_dir, locked
from tests.cluster.progress import say, step

API_PACKAGES = ("etcd-server", "libfaketime", "openssl")
CLUSTER_PACKAGES = (
    *API_PACKAGES,
    "buildah",
    "ca-certificates",
    "containerd",
    "containernetworking-plugins",
    "debootstrap",
    "iproute2",
    "nftables",
    "runc",
)
RULE_PACKAGES = ("prometheus",)
LUA_PACKAGES = ("lua5.1",)
BROWSER_PACKAGES = ("chromium", "fonts-dejavu-core")
DATABASE_PACKAGES = ("mariadb-server", "pgbouncer", "postgresql")
JAVA_PACKAGES = ("default-jre-headless", "maven")
E2E_PACKAGES = (*RULE_PACKAGES, "wrk")
# What these packages would start on their own: we run our own instances, or none.
SERVICES = (
    "etcd",
    "containerd",
    "mariadb",
    "pgbouncer",
    "postgresql",
    "prometheus",
    "prometheus-node-exporter",
)
POLICY = Path("/usr/sbin/policy-rc.d")
MIRROR_VARIABLE = "PERFRUN_DEBIAN_MIRROR"


def missing(packages: Sequence[str]) -> list[str]:
    """Those that dpkg does not have installed."""
    if shutil.which("dpkg-query") is None:
        raise Unsupported("The embedded cluster needs Debian (there is no dpkg-query here).")
    asked = subprocess.run(
        ["dpkg-query", "-W", "-f", "${Package} ${db:Status-Status}\\n", *packages],
        capture_output=True,
        text=True,
        check=False,
    )
    answers = (line.split() for line in asked.stdout.splitlines())
    present = {words[0] for words in answers if words[1:] == ["installed"]}
    return [package for package in packages if package not in present]


@contextlib.contextmanager
def _no_services() -> Iterator[None]:
    """Keep packages from starting their services, as Debian's policy allows an admin to."""
    if POLICY.exists():
        yield
        return
    POLICY.write_text("#!/bin/sh\n# perfrun's tests install packages, not services\nexit 101\n")
    POLICY.chmod(0o755)
    try:
        yield
    finally:
        POLICY.unlink(missing_ok=True)


def _active_services() -> set[str]:
    if not Path("/run/systemd/system").exists():
        return set()
    return {name for name in SERVICES if succeeds(["systemctl", "is-active", "-q", name])}


def _disable(services: set[str]) -> None:
    # A policy of the machine's own may have let them start; they would sit on ports and cores.
    for name in sorted(services):
        run(["systemctl", "disable", "--now", name], what=f"stopping the service {name}")


def ensure(packages: Sequence[str] = CLUSTER_PACKAGES) -> None:
    """Install what is missing; needs root only then."""
    wanted = missing(packages)
    if not wanted:
        return
    if shutil.which("apt-get") is None:
        raise Unsupported("The embedded cluster needs Debian's apt-get, which is not here.")
    if os.geteuid() != 0:
        raise ClusterError(
            f"missing packages: {' '.join(wanted)}. "
            f"Install them as root: apt-get install --no-install-recommends {' '.join(wanted)}"
        )
    env = {"DEBIAN_FRONTEND": "noninteractive"}
    log = cache_dir() / "logs" / "apt.log"
    with locked(cache_dir(), "the cache"):
        before = _active_services()
        with step("apt-get update"):
            run_logged(["apt-get", "update"], log, what="apt-get update", env=env)
        with step(f"installing {' '.join(wanted)}"), _no_services():
            install = ["apt-get", "install", "-y", "--no-install-recommends", *wanted]
            run_logged(install, log, what="apt-get install", env=env)
        if started := _active_services() - before:
            say(f"stopping services that the packages started: {' '.join(sorted(started))}")
            _disable(started)


def parse_mirrors(text: str) -> list[str]:
    """Mirrors of Debian proper in the answer of ``apt-get indextargets``, see `debian_mirror`."""
    found: list[str] = []
    for line in text.splitlines():
        origin, uri, codename, kind = [*line.split("|"), "", "", ""][:4]
        proper = origin == "Debian" and kind == "Packages"
        # The security and updates archives lack the packages that a new root file system needs.
        if proper and "-" not in codename and uri.startswith(("http:", "https:", "file:")):
            uri = uri.rstrip("/") + "/"
            if uri not in found:
                found.append(uri)
    return found


def debian_mirror() -> str:
    """The mirror that this machine's own apt uses: where it can fetch from, we can."""
    if chosen := os.environ.get(MIRROR_VARIABLE):
        return chosen
    fields = "$(ORIGIN)|$(REPO_URI)|$(CODENAME)|$(CREATED_BY)"
    mirrors = parse_mirrors(run(["apt-get", "indextargets", "--format", fields]))
    if not mirrors:
        raise ClusterError(
            "no Debian mirror in apt's sources (or `apt-get update` never ran); "
            f"name one: {MIRROR_VARIABLE}=http://..."
        )
    return mirrors[0]
