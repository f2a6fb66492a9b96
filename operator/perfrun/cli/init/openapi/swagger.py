"""Swagger 2.0 as OpenAPI 3.0: the same document in other words.

References stay as they are, because their targets stay in place.
"""

from collections.abc import Iterator
from typing import Any

from perfrun.api import Json
from perfrun.cli.init.openapi.refs import OpenApiDocument
from perfrun.cli.init.source import rows, table, text_of

_METHODS = ("get", "head", "options", "post", "put", "patch", "delete")
_NO_SCHEMA = frozenset(
    {"name", "in", "required", "description", "collectionFormat", "allowEmptyValue", "schema"}
)
_JSON = "application/json"
_FORM = "application/x-www-form-urlencoded"
_MULTIPART = "multipart/form-data"
_DELIMITED = {
    "ssv": "spaceDelimited",
    "tsv": "tabDelimited",  # only in Swagger
    "pipes": "pipeDelimited",
}
_FLOWS = {"application": "clientCredentials", "accessCode": "authorizationCode"}


def as_openapi(root: Json) -> Json:
    """The document as OpenAPI 3.0; parts that cannot be read stay unchanged."""
    document = OpenApiDocument(root)
    paths = {path: _path_item(document, item) for path, item in table(root.get("paths")).items()}
    schemes = {
        name: _security_scheme(document.resolved(one))
        for name, one in table(root.get("securityDefinitions")).items()
    }
    kept = {key: value for key, value in root.items() if key != "swagger"}
    components = {"securitySchemes": schemes}
    more = {"openapi": "3.0.3", "servers": _servers(root), "paths": paths}
    return {**kept, **more, "components": components}


def _servers(root: Json) -> list[Json]:
    base = text_of(root.get("basePath"))
    base = base if base.startswith("/") or not base else f"/{base}"
    host = text_of(root.get("host"))
    if not host:
        return [{"url": base or "/"}]
    stated = [one for one in rows(root.get("schemes")) if one in ("https", "http")]
    # By default, the host is that of the document's own URL, which is not known.
    scheme = "https" if "https" in stated or not stated else "http"
    return [{"url": f"{scheme}://{host}{base}"}]


def _path_item(document: OpenApiDocument, item: Any) -> Any:
    found, _ = document.followed(item)
    if not found:
        return item  # in another document
    shared = rows(found.get("parameters"))
    return {
        method: _operation(document, found[method], shared)
        for method in _METHODS
        if isinstance(found.get(method), dict)
    }


def _operation(document: OpenApiDocument, operation: Json, shared: list[Any]) -> Json:
    stated: dict[Any, Any] = {}
    for index, node in enumerate([*shared, *rows(operation.get("parameters"))]):
        one = document.resolved(node)
        key = (str(one.get("name")), str(one.get("in"))) if one else index
        stated[key] = one or table(node)  # a reference to another document
    made = {key: value for key, value in operation.items() if key != "parameters"}
    made["parameters"] = [
        _parameter(one) for one in stated.values() if one.get("in") not in ("body", "formData")
    ]
    body = [one for one in stated.values() if one.get("in") == "body"]
    form = [one for one in stated.values() if one.get("in") == "formData"]
    kinds = [
        one for one in rows(operation.get("consumes", document.root.get("consumes")))
        if isinstance(one, str)
    ]  # fmt: skip
    if body:
        made["requestBody"] = _body(body[0], kinds)
    elif form:
        made["requestBody"] = _form(form, kinds)
    return made


def _parameter(one: Json) -> Json:
    if "$ref" in one:
        return one
    made: Json = {key: one[key] for key in ("name", "in", "required", "description") if key in one}
    made["schema"] = _schema(one)
    if (example := one.get("x-example", one.get("example"))) is not None:
        made["example"] = example
    where, form = one.get("in"), text_of(one.get("collectionFormat")) or "csv"
    if where == "query":
        made["style"] = _DELIMITED.get(form, "form")
        made["explode"] = form == "multi"
    return made


def _schema(one: Json) -> Json:
    """In Swagger 2.0, a parameter has the type itself."""
    return {key: value for key, value in one.items() if key not in _NO_SCHEMA}


def _body(one: Json, kinds: list[str]) -> Json:
    media: Json = {"schema": one.get("schema", {})}
    examples = table(one.get("x-examples"))
    if examples:
        media["examples"] = {name: {"value": value} for name, value in examples.items()}
    elif "x-example" in one:
        media["example"] = one["x-example"]
    return {
        "required": one.get("required", False),
        "content": dict.fromkeys(kinds or [_JSON], media),
    }


def _form(form: list[Json], kinds: list[str]) -> Json:
    files = any(one.get("type") == "file" for one in form)
    stated = _MULTIPART if _MULTIPART in kinds and _FORM not in kinds else _FORM
    required = [one.get("name") for one in form if one.get("required") is True]
    schema = {"type": "object", "properties": dict(_properties(form)), "required": required}
    encoding = {
        str(one.get("name")): {
            "style": _DELIMITED.get(text_of(one.get("collectionFormat")), "form"),
            "explode": one.get("collectionFormat") == "multi",
        }
        for one in form
        if one.get("type") == "array"
    }
    media = {"schema": schema, "encoding": encoding}
    return {"required": True, "content": {_MULTIPART if files else stated: media}}


def _properties(form: list[Json]) -> Iterator[tuple[str, Json]]:
    for one in form:
        schema = _schema(one)
        if "x-example" in schema:
            schema["example"] = schema["x-example"]
        if one.get("type") == "file":
            schema = {"type": "string", "format": "binary"}
        yield str(one.get("name")), schema


def _security_scheme(scheme: Json) -> Json:
    if scheme.get("type") == "basic":
        return {"type": "http", "scheme": "basic"}
    if scheme.get("type") == "oauth2":
        flow = text_of(scheme.get("flow"))
        return {"type": "oauth2", "flows": {_FLOWS.get(flow, flow): scheme}}
    return scheme
