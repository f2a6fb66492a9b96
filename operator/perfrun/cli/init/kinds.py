"""The kind of a file, from its contents: its name says nothing, and standard input has no name."""

import json
import re
from enum import StrEnum
from typing import Any

from perfrun.cli.init.draft import SourceError
from perfrun.cli.init.logs.file import GZIP
from perfrun.cli.init.peers.k6_testrun import K6_TESTRUNS
from perfrun.cli.init.peers.locust_test import LOCUST_TESTS
from perfrun.cli.init.source import SourceFile, table, text_of


class SourceKind(StrEnum):
    """The name of a kind of source in messages."""

    OPENAPI = "an OpenAPI document"
    HAR = "a HAR recording"
    POSTMAN = "a Postman collection"
    POSTMAN_ENVIRONMENT = "a Postman environment"
    JMETER = "a JMeter test plan"
    VEGETA = "a list of vegeta targets"
    ACCESS_LOG = "an access log"
    OPENSLO = "an OpenSLO document"
    K6 = "a k6 script"
    K6_TESTRUN = "a TestRun of k6-operator"
    LOCUST_TEST = "a LocustTest of locust-k8s-operator"


SUPPORTED = ", ".join(SourceKind)
"""All kinds, for messages."""
_KEY = re.compile(r"""["']?(openapi|swagger|paths|info|log|apiVersion)["']?[ ]*:""")
"""Keys of a YAML document, at the beginning of a line."""
_SCRIPT = re.compile(r"""(?:\bfrom|\bimport|\brequire\()\s*["']k6(?:/[\w/.-]*)?["']""")
_TARGET = re.compile(r"[A-Z]+ +https?://\S+\s*\Z")


def kind_of(source: SourceFile) -> SourceKind:
    """The kind of a source; anything unknown is an access log. Raises SourceError."""
    head = source.head_text().lstrip()
    if source.is_archive:
        return SourceKind.K6
    if source.head[:2] == GZIP:
        return SourceKind.ACCESS_LOG
    if not head:
        raise SourceError(f"{source.name}: is empty")
    if head.startswith("<"):
        return SourceKind.JMETER
    if head.startswith("{"):
        return _of_json(source, head)
    if _TARGET.match(_first_line(head)):
        return SourceKind.VEGETA
    if _SCRIPT.search(head):
        return SourceKind.K6
    if "\0" in head:
        raise SourceError(f"{source.name}: is not text. init reads {SUPPORTED}")
    if any(map(_KEY.match, head.split("\n"))):
        return _of_document(source)
    return SourceKind.ACCESS_LOG


def is_environment(root: dict[str, Any]) -> bool:
    """Whether a document is an environment of Postman, or its global variables."""
    scope = root.get("_postman_variable_scope") in ("environment", "globals")
    return isinstance(root.get("values"), list) and (scope or "name" in root)


def _first_line(head: str) -> str:
    """The first line that is not a comment."""
    return next((one for one in head.split("\n") if one.strip() and one[:1] != "#"), "")


def _of_json(source: SourceFile, head: str) -> SourceKind:
    """For one JSON document, or an object on each line."""
    try:
        first = table(json.loads(head.partition("\n")[0]))
    except (ValueError, RecursionError):
        first = {}
    if not first:
        return _of_document(source)
    is_target = "method" in first and "url" in first and "status" not in first
    return _known(first) or (SourceKind.VEGETA if is_target else SourceKind.ACCESS_LOG)


def _of_document(source: SourceFile) -> SourceKind:
    known = _known(table(source.document))
    if known is None:
        raise SourceError(
            f"{source.name}: is not a document that init knows: at its top it needs the key "
            "openapi or swagger (OpenAPI), log (HAR), item (Postman collection), values (Postman "
            f"environment) or an apiVersion of openslo, k6.io or locust.io. init reads "
            f"{SUPPORTED}"
        )
    return known


def _known(root: dict[str, Any]) -> SourceKind | None:
    """The kind of a document, from its keys."""
    if isinstance(root.get("log"), dict):
        return SourceKind.HAR
    if root.keys() & {"openapi", "swagger", "paths"}:
        return SourceKind.OPENAPI
    if text_of(root.get("apiVersion")).startswith(("openslo/", "openslo.com/")):
        return SourceKind.OPENSLO
    if K6_TESTRUNS.has(root):
        return SourceKind.K6_TESTRUN
    if LOCUST_TESTS.has(root):
        return SourceKind.LOCUST_TEST
    if is_environment(root):
        return SourceKind.POSTMAN_ENVIRONMENT
    collection = table(root.get("collection", root))
    if "item" in collection or "requests" in collection:
        return SourceKind.POSTMAN
    return None
