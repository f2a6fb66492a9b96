"""The destination of a request of a collection: the origin, as far as it is known, and the path."""

import re
from typing import NamedTuple
from urllib.parse import urlsplit

from perfrun.api import Json
from perfrun.cli.init.foreign import ForeignValues
from perfrun.cli.init.postman.collection import is_enabled
from perfrun.cli.init.postman.values import PostmanValues
from perfrun.cli.init.source import rows, table, text_of
from perfrun.cli.init.texts import Part, encoded, encoded_value, origin_of, path_template

_URL = re.compile(
    r"(?:(?P<scheme>[a-z]+|\{\{[^{}]*\}\})://)?(?P<host>(?:\{\{[^{}]*\}\}|[^/?#{])*)", re.I
)
_COLON = re.compile(r":([A-Za-z_][\w-]*)\Z")


class Address(NamedTuple):
    """The address of a request."""

    origin: str
    """``https://shop.example``, or the text with the variables that it consists of."""
    is_known: bool
    prefix: str
    """The part of the path that is in the variables of the origin."""
    rest: str
    """Path and query as in the collection."""
    variables: Json
    """Values of ``:name`` in the path."""


def address_of(url: object, values: PostmanValues) -> Address | None:
    """None if it is not an HTTP URL."""
    node = table(url)
    text = (_built(node) or text_of(node.get("raw")) if node else text_of(url)).strip()
    found = _URL.match(text)
    if found is None or not found[0]:
        return None
    rest = text[found.end() :].partition("#")[0]
    variables = {
        text_of(one.get("key") or one.get("id")): text_of(one.get("value"))
        for one in map(table, rows(node.get("variable")))
    }
    base = values.static(found[0])
    if "{{" in base:
        return Address(found[0], False, "", rest, variables)
    base = base if "://" in base else f"http://{base}"
    if not (origin := origin_of(base)):
        return None
    parts = urlsplit(base)
    query = f"?{parts.query}" if parts.query else ""
    return Address(origin, True, parts.path.rstrip("/") + query, rest, variables)


def _built(node: Json) -> str:
    """The URL from its parts, without disabled ones."""
    host, path = node.get("host"), node.get("path")
    where = ".".join(map(text_of, host)) if isinstance(host, list) else text_of(host)
    if not where:
        return ""
    scheme, port = text_of(node.get("protocol")), node.get("port")
    steps = (
        "/".join(text_of(one) or text_of(table(one).get("value")) for one in path)
        if isinstance(path, list)
        else text_of(path).lstrip("/")
    )
    pairs = [
        text_of(one.get("key")) + ("" if one.get("value") is None else f"={text_of(one['value'])}")
        for one in map(table, rows(node.get("query")))
        if is_enabled(one)
    ]
    return (
        (f"{scheme}://" if scheme else "")
        + where
        + (f":{port}" if port else "")
        + (f"/{steps}" if steps or path else "")
        + (f"?{'&'.join(pairs)}" if pairs else "")
    )


def path_of(address: Address, values: PostmanValues, foreign: ForeignValues) -> str:
    """The template of the path and the query of a request."""
    path, mark, query = address.rest.partition("?")
    parts: list[Part] = [address.prefix]
    for index, segment in enumerate(path.split("/")):
        parts += ["/"] if index else []
        if named := _COLON.match(segment):
            value = address.variables.get(named[1], "")
            parts += (
                encoded(values.split(value), encoded_value)
                if value
                else [foreign.unknown(named[1])]
            )
        else:
            parts += values.split(segment) if segment else []
    for index, pair in enumerate(query.split("&") if mark else []):
        parts.append("&" if index else "?")
        name, equals, value = pair.partition("=")
        parts += [*values.split(name), equals]
        parts += foreign.hidden(name, values.split(value)) if value else []
    template = path_template(parts)
    return template if template.startswith("/") else f"/{template}"
