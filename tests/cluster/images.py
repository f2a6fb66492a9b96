"""Container images: a Debian base, the target, anything with a Dockerfile; and into the node."""

import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.cluster import apt, costs, settings
from tests.cluster.archive import architecture, layer_of_file, write_archive
from tests.cluster.commands import Argv, run, run_logged, succeeds
from tests.cluster.errors import ClusterError
from tests.cluster.gobuild import PAUSE, binary
from tests.cluster.hostpip import build_mounts
from tests.cluster.mounts import remove_tree, unmount_below
from tests.cluster.paths import HERE, cache_dir, key_of, locked, write
from tests.cluster.progress import step

TARGET = HERE / "target"
SUITE = "trixie"
BASE_PACKAGES = ("python3", "python3-venv", "python3-pip", "ca-certificates")
# Of no use in an image, or this machine's own.
BASE_LEAVES_OUT = (
    "./proc/*",
    "./sys/*",
    "./dev/*",
    "./run/*",
    "./var/cache/*",
    "./var/lib/apt/lists/*",
    "./var/log/*",
    "./etc/hostname",
    "./etc/resolv.conf",
)
NAMES = {
    "localhost/perfrun-base": "base image",
    "localhost/perfrun-nginx": "target image",
    "localhost/perfrun-pause": "pause image",
}
"""What :mod:`tests.cluster.costs` calls them."""
PATH_IN_IMAGE = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_POLICY = '{"default": [{"type": "insecureAcceptAnything"}]}\n'


def base_reference() -> str:
    """The base image's name; changes with its recipe."""
    recipe = (SUITE, *BASE_PACKAGES, *BASE_LEAVES_OUT, PATH_IN_IMAGE, architecture())
    return f"localhost/perfrun-base:{key_of(*recipe)}"


def target_reference() -> str:
    """The target image's name; changes with the base and with its own files."""
    files = sorted(path for path in TARGET.iterdir() if path.is_file())
    return f"localhost/perfrun-nginx:{key_of(base_reference(), *files)}"


def pause_reference() -> str:
    """The name of the image that holds a pod's network open."""
    return f"localhost/perfrun-pause:{PAUSE.key()}"


def full_reference(name: str) -> str:
    """A reference as Kubernetes completes it: nginx is docker.io/library/nginx:latest."""
    first, slash, rest = name.partition("/")
    if not slash:
        first, rest = "docker.io", f"library/{name}"
    elif not ("." in first or ":" in first or first == "localhost"):
        first, rest = "docker.io", name
    if not re.search(r"[:@][^/]*$", rest):
        rest += ":latest"
    return f"{first}/{rest}"


def archive_of(reference: str) -> Path:
    """Where the cache keeps an image."""
    return cache_dir() / "images" / (reference.rpartition("/")[2].replace(":", "-") + ".tar")


@contextmanager
def workspace(name: str) -> Iterator[Path]:
    """A folder in the cache that is gone afterwards, also what a killed build left of it."""
    folder = cache_dir() / "images"
    folder.mkdir(parents=True, exist_ok=True)
    for stale in folder.glob(f".building-{name}-*"):
        remove_tree(stale)
    work = folder / f".building-{name}-{os.getpid()}"
    work.mkdir()
    try:
        yield work
    finally:
        remove_tree(work)


def _make_base(reference: str) -> None:
    log = cache_dir() / "logs" / "debootstrap.log"
    with workspace("base") as work:
        root, layer = work / "root", work / "layer.tar"
        argv: Argv = [
            "debootstrap",
            "--variant=minbase",
            f"--include={','.join(BASE_PACKAGES)}",
            SUITE,
        ]
        with step(f"making the base image: Debian {SUITE} with Python (a minute or two, once)"):
            run_logged([*argv, root, apt.debian_mirror()], log, what="debootstrap")
            # debootstrap leaves /proc mounted.
            for inside in ("proc", "sys"):
                if os.path.ismount(root / inside):
                    run(["umount", "--lazy", root / inside])
            without = [f"--exclude={pattern}" for pattern in BASE_LEAVES_OUT]
            keep = ["--one-file-system", "--numeric-owner", "--wildcards", "--anchored"]
            run(["tar", *keep, *without, "-C", root, "-cf", layer, "."], what="packing the base")
            config = {"Env": [PATH_IN_IMAGE], "Cmd": ["/bin/bash"]}
            write_archive(archive_of(reference), reference, layer, config)


