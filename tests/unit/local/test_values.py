"""Values of Secrets and ConfigMaps, from the same manifests and from files."""

import base64
from pathlib import Path

import pytest

from perfrun.api.test.perftest import PerfTest
from perfrun.api.test.values import ValueRef
from perfrun.local.files.manifests import parse_manifests
from perfrun.local.values import Held, find_values, lay_out

TOKEN = ValueRef("Secret", "shop", "t")
TENANT = ValueRef("ConfigMap", "shop", "tenant")
EXAMPLES = Path(__file__).parents[3] / "examples"


def a_test(namespace: str = "default") -> PerfTest:
    http = {
        "url": "https://127.0.0.1:1/",
        "auth": {"bearer": {"tokenFrom": {"secretKeyRef": {"name": "shop", "key": "t"}}}},
        "headers": [
            {
                "name": "X-Tenant",
                "valueFrom": {"configMapKeyRef": {"name": "shop", "key": "tenant"}},
            }
        ],
    }
    load = {"burst": {"requests": 1, "concurrency": 1}}
    return PerfTest.model_validate(
        {
            "metadata": {"name": "api", "namespace": namespace},
            "spec": {"target": {"http": http}, "load": load},
        }
    )


def held(text: str) -> Held:
    (manifest,) = parse_manifests("f.yaml", f"apiVersion: v1\n{text}".encode())
    assert manifest.problems == ()
    assert manifest.held is not None
    return manifest.held


CONFIG = held("kind: ConfigMap\nmetadata: {name: shop}\ndata: {tenant: eu}\n")
SECRET = held("kind: Secret\nmetadata: {name: shop}\nstringData: {t: abc}\n")


def test_both_fields_of_a_secret_are_read_and_string_data_wins():
    encoded = base64.b64encode(b"\x00\xff").decode()
    one = held(
        f"kind: Secret\nmetadata: {{name: shop, namespace: eu}}\n"
        f"data: {{a: {encoded}, b: {encoded}}}\nstringData: {{b: text}}\n"
    )
    assert one == Held("Secret", "eu", "shop", {"a": b"\x00\xff", "b": b"text"})


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("kind: Secret\ndata: {a: 'no base64!'}", "data.a: is not base64"),
        ("kind: Secret\nstringData: {a: 7}", "stringData.a: must be a string: put it in quotes"),
        ("kind: ConfigMap\ndata: {a: true}", "data.a: must be a string"),
        ("kind: Secret\n", "metadata.name: this field is required"),
    ],
)
def test_what_the_api_server_would_refuse_is_told(text, problem):
    (manifest,) = parse_manifests("f.yaml", f"apiVersion: v1\n{text}\n".encode())
    assert any(one.text.startswith(problem) for one in manifest.problems), manifest.problems


def test_what_is_in_no_place_is_named_with_both_places():
    values, missing = find_values(a_test(), [], None)
    assert values == {}
    assert missing == [
        "spec: takes a value from ConfigMap shop, key tenant: add that ConfigMap to the "
        "manifests, or pass --secrets DIR with the file DIR/shop/tenant",
        "spec: takes a value from Secret shop, key t: add that Secret to the manifests, or pass "
        "--secrets DIR with the file DIR/shop/t",
    ]


def test_a_secret_of_another_namespace_is_another_one():
    _, missing = find_values(a_test("eu"), [SECRET, CONFIG], None)
    assert len(missing) == 2


def test_a_file_wins_over_a_manifest(tmp_path: Path):
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "t").write_text("from the file")
    values, missing = find_values(a_test(), [SECRET, CONFIG], tmp_path)
    assert missing == []
    assert values == {TOKEN: tmp_path / "shop" / "t", TENANT: b"eu"}


def test_workers_find_them_as_the_kubelet_would_lay_them_out(tmp_path: Path):
    file = tmp_path / "elsewhere"
    file.write_text("abc")
    lay_out({TOKEN: file, TENANT: b"eu"}, tmp_path / "tree")
    assert (tmp_path / "tree" / "secrets" / "shop" / "t").read_text() == "abc"
    tenant = tmp_path / "tree" / "configmaps" / "shop" / "tenant"
    assert tenant.read_text() == "eu"
    assert tenant.stat().st_mode & 0o777 == 0o600


def test_the_example_has_all_that_it_needs():
    manifests = list(parse_manifests("f", (EXAMPLES / "auth-headers.yaml").read_bytes()))
    test = next(manifest.test for manifest in manifests if manifest.test is not None)
    found = [manifest.held for manifest in manifests if manifest.held is not None]
    assert find_values(test, found, None)[1] == []
