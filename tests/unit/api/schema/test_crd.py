"""What the generator of the CRDs promises."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import pytest
import yaml
from pydantic import Field

from perfrun.api.base import LIST_MAP_KEYS, LIST_TYPE, ApiModel
from perfrun.api.metadata import Metadata
from perfrun.api.schema import crd

TEST, RUN, POLICY = crd.KINDS


def _nodes(node: dict[str, Any], where: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    yield where, node
    for name, field in node.get("properties", {}).items():
        yield from _nodes(field, f"{where}.{name}")
    for key in ("items", "additionalProperties"):
        if key in node:
            yield from _nodes(node[key], f"{where}[]")


@pytest.mark.parametrize("kind", crd.KINDS, ids=lambda kind: kind.name)
def test_schema_is_structural(kind: crd.CustomResource) -> None:
    for where, node in _nodes(crd.schema(kind)):
        assert not node.keys() & {"$ref", "anyOf", "title", "const", "propertyNames"}, where
        loose = ("x-kubernetes-int-or-string", "x-kubernetes-preserve-unknown-fields")
        assert "type" in node or any(key in node for key in loose), where


@pytest.mark.parametrize("kind", crd.KINDS, ids=lambda kind: kind.name)
def test_lists_and_texts_are_bounded(kind: crd.CustomResource) -> None:
    for where, node in _nodes(crd.schema(kind)["properties"]["spec"], "spec"):
        if node.get("type") == "array":
            assert "maxItems" in node, where
        if node.get("type") == "string" and "enum" not in node:
            assert "maxLength" in node, where


@pytest.mark.parametrize("kind", crd.KINDS, ids=lambda kind: kind.name)
def test_every_list_says_what_several_managers_may_own_of_it(kind: crd.CustomResource) -> None:
    """Lists that only the operator writes are atomic, but for conditions, which others add to."""
    lists = [(at, node) for at, node in _nodes(crd.schema(kind)) if node.get("type") == "array"]
    assert lists
    for where, node in lists:
        listed = node[LIST_TYPE]
        items = node["items"]
        assert (listed == "set") <= (items["type"] in ("string", "integer")), where
        assert set(node.get(LIST_MAP_KEYS, [])) <= items.get("properties", {}).keys(), where
        assert (listed == "map") == (LIST_MAP_KEYS in node), where
        if where.endswith(".conditions"):
            assert node[LIST_MAP_KEYS] == ["type"]
            assert "type" in items["required"]


@pytest.mark.parametrize("kind", crd.KINDS, ids=lambda kind: kind.name)
def test_what_is_named_a_time_is_one(kind: crd.CustomResource) -> None:
    times = [
        (where, node["format"])
        for where, node in _nodes(crd.schema(kind))
        if re.search(r"(?<!think)(Time|Deadline|[sS]ince)$", where)
    ]
    assert times or kind.name == "PerfPolicy"
    assert [where for where, written in times if written != "date-time"] == []


def test_the_category_is_no_name_of_a_kind() -> None:
    """kubectl would read ``get NAME OBJECT`` as the category."""
    names = [crd.definition(kind)["spec"]["names"] for kind in crd.KINDS]
    assert {tuple(one["categories"]) for one in names} == {("perf",)}
    taken = {name for one in names for name in (one["singular"], one["plural"], *one["shortNames"])}
    assert "perf" not in taken


def test_what_is_not_built_is_refused_by_name() -> None:
    refused = [
        f"{where}{rule['fieldPath']}"
        for where, node in _nodes(crd.schema(TEST))
        for rule in node.get("x-kubernetes-validations", [])
        if rule["reason"] == "FieldValueForbidden"
    ]
    assert ".spec.podTemplate.sidecars" in refused


def test_rules_name_a_field_that_exists() -> None:
    for where, node in _nodes(crd.schema(TEST)):
        for rule in node.get("x-kubernetes-validations", []):
            name = rule.get("fieldPath", "").removeprefix(".")
            assert not name or name in node["properties"], (where, rule)


def test_status_has_no_defaults() -> None:
    for kind in (TEST, RUN):
        for where, node in _nodes(crd.schema(kind)["properties"]["status"]):
            assert "default" not in node, where


def test_defaults_hold_nothing_empty() -> None:
    defaults = [node["default"] for _, node in _nodes(crd.schema(TEST)) if "default" in node]
    assert {"passed": 20, "other": 20} in defaults
    assert [] not in defaults
    assert {} not in defaults


def test_names_are_labels_and_leave_room_for_those_of_runs() -> None:
    name = crd.schema(TEST)["properties"]["metadata"]["properties"]["name"]
    assert name["maxLength"] == 40
    assert re.match(name["pattern"], "shop-1")
    assert not re.match(name["pattern"], "shop.1")
    assert crd.schema(RUN)["properties"]["metadata"]["properties"]["name"]["maxLength"] == 63


@pytest.mark.parametrize("kind", crd.KINDS, ids=lambda kind: kind.name)
def test_every_field_has_a_description_of_its_own_in_sentences(kind: crd.CustomResource) -> None:
    for where, node in _nodes(crd.schema(kind)):
        for name, field in node.get("properties", {}).items():
            if f"{where}.{name}" == ".metadata":
                continue  # the API server has its own
            assert re.match(r"[A-Z0-9p`].{6,}\.$", field["description"]), f"{where}.{name}"


class _Silent(ApiModel):
    metadata: Metadata
    spec: int


def test_field_without_a_description_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"without a description: _Silent\.spec$"):
        crd.schema(crd.CustomResource(_Silent, "silents", "sil", 40, ()))


def test_kubectl_apply_has_room_for_each_definition() -> None:
    # It keeps what it applied as JSON in an annotation, and annotations end at 256 KiB.
    for kind in crd.KINDS:
        assert len(json.dumps(crd.definition(kind), separators=(",", ":"))) < 128 * 1024, kind.name


class _Odd(ApiModel):
    metadata: Metadata
    spec: Annotated[int, Field(multiple_of=3)]


def test_bound_that_the_dialect_does_not_know_is_an_error_and_not_a_loss() -> None:
    with pytest.raises(ValueError, match=r"_Odd\.spec: .*multipleOf"):
        crd.schema(crd.CustomResource(_Odd, "odds", "odd", 40, ()))


def test_check_names_each_drift_and_write_mends_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = str(tmp_path)
    assert crd.main([folder]) == 0
    assert crd.main(["--check", folder]) == 0
    tests = tmp_path / "perfrun.dev_perftests.yaml"
    tests.write_text(tests.read_text().replace("v1alpha1", "v1"))
    (tmp_path / "perfrun.dev_perfruns.yaml").unlink()
    (tmp_path / "old.yaml").write_text("")
    assert crd.main(["--check", folder]) == 1
    said = capsys.readouterr().err
    assert "perftests.yaml differs from the models" in said
    assert "perfruns.yaml is missing" in said
    assert "old.yaml is not made from any model" in said
    assert crd.main([folder]) == 0
    assert yaml.safe_load(tests.read_text())["spec"]["versions"][0]["name"] == "v1alpha1"
