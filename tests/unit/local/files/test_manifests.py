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


def told(manifest: Manifest) -> list[str]:
    return [problem.text for problem in manifest.problems]


def only(text: str | bytes) -> Manifest:
    data = text.encode() if isinstance(text, str) else text
    (manifest,) = parse_manifests("f.yaml", data)
    return manifest


def test_a_right_manifest_is_a_test_in_the_default_namespace():
    manifest = only(GOOD)
    assert manifest.problems == ()
    assert manifest.test is not None
    assert (manifest.test.metadata.namespace, manifest.source) == ("default", "f.yaml:1:1")


def test_other_kinds_are_named_and_skipped():
    assert only("apiVersion: v1\nkind: Service\n").skipped == "Service (v1)"
    assert only("apiVersion: other.io/v1\nkind: PerfTest\n").skipped == "PerfTest (other.io/v1)"


def test_every_problem_names_its_field():
    broken = (
        GOOD.replace("min: 100%", "min: 100")
        .replace("name: api", "name: Api")
        .replace("concurrency: 10", "concurency: 10")
    )
    fields = [problem.field for problem in only(broken + "sepc: 1\n").problems]
    assert fields == [
        "metadata.name",
        "spec.load.burst.concurrency",
        "spec.load.burst.concurency",
        "spec.slos[0].min",
        "sepc",
    ]


def test_what_only_the_operator_sees_is_a_problem_here_too():
    (problem,) = told(only(GOOD.replace("min: 100%", "of: lst, min: 100%")))
    assert problem.startswith("spec.slos[0].of: ")


def test_other_versions_and_missing_ones_are_told():
    (other,) = told(only(GOOD.replace("v1alpha1", "v1")))
    assert other == "apiVersion: perfrun.dev/v1 is not served; write perfrun.dev/v1alpha1"
    (missing,) = told(only(GOOD.replace("apiVersion: perfrun.dev/v1alpha1\n", "")))
    assert missing == "apiVersion: missing; write perfrun.dev/v1alpha1"


def test_files_that_are_no_manifests_are_told_without_a_traceback():
    assert told(only(b"\xff\xfe\x00")) == ["is not UTF-8 text"]
    assert told(only(b"")) == ["has no document"]
    assert told(only("just text"))[0].startswith("not an object")
    assert "larger than 1024 KiB" in told(only(b"x" * (MAX_FILE + 1)))[0]


def test_folders_are_read_in_order_and_missing_files_told(tmp_path: Path):
    (tmp_path / "b.yaml").write_text(GOOD)
    (tmp_path / "a.yml").write_text(GOOD)
    (tmp_path / "c.txt").write_text("not read")
    names = [Path(manifest.source).name for manifest in read_manifests([str(tmp_path)])]
    assert names == ["a.yml:1:1", "b.yaml:1:1"]
    (missing,) = read_manifests([str(tmp_path / "nope.yaml")])
    assert told(missing) == ["cannot be read: No such file or directory"]
    (tmp_path / "empty").mkdir()
    (empty,) = read_manifests([str(tmp_path / "empty")])
    assert told(empty) == ["the folder has no *.yaml files"]


@pytest.mark.parametrize("kind", ["Perftest", "perftest", "PerfTests", "PerTest"])
def test_a_misspelled_kind_is_an_error_and_not_skipped(kind):
    manifest = only(GOOD.replace("kind: PerfTest", f"kind: {kind}"))
    assert manifest.skipped == ""
    assert told(manifest) == [f'kind: perfrun.dev has no kind {kind}; did you mean "PerfTest"?']


def test_an_unknown_kind_of_ours_is_an_error_and_other_ones_of_ours_are_skipped():
    (problem,) = told(only("apiVersion: perfrun.dev/v1alpha1\nkind: Load\n"))
    assert problem.endswith("there are: PerfTest, PerfRun, PerfPolicy")
    (problem,) = told(only("apiVersion: perfrun.dev/v1alpha1\n"))
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
        (found,) = told(only(text + spec))
        assert found.startswith(problem)


def test_a_misspelled_group_is_an_error():
    (problem,) = told(only(GOOD.replace("perfrun.dev", "perfrum.dev")))
    assert problem.endswith('is not served; did you mean "perfrun.dev/v1alpha1"?')


def test_a_list_is_read_as_its_items():
    items = [yaml.safe_load(GOOD), {"apiVersion": "v1", "kind": "Service"}, 7]
    text = json.dumps({"apiVersion": "v1", "kind": "List", "items": items})
    first, second, third = parse_manifests("f.yaml", text.encode())
    assert first.test is not None
    assert first.source == f"f.yaml:1:{text.index('[') + 2}"
    assert second.skipped == "Service (v1)"
    assert told(third)[0].startswith("not an object")
    assert told(only("apiVersion: v1\nkind: List\nitems: []\n")) == [
        "items: a list of objects is required"
    ]


def lines(text: str, file: str = "f.yaml") -> list[str]:
    """What ``perfrun validate`` says of a file that is wrong."""
    manifests = list(parse_manifests(file, text.encode()))
    errors = [one.line("error") for manifest in manifests for one in manifest.problems]
    return [*errors, *(one.line("warning") for it in manifests for one in it.warnings)]