def _make_pause(reference: str) -> None:
    with workspace("pause") as work:
        layer_of_file(binary("pause"), work / "layer.tar")
        config = {"Entrypoint": ["/pause"], "User": "65535:65535"}
        write_archive(archive_of(reference), reference, work / "layer.tar", config)


def _make_target(reference: str) -> None:
    with step("making the target image: nginx"):
        built = build(reference, TARGET, build_args={"BASE": base_reference()})
        built.replace(archive_of(reference))


def ensure() -> list[str]:
    """Make the images that the cache lacks; returns the references that every node has."""
    makers = {
        pause_reference(): _make_pause,
        base_reference(): _make_base,
        target_reference(): _make_target,
    }
    if not all(archive_of(reference).exists() for reference in makers):
        with locked(cache_dir(), "the cache"):
            for reference, make in makers.items():
                if not archive_of(reference).exists():
                    with costs.noting(NAMES[reference.partition(":")[0]]):
                        make(reference)
    return list(makers)


def give(reference: str, make: Callable[[str], None]) -> str:
    """Make an image where the cache lacks it, and give it to the node where that lacks it."""
    ensure()
    if not archive_of(reference).exists():
        with locked(cache_dir(), "the cache"), step(f"making the image {reference}"):
            if not archive_of(reference).exists():
                make(reference)
    with locked(_node().state / "built", "the images of the node"):
        if not _digest(reference):
            load(archive_of(reference))
    return reference


MAX_IMAGES = 120
"""Images and cached layers in the store of builds; those of all our images are about 50."""


def _driver() -> str:
    # Four times as fast as vfs, and what containerd uses; only an overlay below us forbids it.
    return os.environ.get("PERFRUN_STORAGE_DRIVER") or "overlay"


def _store() -> Path:
    return cache_dir() / f"buildah-{_driver()}"


@contextmanager
def _storage() -> Iterator[None]:
    """Use buildah's storage alone, and leave none of the mounts that its drivers keep."""
    with locked(_store(), "images"):
        try:
            yield
        finally:
            unmount_below(_store())


def _buildah(command: str, *args: str | Path) -> Argv:
    """A buildah command line with storage of our own: the user's images are not touched."""
    store, driver = _store(), _driver()
    policy = store / "policy.json"
    if not policy.exists():
        write(policy, _POLICY)
    where: Argv = ["--root", store / "root", "--runroot", store / "run", "--storage-driver", driver]
    # Only these take the option.
    signed: Argv = ["--signature-policy", policy] if command in {"build", "pull", "push"} else []
    return ["buildah", *where, command, *signed, *args]


def _know_base() -> None:
    reference = base_reference()
    if not succeeds(_buildah("inspect", "--type=image", reference)):
        source = f"docker-archive:{archive_of(reference)}"
        run(_buildah("pull", "--quiet", source), what="giving the base to buildah")


@dataclass(frozen=True)
class Recipe:
    """What an image is made of."""

    context: Path
    file: Path
    arguments: dict[str, str]
    target: str | None

    @classmethod
    def of(
        cls,
        context: Path,
        dockerfile: Path | None,
        build_args: Mapping[str, str] | None,
        target: str | None,
    ) -> "Recipe":
        """A Dockerfile whose BASE, if it asks for one, is ours."""
        file = dockerfile or context / "Dockerfile"
        if not file.is_file():
            raise ClusterError(f"there is no {file}; name one with --dockerfile")
        arguments = dict(build_args or {})
        if re.search(r"^\s*ARG\s+BASE\b", file.read_text(), re.MULTILINE | re.IGNORECASE):
            arguments.setdefault("BASE", base_reference())
        return cls(context, file, arguments, target)

    def key(self, given: Mapping[str, str]) -> str:
        """Another one where the image would be. ``given``: those of the images on the node, for an
        argument that names one."""
        words = [f"{name}={value} {given.get(value)}" for name, value in self.arguments.items()]
        return key_of(self.target or "", *sorted(words), self.file, *self._copied())

    def _copied(self) -> Iterator[str | Path]:
        """Names and contents of what goes into it."""
        for line in re.findall(r"^COPY\s+(?!--from)(.+)$", self.file.read_text(), re.MULTILINE):
            for word in line.split()[:-1]:
                source = self.context / word
                found = source.rglob("*") if source.is_dir() else [source]
                for path in sorted(path for path in found if path.is_file()):
                    if "__pycache__" not in path.parts:
                        yield str(path.relative_to(self.context))
                        yield path


