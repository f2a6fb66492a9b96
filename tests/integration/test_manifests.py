"""Every manifest that we show is one that works, and the installation files say the same thing."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from perfrun.api.schema import crd, reference
from perfrun.local.files.manifests import parse_manifests
from tests.cluster.__main__ import main as cluster_command
from tests.cluster.dryrun import DryRun, Said
from tests.cluster.handle import ApiServer
from tests.integration.documented import REPO, Shown, documents, shown_manifests

pytestmark = pytest.mark.patient

SHOWN = shown_manifests()
KEPT = ("CustomResourceDefinition", "Namespace")


def _where(shown: Shown) -> str:
    return shown.where


@pytest.mark.parametrize("shown", SHOWN, ids=_where)
def test_strict_reader_and_operator_accept_it_without_a_warning(shown: Shown) -> None:
    read = list(parse_manifests(shown.where, shown.text.encode()))
    assert read
    assert [problem for manifest in read for problem in manifest.problems] == []
    assert [warning for manifest in read for warning in manifest.warnings] == []


@pytest.mark.parametrize("shown", SHOWN, ids=_where)
def test_api_server_accepts_it_without_a_warning(
    shown: Shown, dry_run: DryRun, namespace: str
) -> None:
    assert dry_run.apply(shown.text, namespace) == Said()


@pytest.fixture(scope="module")
def namespace(perfrun_api: ApiServer) -> str:
    for name in ("shown", "shop"):
        perfrun_api.kubectl("create", "namespace", name)
        enforce = "pod-security.kubernetes.io/enforce=restricted"
        warn = "pod-security.kubernetes.io/warn=restricted"
        perfrun_api.kubectl("label", "namespace", name, enforce, warn)
    return "shown"


@pytest.mark.parametrize("path", sorted((REPO / "examples").glob("*.yaml")), ids=lambda p: p.stem)
def test_example_opens_with_what_it_shows_and_can_go_to_any_namespace(path: Path) -> None:
    text = path.read_text()
    assert text.startswith("# ")
    assert "namespace:" not in text


def test_crds_of_the_folder_and_of_the_chart_are_those_of_the_models() -> None:
    folders = [REPO / "crds", REPO / "charts/perfrun/files/crds"]
    assert [line for folder in folders for line in crd.drift(folder)] == []


def test_field_reference_is_that_of_the_models() -> None:
    assert (REPO / "docs/reference/fields.md").read_text() == reference.reference()


def test_kustomize_base_is_the_chart_rendered(perfrun_api: ApiServer) -> None:
    done = subprocess.run(
        [str(REPO / "deploy/render.sh"), "--check"],
        env=perfrun_api.env(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_readme_of_the_chart_is_made_from_its_values() -> None:
    assert cluster_command(["chart-readme", "--check"]) == 0


@pytest.mark.parametrize("folder", ["base", "overlays/local", "samples"])
def test_kustomization_builds_and_is_accepted(folder: str, perfrun_api: ApiServer) -> None:
    built = perfrun_api.kubectl("kustomize", REPO / "deploy" / folder).stdout
    name = "perfrun-demo" if folder == "samples" else "perfrun-system"
    # A dry run creates no namespace for what comes after it.
    perfrun_api.kubectl("create", "namespace", name, check=False)
    perfrun_api.kubectl(
        "label", "--overwrite", "namespace", name, "pod-security.kubernetes.io/warn=restricted"
    )
    done = perfrun_api.kubectl(
        "apply", "--dry-run=server", "--validate=strict", "-f", "-", input=built
    )
    assert "would violate PodSecurity" not in done.stderr


def _images(perfrun_api: ApiServer, folder: Path) -> dict[str, str]:
    """The images of a kustomization: of the operator, and those that it gives to workers."""
    built = documents(perfrun_api.kubectl("kustomize", folder).stdout)
    (deployment,) = (one for one in built if one["kind"] == "Deployment")
    (operator,) = deployment["spec"]["template"]["spec"]["containers"]
    env = {one["name"]: one.get("value") for one in operator["env"]}
    workers = {name: env[f"PERFRUN_{name.upper()}_IMAGE"] for name in ("worker", "browser")}
    return {"operator": operator["image"], **workers}


@pytest.fixture
def beside(tmp_path: Path) -> Path:
    """A folder beside a clone of perfrun, which is called perfrun."""
    shutil.copytree(REPO / "deploy", tmp_path / "perfrun" / "deploy")
    (tmp_path / "ours").mkdir()
    return tmp_path / "ours"


def test_documented_overlay_replaces_all_images(perfrun_api: ApiServer, beside: Path) -> None:
    text = (REPO / "docs/how-to/install.md").read_text()
    (overlay,) = re.findall(r"^```yaml\n(# kustomization.yaml.*?)^```", text, re.M | re.S)
    (beside / "kustomization.yaml").write_text(overlay)
    assert _images(perfrun_api, beside) == {
        "operator": "registry.example.com/perfrun:0.1.0",
        "worker": "registry.example.com/perfrun:0.1.0",
        "browser": "registry.example.com/perfrun-browser:0.1.0",
    }


def test_overlay_of_an_overlay_pins_digests(perfrun_api: ApiServer, beside: Path) -> None:
    digest = f"sha256:{'0123456789abcdef' * 4}"
    pinned = {"name": "localhost/perfrun", "newName": "mirror:5000/perfrun", "digest": digest}
    overlay = {"resources": ["../perfrun/deploy/overlays/local"], "images": [pinned]}
    (beside / "kustomization.yaml").write_text(yaml.safe_dump(overlay))
    ours = f"mirror:5000/perfrun@{digest}"
    browser = "localhost/perfrun-browser:dev"
    expected = {"operator": ours, "worker": ours, "browser": browser}
    assert _images(perfrun_api, beside) == expected


def test_documented_command_deletes_all_but_the_tests(perfrun_api: ApiServer) -> None:
    text = (REPO / "docs/how-to/install.md").read_text()
    (delete,) = re.findall(r"^kubectl (delete --namespace perfrun-system .*\\\n.*)$", text, re.M)
    built = perfrun_api.kubectl("kustomize", REPO / "deploy/base").stdout
    perfrun_api.kubectl("create", "namespace", "perfrun-system", check=False)
    # The session's CRDs are of others too.
    objects = [one for one in documents(built) if one["kind"] not in KEPT]
    made = perfrun_api.kubectl("create", "-f", "-", input=yaml.safe_dump_all(objects)).stdout
    deleted = perfrun_api.kubectl(*delete.replace("\\\n", " ").split()).stdout
    assert len(made.splitlines()) == len(objects)
    assert len(deleted.splitlines()) == len(objects)
