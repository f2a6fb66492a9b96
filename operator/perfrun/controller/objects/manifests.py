"""The objects of a run except for its Jobs: ConfigMaps, its revision. Pure functions."""

import base64
import hashlib
from typing import Any

from perfrun.api import API_VERSION, Json
from perfrun.api import names as api_names
from perfrun.api.metadata import Metadata
from perfrun.controller.objects.store import Key
from perfrun.logic.plan.names import job_name, short_hash
from perfrun.measure.plan import RunPlan
from perfrun.measure.script import files_hash

MANAGED_BY = "app.kubernetes.io/managed-by"
WORKER_ACCOUNT = "perfrun-worker"
"""The service account of workers, in the namespace of their test: created by the operator, without
rights. Its name is in the ``sub`` of tokens that are sent to targets.
"""
RUN_LABEL = api_names.RUN_LABEL
TEST_LABEL = api_names.TEST_LABEL
CONTENT_LABEL = "perfrun.dev/content"
"""Label of a ConfigMap: plan, report, observed or result."""
REPORT_INDEX_LABEL = "perfrun.dev/index"
"""Label of a ConfigMap with a report: the worker's index."""
PIECE_LABEL = "perfrun.dev/piece"
"""Label of a ConfigMap with a part of something larger: its number, from 0."""
SHA_ANNOTATION = "perfrun.dev/sha256"
"""Annotation of such a ConfigMap: the hash of the whole."""
CHUNK_BYTES = 900 * 1024
TREND_KEY = "trend.json.gz"


def owner_reference(kind: str, name: str, uid: str, api_version: str = API_VERSION) -> Json:
    """A controlling owner: owned objects are deleted with their owner, without finalizers."""
    return {
        "apiVersion": api_version,
        "kind": kind,
        "name": name,
        "uid": uid,
        "controller": True,
        "blockOwnerDeletion": False,
    }


def run_labels(run: Key, test: str) -> dict[str, str]:
    """The labels of everything that belongs to a run."""
    return {MANAGED_BY: "perfrun", RUN_LABEL: run.name, TEST_LABEL: test}


def run_manifest(test: Metadata, name: str, reason: str, scheduled_time: str | None) -> Json:
    """A PerfRun of a test that the operator itself creates."""
    spec: Json = {"testRef": {"name": test.name}, "reason": reason}
    if scheduled_time is not None:
        spec["scheduledTime"] = scheduled_time
    return {
        "metadata": {
            "name": name,
            "namespace": test.namespace,
            "labels": {MANAGED_BY: "perfrun", TEST_LABEL: test.name},
            "ownerReferences": [owner_reference("PerfTest", test.name, test.uid)],
        },
        "spec": spec,
    }


def revision_name(test: str, what_runs: str) -> str:
    """Equal specs share a revision. ``what_runs`` is the hash of the spec."""
    return f"{test}-{what_runs}"


def revision_manifest(test: Metadata, what_runs: str, frozen: Json) -> Json:
    """What the test runs, frozen. Owned by the test, and shared by runs of the same spec."""
    return {
        "metadata": {
            "name": revision_name(test.name, what_runs),
            "namespace": test.namespace,
            "labels": {MANAGED_BY: "perfrun", TEST_LABEL: test.name},
            "ownerReferences": [owner_reference("PerfTest", test.name, test.uid)],
        },
        "revision": test.generation,
        "data": {"spec": frozen},
    }


def config_map(run: Key, uid: str, test: str, content: str, name: str, **data: Any) -> Json:
    """A ConfigMap that belongs to a run."""
    return {
        "metadata": {
            "name": name,
            "namespace": run.namespace,
            "labels": {**run_labels(run, test), CONTENT_LABEL: content},
            "ownerReferences": [owner_reference("PerfRun", run.name, uid)],
        },
        **data,
    }


def plan_config_map(run: Key, plan: RunPlan, ca: str) -> Json:
    """The plan, and the certificate by which workers recognise the coordinator."""
    data = {"plan.json": plan.to_bytes().decode()}
    if ca:
        data["ca.crt"] = ca
    return config_map(run, plan.uid, plan.test, "plan", f"{job_name(plan.uid)}-plan", data=data)


def report_config_maps(run: Key, plan: RunPlan, index: int, packed: bytes) -> list[Json]:
    """A worker's final report, in pieces."""
    maps = _pieces(run, plan, "report", f"report-{index}", packed)
    for body in maps:
        body["metadata"]["labels"][REPORT_INDEX_LABEL] = str(index)
    return maps


def result_config_maps(run: Key, plan: RunPlan, packed: bytes) -> list[Json]:
    """The full result, in pieces."""
    return _pieces(run, plan, "result", "result", packed)


def observed_config_map(run: Key, plan: RunPlan, data: dict[str, bytes]) -> Json:
    """What the operator has observed of a run's workloads so far."""
    binary = {key: base64.b64encode(value).decode() for key, value in data.items()}
    name = f"{job_name(plan.uid)}-observed"
    return config_map(run, plan.uid, plan.test, "observed", name, binaryData=binary)


def trend_config_map(test: Metadata, packed: bytes) -> Json:
    """The histories that a test's runs are compared with."""
    return {
        "metadata": {
            "name": trend_name(test),
            "namespace": test.namespace,
            "labels": {MANAGED_BY: "perfrun", TEST_LABEL: test.name, CONTENT_LABEL: "trend"},
            "ownerReferences": [owner_reference("PerfTest", test.name, test.uid)],
        },
        "binaryData": {TREND_KEY: base64.b64encode(packed).decode()},
    }


def trend_name(test: Metadata) -> str:
    """The ConfigMap of a test's histories: ``pt-<hash of the test's uid>``."""
    return f"pt-{short_hash(test.uid)}"


def config_map_hash(body: Json) -> str:
    """The hash of the files that a ConfigMap becomes where it is mounted."""
    files = {name: text.encode() for name, text in (body.get("data") or {}).items()}
    for name, text in (body.get("binaryData") or {}).items():
        files[name] = base64.b64decode(text)
    return files_hash({name: hashlib.sha256(files[name]).digest() for name in files})


def joined(pieces: list[Json]) -> bytes | None:
    """What was stored in pieces; None if one is missing or damaged."""
    ordered = sorted(pieces, key=lambda piece: int(piece["metadata"]["labels"][PIECE_LABEL]))
    whole = b"".join(
        base64.b64decode(data) for piece in ordered for data in piece["binaryData"].values()
    )
    digest = hashlib.sha256(whole).hexdigest()
    hashes = {piece["metadata"]["annotations"][SHA_ANNOTATION] for piece in pieces}
    return whole if hashes == {digest} else None


def _pieces(run: Key, plan: RunPlan, content: str, suffix: str, packed: bytes) -> list[Json]:
    """As many ConfigMaps as the API server's limit of 1 MiB for each requires."""
    maps = []
    for number, start in enumerate(range(0, len(packed), CHUNK_BYTES)):
        data = base64.b64encode(packed[start : start + CHUNK_BYTES]).decode()
        name = f"{job_name(plan.uid)}-{suffix}-{number}"
        body = config_map(
            run, plan.uid, plan.test, content, name, binaryData={f"{content}.json.gz": data}
        )
        body["metadata"]["labels"][PIECE_LABEL] = str(number)
        body["metadata"]["annotations"] = {SHA_ANNOTATION: hashlib.sha256(packed).hexdigest()}
        maps.append(body)
    return maps
