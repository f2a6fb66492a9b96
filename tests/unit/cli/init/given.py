"""What the tests of ``perfrun init`` share."""

import io
import json
import tempfile
from pathlib import Path
from typing import Any

from rich.console import Console

from perfrun.api.test.perftest import PerfTest
from perfrun.cli.init.command import unlike
from perfrun.cli.init.draft import Draft
from perfrun.cli.init.openapi.document import openapi_draft
from perfrun.cli.init.postman.drafting import postman_draft
from perfrun.cli.init.source import SourceFile
from perfrun.cli.init.write import write_drafts
from perfrun.local.files.manifests import parse_manifests

DATA = Path(__file__).parent / "data"


def read_back(*drafts: Draft) -> list[PerfTest]:
    """The tests of what is written of drafts, which has to be right."""
    tests = []
    text = write_drafts(drafts, "f.yaml")
    assert unlike(drafts, text) is None
    for manifest in parse_manifests("f.yaml", text.encode()):
        assert manifest.problems == ()
        assert manifest.test is not None
        tests.append(manifest.test)
    return tests


def openapi(root: Any, *, writes: bool = True, url: str = "", name: str = "") -> Draft:
    return openapi_draft(root, "api.json", name=name, url=url, writes=writes)


def document(paths: Any, **more: Any) -> dict[str, Any]:
    return {"openapi": "3.1.0", "info": {"title": "API"}, "paths": paths, **more}


def get(*parameters: Any, **more: Any) -> dict[str, Any]:
    return {"get": {"parameters": list(parameters), "responses": {"200": {}}, **more}}


def post(schema: Any, kind: str = "application/json", **more: Any) -> dict[str, Any]:
    body = {"content": {kind: {"schema": schema}}}
    return {"post": {"requestBody": body, "responses": {"201": {}}, **more}}


def har_entry(url: str, method: str = "GET", **more: Any) -> dict[str, Any]:
    status = more.pop("status", 200)
    at = more.pop("at", 0.0)
    mime = more.pop("answer", "application/json")
    return {
        "startedDateTime": f"2026-11-24T10:00:{at:09.6f}Z",
        "time": 10,
        "request": {"method": method, "url": url, "headers": [], **more},
        "response": {"status": status, "headers": [], "content": {"mimeType": mime}},
    }


def har(*entries: Any) -> Any:
    """As it comes from a file."""
    return json.loads(json.dumps({"log": {"entries": list(entries)}}))


def read_document(file: str) -> Any:
    with SourceFile(file) as source:
        return source.document


def quiet() -> tuple[Console, io.StringIO]:
    file = io.StringIO()
    return Console(file=file, width=200), file


def postman(*items: Any, text: str = "", writes: bool = True, **more: Any) -> Draft:
    """The draft of a collection, as it comes from a file."""
    url = more.pop("url", "")
    root = {"info": {"name": "Shop"}, "item": list(items), **more}
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        file.write(text or json.dumps(root, indent=1))
        file.flush()
        with SourceFile(file.name) as source:
            found = source.located_json()
    return postman_draft(found, "shop.json", name="", url=url, writes=writes)


def postman_item(
    name: str = "list", url: Any = "http://shop/items", method: str = "GET", **more: Any
) -> dict[str, Any]:
    """A request of a collection; ``tests`` and ``before`` are lines of its scripts."""
    events = [
        {"listen": listen, "script": {"exec": lines.split("\n")}}
        for listen, lines in (
            ("prerequest", more.pop("before", "")),
            ("test", more.pop("tests", "")),
        )
        if lines
    ]
    return {"name": name, "event": events, "request": {"method": method, "url": url, **more}}
