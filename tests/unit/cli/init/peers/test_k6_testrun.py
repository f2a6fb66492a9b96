"""A TestRun of k6-operator becomes a test of its script, and what a test cannot say is named."""

import pytest

from perfrun.api.test.perftest import PerfTest
from perfrun.cli.init.draft import Amendment, SourceError, amended
from perfrun.cli.init.kinds import SourceKind, kind_of
from perfrun.cli.init.peers.k6_testrun import K6_TESTRUNS
from perfrun.cli.init.source import SourceFile
from perfrun.cli.init.write import manifest, write_drafts
from perfrun.local.files.strictyaml import load_documents

HEAD = "apiVersion: k6.io/v1alpha1\nkind: TestRun\nmetadata: {name: shop}\nspec:\n  "
CONFIG_MAP = "script: {configMap: {name: shop-k6, file: shop.js}}\n  "
WHOLE = """\
apiVersion: v1
kind: ConfigMap
metadata: {name: shop-k6}
data:
  shop.js: import http from "k6/http"
---
apiVersion: k6.io/v1alpha1
kind: TestRun
metadata:
  name: shop-load
  namespace: shop
  labels: {team: shop}
spec:
  parallelism: 4
  separate: true
  quiet: "false"
  script:
    configMap:
      name: shop-k6
      file: shop.js
  arguments: --tag team=shop --out cloud -e BASE_URL=$(BASE_URL) --duration=10m
  starter:
    image: registry.example/starter:1
  runner:
    image: registry.example/k6:1.8.1
    env:
    - {name: BASE_URL, value: "http://shop:8000/api"}
    - name: TOKEN
      valueFrom: {secretKeyRef: {name: shop, key: token, optional: true}}
    - {name: PASSWORD, value: hunter2}
    - {name: K6_OUT, value: json}
    - name: NODE
      valueFrom: {fieldRef: {fieldPath: spec.nodeName}}
    envFrom:
    - configMapRef: {name: shop-env}
    resources:
      requests: {cpu: 500m, memory: 256Mi}
    nodeSelector: {pool: load}
    metadata:
      labels: {team: shop}
    imagePullSecrets:
    - {name: registry}
    securityContext:
      runAsUser: 1000
    surprise: yes
"""


def drafts(tmp_path, text, **options):
    file = tmp_path / "run.yaml"
    file.write_text(text)
    with SourceFile(str(file)) as source:
        return K6_TESTRUNS.drafts(source.located_documents(), "run.yaml", **options)


def spec_of(draft):
    """The spec as it is read from what is written; it is a valid one."""
    (document,) = load_documents(write_drafts([draft], "t.yaml"))
    assert document.value == manifest(draft)
    PerfTest.model_validate({"metadata": {}, **document.value})
    return document.value["spec"]


def test_everything_that_a_test_can_say_is_carried_over(tmp_path):
    (draft,) = drafts(tmp_path, WHOLE)
    assert manifest(draft)["metadata"] == {"name": "shop-load", "namespace": "shop"}
    term = {
        "labelSelector": {"matchLabels": {"perfrun.dev/test": "shop-load"}},
        "topologyKey": "kubernetes.io/hostname",
    }
    assert spec_of(draft) == {
        "target": {
            "script": {
                "tool": "k6",
                "image": "registry.example/k6:1.8.1",
                "files": {"configMap": {"name": "shop-k6"}},
                "entry": "shop.js",
                "args": [
                    "--tag",
                    "team=shop",
                    "-e",
                    "BASE_URL=http://shop:8000/api",
                    "--duration=10m",
                ],
                "env": [
                    {"name": "BASE_URL", "value": "http://shop:8000/api"},
                    {
                        "name": "TOKEN",
                        "valueFrom": {"secretKeyRef": {"name": "shop", "key": "token"}},
                    },
                    {
                        "name": "PASSWORD",
                        "valueFrom": {
                            "secretKeyRef": {"name": "shop-load-secrets", "key": "PASSWORD"}
                        },
                    },
                ],
                "targets": ["shop:8000"],
            }
        },
        "load": {"workers": 4, "maxDuration": "15m"},
        "podTemplate": {
            "labels": {"team": "shop"},
            "nodeSelector": {"pool": "load"},
            "resources": {"requests": {"cpu": "500m", "memory": "256Mi"}},
            "imagePullSecrets": [{"name": "registry"}],
            "affinity": {
                "podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}
            },
        },
    }


