"""From files and keywords to tests that can be run."""

from pathlib import Path
from typing import Any

import pytest

from perfrun.pytest_plugin.given import Given, from_fields, from_file
from perfrun.pytest_plugin.session import InvalidTestError

API = """
apiVersion: perfrun.dev/v1alpha1
kind: PerfTest
metadata: {name: NAME, namespace: shop}
spec:
  target: {http: {url: http://shop:8000, timeout: 3s}}
  variables: {region: eu, tier: gold}
  load: {burst: {requests: 10, concurrency: 2}}
"""
WITH_SECRET = API.replace(
    "timeout: 3s", "auth: {bearer: {tokenFrom: {secretKeyRef: {name: shop, key: token}}}}"
)
BURST = {"burst": {"requests": 10, "concurrency": 2}}


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    file = tmp_path / "api.yaml"
    file.write_text(API.replace("NAME", "one") + "---" + API.replace("NAME", "two"))
    return file


def of(file: Path, **more: Any) -> Given:
    return from_file(file, **{"name": None, "url": None, "variables": None, "secrets": None} | more)


def test_a_test_of_several_is_named(manifest: Path):
    assert of(manifest, name="two").test.metadata.name == "two"
    with pytest.raises(InvalidTestError, match="found: one, two: select one with name="):
        of(manifest)
    with pytest.raises(InvalidTestError, match="expected one PerfTest named three, but found: one"):
        of(manifest, name="three")


def test_another_url_and_variables_change_nothing_else(manifest: Path):
    written = of(manifest, name="one").test
    test = of(manifest, name="one", url="http://[::1]:1/x", variables={"region": "us"}).test
    assert test.spec.target.http.url == "http://[::1]:1/x"
    assert test.spec.variables == {"region": "us", "tier": "gold"}
    assert test.metadata.namespace == "shop"
    changed = {"target", "variables"}
    assert test.spec.model_dump(exclude=changed) == written.spec.model_dump(exclude=changed)
    assert test.spec.target.http.timeout == written.spec.target.http.timeout


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        ({"url": "shop:8000"}, r"spec\.target\.http\.url: .*http:// or https://"),
        ({"variables": {"1x": "a"}}, r"spec\.variables"),
    ],
)
def test_what_is_laid_over_is_checked_too(manifest: Path, more: dict[str, Any], problem: str):
    with pytest.raises(InvalidTestError, match=problem):
        of(manifest, name="one", **more)


def test_problems_of_a_manifest_name_the_file_and_the_field(tmp_path: Path):
    file = tmp_path / "broken.yaml"
    file.write_text(API.replace("NAME", "one").replace("burst", "brust"))
    with pytest.raises(
        InvalidTestError, match=r"broken\.yaml:[0-9]+:[0-9]+: error: one: spec\.load\.brust"
    ):
        of(file)
    with pytest.raises(
        InvalidTestError, match=r"absent\.yaml: error: cannot be read: No such file"
    ):
        of(tmp_path / "absent.yaml")


def test_values_come_from_the_manifest_or_a_folder(tmp_path: Path):
    file = tmp_path / "api.yaml"
    file.write_text(WITH_SECRET.replace("NAME", "one"))
    with pytest.raises(InvalidTestError, match="takes a value from Secret shop, key token"):
        of(file)
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "token").write_text("s3cret")
    assert list(of(file, secrets=tmp_path).values.values()) == [tmp_path / "shop" / "token"]
    file.write_text(
        file.read_text() + "---\napiVersion: v1\nkind: Secret\n"
        "metadata: {name: shop, namespace: shop}\nstringData: {token: s3cret}\n"
    )
    assert list(of(file).values.values()) == [b"s3cret"]


def test_fields_are_those_of_the_api():
    test = from_fields(
        "one",
        {"target": {"http": {"url": "http://a"}}, "load": {**BURST, "startTimeout": "5s"}},
        None,
    ).test
    assert test.metadata.name == "one"
    assert test.spec.load.start_timeout == 5_000_000_000


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"load": {"burst": {"requests": 10}}}, r"spec\.load\.burst\.concurrency"),
        ({"slos": [{"metric": "p95", "max": "1s"}]}, r'did you mean "latency\.p95"'),
        ({"slos": [{"metric": "latency.p95", "max": 1}]}, r"spec\.slos\[0\]\.max: .*duration"),
        ({"slos": [{"metric": "errorRate", "of": "x", "max": "1%"}]}, r"spec\.slos\[0\]\.of"),
        ({"scenario": []}, r"spec\.scenario: "),
        ({"target": {"http": {}}}, r"spec\.target\.http\.url"),
        ({"target": None}, r"spec\.target"),
    ],
)
def test_problems_of_fields_are_told_as_of_a_manifest(fields: dict[str, Any], problem: str):
    spec = {"target": {"http": {"url": "http://a"}}, "load": BURST} | fields
    with pytest.raises(InvalidTestError, match=problem):
        from_fields("one", spec, None)
