"""From files to tests, and what is said of those that are none."""

import json
from pathlib import Path

import pytest
import yaml

from perfrun.local.files.manifests import MAX_FILE, Manifest, parse_manifests, read_manifests

GOOD = """\
apiVersion: perfrun.dev/v1alpha1
kind: PerfTest
metadata: {name: api}
spec:
  target: {http: {url: http://127.0.0.1:1/}}
  load: {burst: {requests: 10, concurrency: 10}}
  slos: [{metric: successRate, min: 100%}]
"""


def only(text: str | bytes) -> Manifest:
    data = text.encode() if isinstance(text, str) else text
    (manifest,) = parse_manifests("f.yaml", data)
    return manifest


def test_a_right_manifest_is_a_test_in_the_default_namespace():
    manifest = only(GOOD)
    assert manifest.problems == ()
    assert manifest.test is not None
    assert (manifest.test.metadata.namespace, manifest.source) == ("default", "f.yaml:1")


def test_other_kinds_are_named_and_skipped():
    assert only("apiVersion: v1\nkind: Service\n").skipped == "Service (v1)"
    assert only("apiVersion: other.io/v1\nkind: PerfTest\n").skipped == "PerfTest (other.io/v1)"


def test_every_problem_names_its_field():
    broken = (
        GOOD.replace("min: 100%", "min: 100")
        .replace("name: api", "name: Api")
        .replace("concurrency: 10", "concurency: 10")
    )
    problems = only(broken + "sepc: 1\n").problems
    starts = [problem.split(":")[0] for problem in problems]
    assert "sepc" in starts
    assert "metadata.name" in starts
    assert "spec.load.burst.concurency" in starts
    assert "spec.slos[0].min" in starts


def test_what_only_the_operator_sees_is_a_problem_here_too():
    (problem,) = only(GOOD.replace("min: 100%", "of: lst, min: 100%")).problems
    assert problem.startswith("spec.slos[0].of: ")


def test_other_versions_and_missing_ones_are_told():
    (other,) = only(GOOD.replace("v1alpha1", "v1")).problems
    assert other == "apiVersion: perfrun.dev/v1 is not served; write perfrun.dev/v1alpha1"
    (missing,) = only(GOOD.replace("apiVersion: perfrun.dev/v1alpha1\n", "")).problems
    assert missing == "apiVersion: missing; write perfrun.dev/v1alpha1"


def test_files_that_are_no_manifests_are_told_without_a_traceback():
    assert only(b"\xff\xfe\x00").problems == ("is not UTF-8 text",)
    assert only(b"").problems == ("has no document",)
    assert only("just text").problems[0].startswith("not an object")
    assert "larger than 1024 KiB" in only(b"x" * (MAX_FILE + 1)).problems[0]


def test_folders_are_read_in_order_and_missing_files_told(tmp_path: Path):
    (tmp_path / "b.yaml").write_text(GOOD)
    (tmp_path / "a.yml").write_text(GOOD)
    (tmp_path / "c.txt").write_text("not read")
    names = [Path(manifest.source).name for manifest in read_manifests([str(tmp_path)])]
    assert names == ["a.yml:1", "b.yaml:1"]
    (missing,) = read_manifests([str(tmp_path / "nope.yaml")])
    assert missing.problems == ("cannot be read: No such file or directory",)
    (tmp_path / "empty").mkdir()
    (empty,) = read_manifests([str(tmp_path / "empty")])
    assert empty.problems == ("the folder has no *.yaml files",)


@pytest.mark.parametrize("kind", ["Perftest", "perftest", "PerfTests", "PerTest"])
def test_a_misspelled_kind_is_an_error_and_not_skipped(kind):
    manifest = only(GOOD.replace("kind: PerfTest", f"kind: {kind}"))
    assert manifest.skipped == ""
    assert manifest.problems == (f'kind: perfrun.dev has no kind {kind}; did you mean "PerfTest"?',)


def test_an_unknown_kind_of_ours_is_an_error_and_other_ones_of_ours_are_skipped():
    (problem,) = only("apiVersion: perfrun.dev/v1alpha1\nkind: Load\n").problems
    assert problem.endswith("there are: PerfTest, PerfRun, PerfPolicy")
    (problem,) = only("apiVersion: perfrun.dev/v1alpha1\n").problems
    assert problem == "kind: missing; write PerfTest"
    run = only("apiVersion: perfrun.dev/v1alpha1\nkind: PerfRun\n")
    assert run.skipped == "PerfRun (perfrun.dev/v1alpha1)"


def test_a_policy_is_read_and_its_problems_name_their_fields():
    text = "apiVersion: perfrun.dev/v1alpha1\nkind: PerfPolicy\nmetadata: {name: a.b}\nspec: "
    manifest = only(text + "{limits: {runs: 3}}")
    assert (manifest.test, manifest.problems, manifest.skipped) == (None, (), "")
    assert manifest.policy.spec.limits.runs == 3
    for spec, problem in (
        ("{limits: {rusn: 3}}", "spec.limits.rusn: "),
        ("{deny: {cidrs: [10.1.2.3/8]}}", "spec.deny.cidrs[0]: "),
        ("{allowedHours: [{timeZone: Europe/Berln}]}", "spec.allowedHours[0].timeZone: "),
        ("{}\nsepc: {}", "sepc: unknown field"),
    ):
        (found,) = only(text + spec).problems
        assert found.startswith(problem)


def test_a_misspelled_group_is_an_error():
    (problem,) = only(GOOD.replace("perfrun.dev", "perfrum.dev")).problems
    assert problem.endswith('is not served; did you mean "perfrun.dev/v1alpha1"?')


def test_a_list_is_read_as_its_items():
    items = [yaml.safe_load(GOOD), {"apiVersion": "v1", "kind": "Service"}, 7]
    text = json.dumps({"apiVersion": "v1", "kind": "List", "items": items})
    first, second, third = parse_manifests("f.yaml", text.encode())
    assert first.test is not None
    assert first.source == "f.yaml:1.items[0]"
    assert second.skipped == "Service (v1)"
    assert third.problems[0].startswith("not an object")
    assert only("apiVersion: v1\nkind: List\nitems: []\n").problems == (
        "items: a list of objects is required",
    )