def test_every_problem_has_its_place_and_they_are_in_the_order_of_the_file() -> None:
    text = """\
apiVersion: perfrun.dev/v1alpha1
kind: PerfTest
metadata: {name: api}
spec:
  suspend: no
  target:
    http: {url: http://127.0.0.1:1/, timout: 3s}
  load:
    users: 5
    closed: {users: 3, duration: 10}
  slos:
  - {metric: successRate, min: 100}
  - metric: latency.p59
    max: 5ms
"""
    assert lines(text) == [
        'f.yaml:7:38: error: api: spec.target.http.timout: unknown field; did you mean "timeout"?',
        "f.yaml:9:5: error: api: spec.load.users: unknown field; users belongs in spec.load.closed",
        "f.yaml:10:24: error: api: spec.load.closed.duration: 10 is not a duration: write a number "
        "and a unit, as in 500ms, 5s, 10m or 1h30m",
        "f.yaml:12:27: error: api: spec.slos[0].min: the limit of this metric must be a percentage "
        "from 0% to 100%, as in 1%",
        "f.yaml:13:5: error: api: spec.slos[1].metric: unknown metric; did you mean latency.p99, "
        "latency.p95 or latency.p50?",
        "f.yaml:5:12: warning: api: no is read as false (YAML 1.1): write false, or quote it if "
        "you mean the string",
    ]


def test_places_in_several_documents_and_on_standard_input() -> None:
    text = f"{GOOD}---\n# another\n{GOOD.replace('min: 100%', 'of: lst, min: 100%')}"
    (line,) = lines(text, "-")
    assert line.startswith("-:16:32: error: api: spec.slos[0].of: ")


def test_a_field_that_is_missing_is_told_at_what_should_have_it() -> None:
    text = GOOD.replace("url: http://127.0.0.1:1/", "timeout: 1s")
    assert lines(text) == ["f.yaml:5:12: error: api: spec.target.http.url: this field is required"]
    text = GOOD.replace("spec:\n", "").replace("\n  ", "\n#")
    assert lines(text) == ["f.yaml:1:1: error: api: spec: this field is required"]


def test_places_in_what_an_anchor_or_a_merge_key_brings() -> None:
    text = """\
apiVersion: perfrun.dev/v1alpha1
kind: PerfTest
metadata:
  name: api
  annotations: &text {a: b}
spec:
  target:
    http: &base
      url: http://127.0.0.1:1/
      timout: 3s
  load: {burst: {requests: 10, concurrency: 10}}
  variables: *text
  scenarios:
  - name: s
    steps:
    - name: a
      http:
        <<: *base
        path: 7
"""
    assert [line.partition(";")[0] for line in lines(text)] == [
        "f.yaml:9:7: error: api: spec.scenarios[0].steps[0].http.url: unknown field",
        "f.yaml:10:7: error: api: spec.target.http.timout: unknown field",
        "f.yaml:10:7: error: api: spec.scenarios[0].steps[0].http.timout: unknown field",
        "f.yaml:19:9: error: api: spec.scenarios[0].steps[0].http.path: must be a text, but is 7",
    ]


def test_places_in_json_and_in_the_items_of_a_list() -> None:
    item = json.loads(json.dumps(yaml.safe_load(GOOD)))
    item["spec"]["load"]["burst"]["requests"] = 0
    item["spec"]["slos"].append({"metric": "errorRate", "max": "1"})
    text = json.dumps(
        {"apiVersion": "v1", "kind": "List", "items": [{"kind": "X"}, item]}, indent=1
    )
    found = text.splitlines()
    assert lines(text, "f.json") == [
        f"f.json:{found.index(chr(32) * 6 + chr(34) + 'requests' + chr(34) + ': 0,') + 1}:7: error: "
        "api: spec.load.burst.requests: must be at least 1, but is 0",
        f"f.json:{found.index(chr(32) * 6 + chr(34) + 'max' + chr(34) + ': ' + chr(34) + '1' + chr(34)) + 1}:7: "
        "error: api: spec.slos[1].max: the limit of this metric must be a percentage from 0% to "
        "100%, as in 1%",
    ]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a:\n\tb: 1\n", "f.yaml:2:1: error: a tab: YAML is indented with spaces only, replace the tab"),
        ("a:\n  b: 1\n  \tc: 2\n", "f.yaml:3:3: error: a tab: YAML is indented with spaces only, replace the tab"),
        ("a: 'x\n", "f.yaml:2:1: error: found unexpected end of stream, while scanning a quoted scalar that begins on line 1"),
        ("a: @x\n", "f.yaml:1:4: error: found character that cannot start any token, while scanning for the next token that begins on line 1"),
        ('{"a": 1,\n "b" 2}', "f.yaml:2:6: error: not JSON: a colon is expected here, between a name and its value"),
        ('{"a": [1,\n 2}', "f.yaml:2:3: error: not JSON: a comma is expected here, or the end of the list or object"),
        ("a: \x07\n", "f.yaml:1:4: error: not YAML: the character U+0007 is not allowed"),
    ],
)  # fmt: skip
def test_a_text_that_cannot_be_read_is_told_with_line_and_column(text: str, told: str) -> None:
    (line,) = lines(text)
    assert line.startswith(told)


def test_what_is_wrong_with_one_document_leaves_the_others() -> None:
    twice = "apiVersion: v1\nkind: A\nmetadata:\n  name: one\n  name: two\n1: x\n"
    text = f"{twice}---\n{GOOD.replace('min: 100%', 'min: fast')}---\na: [1\n"
    assert [line.partition(";")[0] for line in lines(text)] == [
        "f.yaml:5:3: error: one: the key name appears twice: remove one",
        "f.yaml:6:1: error: one: the key 1 is not read as a string: quote it",
        "f.yaml:14:32: error: api: spec.slos[0].min: the limit of this metric must be a percentage "
        "from 0% to 100%, as in 1%",
        "f.yaml:17:1: error: did not find expected ',' or ']', while parsing a flow sequence that "
        "begins on line 16",
    ]


def test_a_value_of_a_secret_is_told_at_its_key() -> None:
    text = "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData:\n  tls.crt: 7\n"
    assert lines(text) == [
        'f.yaml:5:3: error: s: stringData["tls.crt"]: must be a string: put it in quotes'
    ]