def test_the_rest_is_named_with_its_line_and_no_secret_is_copied(tmp_path):
    (draft,) = drafts(tmp_path, WHOLE)
    found = [one.removeprefix("Not carried over: ").rstrip(")") for one in draft.notes[2:]]
    told = [(one.partition(":")[0], int(one.rpartition("(line ")[2])) for one in found]
    lines = WHOLE.splitlines()
    assert [(field, lines[line - 1].split()[-1]) for field, line in told] == [
        ("spec.runner.env[1].valueFrom.secretKeyRef.optional", "true}}"),
        ("spec.runner.env[3].name", "json}"),
        ("spec.runner.env[4].valueFrom", "spec.nodeName}}"),
        ("the argument --out cloud", "--duration=10m"),
        ("metadata.labels", "shop}"),
        ("spec.runner.envFrom", "envFrom:"),
        ("spec.runner.securityContext", "securityContext:"),
        ("spec.runner.surprise", "yes"),
        ("spec.quiet", '"false"'),
        ("spec.starter", "starter:"),
    ]
    assert draft.notes[:2] == (
        "From the TestRun shop-load of run.yaml.",
        "Apply what else is in run.yaml as before: ConfigMap.",
    )
    written = write_drafts([draft], "t.yaml")
    assert "hunter2" not in written
    assert "--from-literal=PASSWORD=..." in written


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("configMap: {name: a}", {"files": {"configMap": {"name": "a"}}, "entry": "test.js"}),
        (
            "volumeClaim: {name: v, file: sub/t.js, readOnly: true}",
            {"files": {"volumeClaim": {"name": "v"}}, "entry": "sub/t.js"},
        ),
        (
            "volumeClaim: {name: v, file: /test/sub/t.js}",
            {"files": {"volumeClaim": {"name": "v"}}, "entry": "sub/t.js"},
        ),
        ("volumeClaim: {name: v, file: /opt/t.js}", {"entry": "/opt/t.js"}),
        ("localFile: /opt/t.js", {"entry": "/opt/t.js"}),
    ],
)
def test_where_the_script_is(tmp_path, script, expected):
    (draft,) = drafts(tmp_path, HEAD + f"script: {{{script}}}")
    found = spec_of(draft)["target"]["script"]
    assert {name: found[name] for name in ("files", "entry") if name in found} == expected


def test_what_the_source_does_not_say_is_to_be_changed(tmp_path):
    (draft,) = drafts(tmp_path, HEAD + CONFIG_MAP)
    found = spec_of(draft)
    assert found["load"] == {"workers": 1, "maxDuration": "1h"}
    assert found["target"]["script"]["targets"] == ["localhost:8080"]
    changes = [one.partition(".")[0] for one in (*draft.target_notes, *draft.load.notes)]
    assert changes == [
        "CHANGE THIS: image, to the version of k6 that you use",
        "CHANGE THIS: every host:port that the script sends requests to",
        "CHANGE THIS: maxDuration ends the script",
    ]


def test_the_command_line_says_name_and_target(tmp_path):
    (draft,) = drafts(tmp_path, HEAD + CONFIG_MAP, name="mine", url="https://shop.example/x")
    assert draft.name == "mine"
    assert spec_of(draft)["target"]["script"]["targets"] == ["shop.example:443"]


def test_exact_arguments_go_before_those_of_a_shell(tmp_path):
    args = 'args: ["--tag", "note=a \\"b\\" $$1", "-e", "A=$(MISSING)"]\n  arguments: --vus 3'
    (draft,) = drafts(tmp_path, HEAD + CONFIG_MAP + args)
    kept = ["--tag", 'note=a "b" $1', "-e", "A=$$(MISSING)"]
    assert spec_of(draft)["target"]["script"]["args"] == kept
    assert "$(MISSING) is not replaced: write its value there (line 6)" in draft.notes[-1]


def test_what_a_shell_would_read_in_arguments_is_named(tmp_path):
    (draft,) = drafts(tmp_path, HEAD + CONFIG_MAP + "arguments: -e 'A=b c' --tag x=$HOME")
    assert spec_of(draft)["target"]["script"]["args"] == ["-e", "A=b c", "--tag", "x=$HOME"]
    assert "spec.arguments: no shell reads them here" in draft.notes[-1]


def test_each_testrun_of_a_file_and_the_older_kind(tmp_path):
    two = HEAD + CONFIG_MAP + "\n---\n" + HEAD.replace("TestRun", "K6").replace("shop", "b")
    found = drafts(tmp_path, two + CONFIG_MAP, name="ignored-for-several")
    assert [one.name for one in found] == ["shop", "b"]


@pytest.mark.parametrize("text", ["kind: ConfigMap\napiVersion: v1\n", HEAD + "parallelism: 2"])
def test_no_script_no_test(tmp_path, text):
    with pytest.raises(SourceError):
        drafts(tmp_path, text)


def test_it_is_known_by_its_content_and_has_its_load_itself(tmp_path):
    file = tmp_path / "run.yaml"
    file.write_text(HEAD + CONFIG_MAP)
    with SourceFile(str(file)) as source:
        assert kind_of(source) is SourceKind.K6_TESTRUN
    (draft,) = drafts(tmp_path, HEAD + CONFIG_MAP)
    with pytest.raises(SourceError, match="the script already contains the load"):
        amended(draft, Amendment(load={"open": {}}))
    slo = {"metric": "latency.p95", "max": "1s"}
    assert spec_of(amended(draft, Amendment(slos=(slo,))))["slos"] == [slo]
