"""LocustTests of locust-k8s-operator become tests of their scripts."""

import pytest

from perfrun.cli.init.draft import SourceError
from perfrun.cli.init.kinds import SourceKind, kind_of
from perfrun.cli.init.peers.locust_test import LOCUST_TESTS
from perfrun.cli.init.source import SourceFile
from tests.unit.cli.init.peers.test_k6_testrun import spec_of

V2 = """\
apiVersion: locust.io/v2
kind: LocustTest
metadata: {name: shop, namespace: load}
spec:
  image: registry.example/locust:2.43.1
  imagePullPolicy: Always
  imagePullSecrets:
  - {name: registry}
  master:
    command: >-
      --locustfile /lotest/src/shop.py --host https://shop.example --users 100 --spawn-rate 10
      --run-time 3m --headless --csv /tmp/out
    autostart: true
    resources: {requests: {cpu: 500m}}
    extraArgs: [--tags, smoke]
  worker:
    command: "--locustfile /lotest/src/shop.py --loglevel DEBUG"
    replicas: 5
    resources: {requests: {cpu: 250m}}
    labels: {role: worker}
  testFiles: {configMapRef: shop-locust, libConfigMapRef: shop-lib}
  scheduling:
    nodeSelector: {pool: load}
    tolerations: [{key: pool, operator: Equal, value: load, effect: NoSchedule}]
    runtimeClassName: gvisor
  env:
    secretRefs: [{name: credentials}]
    variables:
    - {name: LOCUST_HOST, value: "http://x"}
    - {name: LEVEL, valueFrom: {configMapKeyRef: {name: app, key: level}}}
  observability: {openTelemetry: {enabled: true, endpoint: "collector:4317"}}
"""
V1 = """\
apiVersion: locust.io/v1
kind: LocustTest
metadata: {name: demo}
spec:
  image: registry.example/locust:2.43.1
  masterCommandSeed: --locustfile /lotest/src/demo.py -H http://demo --users 10 --run-time 1h30m
  workerCommandSeed: --locustfile /lotest/src/demo.py
  workerReplicas: 3
  configMap: demo-map
  libConfigMap: demo-lib
  imagePullSecrets: [registry]
  labels: {master: {role: master}, worker: {role: worker}}
  affinity:
    nodeAffinity:
      requiredDuringSchedulingIgnoredDuringExecution: {pool: load}
  tolerations:
  - {key: pool, operator: Exists, effect: NoSchedule}
"""


def drafts(tmp_path, text, **options):
    file = tmp_path / "test.yaml"
    file.write_text(text)
    with SourceFile(str(file)) as source:
        assert kind_of(source) is SourceKind.LOCUST_TEST
        return LOCUST_TESTS.drafts(source.located_documents(), "test.yaml", **options)


def not_carried(draft):
    found = (one.removeprefix("Not carried over: ") for one in draft.notes[1:])
    return [one.partition(": ")[0] for one in found]


def test_version_2(tmp_path):
    (draft,) = drafts(tmp_path, V2)
    assert (draft.name, draft.namespace) == ("shop", "load")
    assert spec_of(draft) == {
        "target": {
            "script": {
                "tool": "Locust",
                "image": "registry.example/locust:2.43.1",
                "files": {"configMap": {"name": "shop-locust"}},
                "entry": "shop.py",
                "args": [
                    "--host",
                    "https://shop.example",
                    "--users",
                    "100",
                    "--spawn-rate",
                    "10",
                    "--run-time",
                    "3m",
                    "--tags",
                    "smoke",
                ],
                "env": [
                    {
                        "name": "LEVEL",
                        "valueFrom": {"configMapKeyRef": {"name": "app", "key": "level"}},
                    }
                ],
                "targets": ["shop.example:443"],
            }
        },
        "load": {"workers": 5, "maxDuration": "8m"},
        "podTemplate": {
            "labels": {"role": "worker"},
            "nodeSelector": {"pool": "load"},
            "tolerations": [
                {"key": "pool", "operator": "Equal", "value": "load", "effect": "NoSchedule"}
            ],
            "resources": {"requests": {"cpu": "250m"}},
            "imagePullSecrets": [{"name": "registry"}],
        },
    }
    assert not_carried(draft) == [
        "spec.scheduling.runtimeClassName",
        "spec.testFiles.libConfigMapRef",
        "spec.env.secretRefs",
        "spec.master.autostart",
        "spec.master.resources",
        "spec.env.variables[0].name",
        "spec.worker",
        "the argument --headless",
        "the argument --csv /tmp/out",
        "spec.imagePullPolicy",
        "spec.observability",
    ]
    (worker,) = (one for one in draft.notes if "spec.worker" in one)
    assert "its command also has --loglevel DEBUG" in worker
    assert worker.endswith("(line 16)")


def test_version_1(tmp_path):
    (draft,) = drafts(tmp_path, V1)
    assert spec_of(draft) == {
        "target": {
            "script": {
                "tool": "Locust",
                "image": "registry.example/locust:2.43.1",
                "files": {"configMap": {"name": "demo-map"}},
                "entry": "demo.py",
                "args": ["-H", "http://demo", "--users", "10", "--run-time", "1h30m"],
                "targets": ["demo:80"],
            }
        },
        "load": {"workers": 3, "maxDuration": "95m"},
        "podTemplate": {
            "labels": {"role": "worker"},
            "nodeSelector": {"pool": "load"},
            "tolerations": [{"key": "pool", "operator": "Exists", "effect": "NoSchedule"}],
            "imagePullSecrets": [{"name": "registry"}],
        },
    }
    assert not_carried(draft) == ["spec.labels.master", "spec.libConfigMap"]


def test_a_script_in_the_image(tmp_path):
    text = V1.replace("  configMap: demo-map\n", "").replace("/lotest/src/demo.py", "/opt/demo.py")
    (draft,) = drafts(tmp_path, text)
    script = spec_of(draft)["target"]["script"]
    assert script["entry"] == "/opt/demo.py"
    assert "files" not in script


def test_a_script_that_is_not_among_the_files(tmp_path):
    text = V1.replace("--locustfile /lotest/src/demo.py -H", "locust -f /x.py -H")
    (draft,) = drafts(tmp_path, text)
    assert spec_of(draft)["target"]["script"]["entry"] == "/x.py"
    assert draft.target_notes[0].startswith("The script /x.py is not among the files")


def test_other_documents_are_no_test():
    with pytest.raises(SourceError, match="has no LocustTest"):
        LOCUST_TESTS.drafts([{"kind": "LocustTest", "apiVersion": "v1"}], "x.yaml")
