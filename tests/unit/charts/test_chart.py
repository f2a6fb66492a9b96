"""What the chart says of itself, as files: to Helm, to Artifact Hub, and to who reads its values."""

import base64
import json
import re
import tomllib
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from perfrun.api import VERSION
from perfrun.api.schema.crd import KINDS, schema
from perfrun.local.files.manifests import parse_manifests
from tests.cluster.paths import REPO

CHART = REPO / "charts/perfrun"
ABOUT = yaml.safe_load((CHART / "Chart.yaml").read_text())
VALUES = yaml.safe_load((CHART / "values.yaml").read_text())
SCHEMA = json.loads((CHART / "values.schema.json").read_text())


def annotation(name: str) -> Any:
    return yaml.safe_load(ABOUT["annotations"][f"artifacthub.io/{name}"])


def test_artifact_hub_is_told_of_the_images_that_the_values_name() -> None:
    image = VALUES["image"]
    name = f"{image['registry']}/{image['repository']}"
    told = [one["image"] for one in annotation("images")]
    assert told == [f"{name}{kind}:{ABOUT['appVersion']}" for kind in ("", "-browser")]


def test_artifact_hub_is_told_of_the_crds() -> None:
    told = {one["name"]: one for one in annotation("crds")}
    assert told.keys() == {f"{kind.plural}.perfrun.dev" for kind in KINDS}
    for kind in KINDS:
        one = told[f"{kind.plural}.perfrun.dev"]
        assert (one["kind"], one["version"]) == (kind.name, VERSION)
        assert one["description"] == schema(kind)["description"]
    examples = yaml.safe_dump_all(annotation("crdsExamples")).encode()
    assert [read.problems for read in parse_manifests("-", examples)] == [()]


def test_artifact_hub_is_told_of_the_project() -> None:
    project = tomllib.loads((REPO / "pyproject.toml").read_text())["project"]
    assert ABOUT["annotations"]["artifacthub.io/license"] == project["license"]
    assert ABOUT["description"] in project["description"].replace(
        "A Kubernetes operator that r", "R"
    )
    assert annotation("changes")
    assert {one["kind"] for one in annotation("changes")} <= {
        "added", "changed", "deprecated", "removed", "fixed", "security",
    }  # fmt: skip


def test_icon_is_that_of_the_site() -> None:
    kind, _, data = ABOUT["icon"].partition(",")
    assert kind == "data:image/svg+xml;base64"
    assert base64.b64decode(data) == (REPO / "docs/images/icon.svg").read_bytes()


def _leaves(node: dict[str, Any], where: str = "") -> Iterator[str]:
    for name, value in node.items():
        if isinstance(value, dict) and value and name not in ("resources", "labels"):
            yield from _leaves(value, f"{where}{name}.")
        else:
            yield where + name


@pytest.mark.parametrize("name", [*_leaves(VALUES)])
def test_readme_describes_each_value(name: str) -> None:
    readme = (CHART / "README.md").read_text()
    (row,) = re.findall(rf"^\| {re.escape(name)} \|.*\| (.+) \|$", readme, re.MULTILINE)
    assert row.endswith(".")


def _objects(node: dict[str, Any], where: str) -> Iterator[tuple[str, dict[str, Any]]]:
    if "properties" in node:
        yield where, node
    for name, field in node.get("properties", {}).items():
        yield from _objects(field, f"{where}.{name}")
    if isinstance(node.get("items"), dict):
        yield from _objects(node["items"], f"{where}[]")


def test_schema_knows_each_value_and_no_other() -> None:
    def checked(values: dict[str, Any], node: dict[str, Any]) -> None:
        if values:
            # Helm sets this one for a subchart.
            assert node["properties"].keys() - values.keys() <= {"enabled"}
        for name, value in values.items():
            field = node["properties"][name]
            if isinstance(value, dict) and "properties" in field:
                checked(value, field)

    checked(VALUES, SCHEMA)
    # Kubernetes' own fields are checked by the API server, and others' by their charts.
    others = {
        ".global", ".policies.written[]", "volumes[]", "mounts[]",
    }  # fmt: skip
    found = [*_objects(SCHEMA, "")]
    for name, node in SCHEMA["definitions"].items():
        found += _objects(node, name)
    loose = {where for where, node in found if node.get("additionalProperties") is not False}
    assert loose <= others
