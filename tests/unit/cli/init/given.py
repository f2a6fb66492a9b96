"""What the tests of ``perfrun init`` share."""

import io
import json
import tempfile
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape, quoteattr

from rich.console import Console

from perfrun.api.test.perftest import PerfTest
from perfrun.cli.init.command import unlike
from perfrun.cli.init.draft import Draft
from perfrun.cli.init.jmeter.drafting import jmeter_draft
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
    url, environments = more.pop("url", ""), more.pop("environments", ())
    root = {"info": {"name": "Shop"}, "item": list(items), **more}
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        file.write(text or json.dumps(root, indent=1))
        file.flush()
        with SourceFile(file.name) as source:
            found = source.located_json()
    return postman_draft(
        found, "shop.json", name="", url=url, writes=writes, environments=environments
    )


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


def jmx_element(kind: str, name: str = "", below: str = "", **props: Any) -> str:
    """An element of a test plan and the hashTree behind it; ``__`` in a name is a dot. A list is a
    collection: of texts, or of elements, which are dicts."""
    shown = "".join(_jmx_property(key.replace("__", "."), one) for key, one in props.items())
    gui = ' guiclass="HttpDefaultsGui"' if kind == "ConfigTestElement" else ""
    return (
        f"<{kind} testclass={quoteattr(kind)} testname={quoteattr(name or kind)}{gui}>\n{shown}"
        f"</{kind}>\n<hashTree>{below}</hashTree>\n"
    )


def _jmx_property(name: str, value: Any) -> str:
    key = f"name={quoteattr(name)}"
    if isinstance(value, dict):
        inner = "".join(_jmx_property(one.replace("__", "."), it) for one, it in value.items())
        return f"<elementProp {key}>{inner}</elementProp>\n"
    if isinstance(value, list):
        inner = "".join(_jmx_property(f"{at}", one) for at, one in enumerate(value))
        return f"<collectionProp {key}>{inner}</collectionProp>\n"
    return f"<stringProp {key}>{escape(str(value))}</stringProp>\n"


def jmx_sampler(name: str = "list", path: str = "/items", below: str = "", **props: Any) -> str:
    """An HTTP sampler; keys are those of its properties without ``HTTPSampler.``."""
    given = {"domain": "shop", "follow_redirects": "true", "path": path, **props}
    arguments = given.pop("arguments", [])
    files = given.pop("files", None)
    dotted = {f"HTTPSampler__{key}": one for key, one in given.items()}
    if arguments:
        dotted["HTTPsampler__Arguments"] = {"Arguments__arguments": arguments}
    if files:
        dotted["HTTPsampler__Files"] = {"HTTPFileArgs__files": files}
    return jmx_element("HTTPSamplerProxy", name, below, **dotted)


def jmx_argument(name: str, value: str, *, encode: bool = True) -> dict[str, Any]:
    always = "true" if encode else "false"
    return {
        "Argument__name": name,
        "Argument__value": value,
        "HTTPArgument__always_encode": always,
    }


def jmx_group(
    *below: str, name: str = "Buyers", kind: str = "ThreadGroup", loops: str = "10", **more: Any
) -> str:
    props: dict[str, Any] = {
        "num_threads": 2,
        "ramp_time": 0,
        "main_controller": {"LoopController__loops": loops},
        **more,
    }
    dotted = {f"ThreadGroup__{key}": one for key, one in props.items()}
    return jmx_element(kind, name, "".join(below), **dotted)


def jmx_plan(*below: str, variables: dict[str, str] | None = None, name: str = "Shop") -> bytes:
    listed = [
        {"Argument__name": key, "Argument__value": one} for key, one in (variables or {}).items()
    ]
    defined = {"TestPlan__user_defined_variables": {"Arguments__arguments": listed}}
    plan = jmx_element("TestPlan", name, "".join(below), **defined)
    return f"<jmeterTestPlan>\n<hashTree>\n{plan}</hashTree></jmeterTestPlan>".encode()


def jmx(*below: str, url: str = "", writes: bool = True, **more: Any) -> Draft:
    return jmeter_draft(jmx_plan(*below, **more), "shop.jmx", name="", url=url, writes=writes)
