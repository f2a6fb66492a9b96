"""A secret that `perfrun run` is given is in the requests of the load, and nowhere else."""

import base64
import gzip
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.test_local_run import PATIENCE, Cli, Target, children, cli, target
from tests.integration.waiting import until

__all__ = ["cli", "target"]  # fixtures

PLANTED = "Pl4nted-s3cret-value"
BROKEN = "Br0ken-s3cret\nvalue"
"""A line break cannot be sent in a header: that run is an error, and says why."""
HEADER = ", headers: [{name: X-Api-Key, valueFrom: {secretKeyRef: {name: shop, key: KEY}}}]"
BEARER = ", auth: {bearer: {tokenFrom: {secretKeyRef: {name: shop, key: KEY}}}}"
FORMATS = (
    *("--json", "o.json", "--result", "r.json"),
    *("--html", "o.html", "--junit", "o.xml", "--md", "o.md"),
)


@pytest.fixture
def secrets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Outside of the folder that is searched."""
    folder = tmp_path_factory.mktemp("secrets")
    (folder / "shop").mkdir()
    (folder / "shop" / "token").write_text(f"{PLANTED}\n")
    (folder / "shop" / "broken").write_text(BROKEN)
    return folder


def spelt() -> Iterator[str]:
    """The secrets, as they are and as Kubernetes, HTTP and JSON write them."""
    for secret in (PLANTED, BROKEN.partition("\n")[0]):
        yield secret
        yield base64.b64encode(secret.encode()).decode().rstrip("=")


def assert_nowhere(texts: dict[str, str]) -> None:
    assert texts
    for where, text in texts.items():
        for secret in spelt():
            assert secret not in text, f"{secret} is in {where}"


def files(folder: Path) -> dict[str, str]:
    """Everything in a folder, unpacked where it is packed."""
    return {str(path): read(path) for path in sorted(folder.rglob("*")) if path.is_file()}


def read(path: Path) -> str:
    data = path.read_bytes()
    if data.startswith(b"\x1f\x8b"):
        data = gzip.decompress(data)
    return data.decode(errors="replace")


def private(file: Path, below: Path) -> bool:
    """Whether a folder on the way to it is closed to everybody else."""
    ways = [folder for folder in file.parents if folder.is_relative_to(below) and folder != below]
    return any(folder.stat().st_mode & 0o077 == 0 for folder in ways)


def of_process(pid: int) -> dict[str, str]:
    """What any user of the machine (command line) or its owner (environment) can read of it."""
    return {
        f"{what} of {pid}": Path(f"/proc/{pid}/{what}").read_bytes().decode(errors="replace")
        for what in ("cmdline", "environ")
    }


def test_what_a_run_writes_does_not_have_it(cli: Cli, target: Target, secrets: Path) -> None:
    more = (HEADER + BEARER).replace("KEY", "token")
    load = "{workers: 2, burst: {requests: 4, concurrency: 2}}"
    # One that passes, and one whose every request fails: errors are quoted in reports.
    good = cli.manifest("good", target.url, load, more=more)
    bad = cli.manifest("bad", f"{target.url}/bad", load, "[{metric: successRate, min: 100%}]", more)
    for file in (good, bad):
        code, out, err = cli.run(file, "--secrets", secrets, *FORMATS)
        assert code in (0, 1), out + err
        assert all((cli.folder / name).stat().st_size for name in FORMATS[1::2])
        assert_nowhere({"stdout": out, "stderr": err, **files(cli.folder)})
    assert {authorization for _, authorization in target.seen} == {f"Bearer {PLANTED}"}


def test_one_that_cannot_be_sent_is_named_and_not_shown(
    cli: Cli, target: Target, secrets: Path
) -> None:
    file = cli.manifest(
        "broken",
        target.url,
        "{burst: {requests: 1, concurrency: 1}, startTimeout: 10s}",
        more=HEADER.replace("KEY", "broken"),
    )
    code, out, err = cli.run(file, "--secrets", secrets, *FORMATS)
    assert code != 0
    assert "headers" in out + err
    assert_nowhere({"stdout": out, "stderr": err, **files(cli.folder)})
    assert target.seen == []


def test_neither_temporary_files_nor_processes_show_it(
    cli: Cli, target: Target, secrets: Path
) -> None:
    file = cli.manifest(
        "long",
        f"{target.url}/hang",
        "{burst: {requests: 1, concurrency: 1}}",
        more=BEARER.replace("KEY", "token"),
    )
    with cli.start("run", file, "--secrets", secrets) as process:
        until(lambda: target.seen, PATIENCE)
        shown = files(cli.folder)
        assert any("plan" in name for name in shown), shown.keys()
        # Where a worker finds it is what the kubelet's mount is in a cluster: its owner's only.
        (mounted,) = [name for name in shown if name.endswith("values/secrets/shop/token")]
        assert PLANTED in shown.pop(mounted)
        assert private(Path(mounted), cli.folder / "tmp")
        for pid in (process.pid, *children(process.pid)):
            shown |= of_process(pid)
        target.released.set()
        out, err = process.communicate(timeout=40)
    assert_nowhere({**shown, "stdout": out, "stderr": err})
    assert process.returncode == 0, out + err