def build(
    reference: str,
    context: Path,
    dockerfile: Path | None = None,
    build_args: Mapping[str, str] | None = None,
    target: str | None = None,
) -> Path:
    """Build a Dockerfile; returns a docker archive that the caller moves or deletes."""
    return _build(reference, Recipe.of(context, dockerfile, build_args, target))


def _build(reference: str, recipe: Recipe) -> Path:
    options: Argv = ["--isolation=chroot", "--layers", "--pull-never", "--tag", reference]
    options += [f"--build-arg={name}={value}" for name, value in recipe.arguments.items()]
    options += [f"--target={recipe.target}"] if recipe.target else []
    options += [*build_mounts(_store()), "--file", recipe.file, recipe.context]
    log = cache_dir() / "logs" / f"image-{key_of(reference)}.log"
    out = cache_dir() / "images" / f".{key_of(reference)}-{os.getpid()}.tar"
    out.parent.mkdir(parents=True, exist_ok=True)
    with _storage():
        for left in out.parent.glob(f".{key_of(reference)}-*.tar"):
            if not Path(f"/proc/{left.stem.rpartition('-')[2]}").exists():
                left.unlink()  # of a build that was killed
        _know_base()
        run_logged(_buildah("build", *options), log, what=f"building the image {reference}")
        push = _buildah("push", "--quiet", reference, f"docker-archive:{out}:{reference}")
        run(push, what=f"writing the image {reference}")
        limit_store()
    return out


def limit_store() -> None:
    """Remove images without a name once there are many; builds make the layers that they need
    again. Without that the store would only grow, by some 500 MB with each build."""
    known = run(_buildah("images", "--all", "--quiet"), what="counting images").split()
    if len(known) > MAX_IMAGES:
        with step("removing images and layers without a name"):
            # A build that was killed leaves its container, which keeps its image.
            run(_buildah("rm", "--all"), what="removing containers of builds")
            run(_buildah("rmi", "--prune"), what="removing images without a name")


def ctr(socket: Path, *args: str | Path) -> Argv:
    """A command line for our containerd, in the namespace that the kubelet uses."""
    return ["ctr", "--address", socket, "--namespace", "k8s.io", *args]


def load(archive: Path) -> list[str]:
    """Give an archive's images to the running node; returns their references."""
    importing = ctr(_node().containerd_socket, "images", "import", "--digests=false", archive)
    said = run(importing, what=f"loading {archive}")
    return re.findall(r"^unpacking (\S+)", said, re.MULTILINE)


def _node() -> settings.Settings:
    made_with = settings.recorded()
    if made_with is None or not made_with.containerd_socket.exists():
        raise ClusterError("the cluster is not up: python3 -m tests.cluster up")
    return made_with


def build_and_load(
    tag: str,
    context: Path,
    dockerfile: Path | None = None,
    build_args: Mapping[str, str] | None = None,
    target: str | None = None,
) -> str:
    """Build a Dockerfile and give the image to the node; returns its full reference.

    Where the node has it, and nothing that goes into it has changed, there is nothing to do: to
    find out from the caches of layers takes ten seconds of processor time.
    """
    ensure()
    reference = full_reference(tag)
    recipe = Recipe.of(context, dockerfile, build_args, target)
    given = _node().state / "built"
    with locked(given, "the images of the node"):
        known = {path.name: path.read_text() for path in given.glob("[!.]*")}
        name = key_of(reference)
        key = recipe.key({full: known.get(key_of(full), "") for full in recipe.arguments.values()})
        if known.get(name) == f"{key} {_digest(reference)}":
            return reference
        with step(f"building the image {reference}"):
            (given / name).unlink(missing_ok=True)
            archive = _build(reference, recipe)
            try:
                load(archive)
            finally:
                archive.unlink()
            write(given / name, f"{key} {_digest(reference)}")
    return reference


def _digest(reference: str) -> str:
    """Of the image that the node has by that name; empty without one."""
    listing = ctr(_node().containerd_socket, "images", "ls", f"name=={reference}")
    _, *lines = run(listing, what="listing the images of the node").splitlines()
    return lines[0].split()[2] if lines else ""
