"""``$ref`` in an OpenAPI document: references inside the document are followed, others never."""

from typing import Any
from urllib.parse import unquote

from perfrun.api import Json
from perfrun.cli.init.source import table, text_of

_MAX_HOPS = 20


class OpenApiDocument:
    """An OpenAPI document, and the targets of its references."""

    def __init__(self, root: Json) -> None:
        self.root = root
        self.outside: dict[str, None] = {}
        """References to other documents, which were not followed."""
        self.met: set[str] = set()
        """Those that were found since it was last emptied."""
        # In 3.0, siblings of a reference are ignored; in 3.1, they count in a schema, and are only
        # a summary and a description elsewhere.
        self._siblings = not str(root.get("openapi", "3.0")).startswith("3.0")

    def resolved(self, node: object) -> Json:
        """The object that a reference leads to; empty if there is none."""
        return self.followed(node)[0]

    def followed(self, node: object) -> tuple[Json, frozenset[str]]:
        """The object that a reference leads to, and all references on the way."""
        names: set[str] = set()
        beside: Json = {}
        for _ in range(_MAX_HOPS):
            ref = table(node).get("$ref")
            if not isinstance(ref, str):
                return {**table(node), **beside}, frozenset(names)
            if self._siblings:
                here = {key: one for key, one in table(node).items() if key != "$ref"}
                beside = {**here, **beside}
            if not ref.startswith("#"):
                self.outside[ref] = None
                self.met.add(ref)
                break
            names.add(ref)
            node = self._at(ref[1:])
        return {}, frozenset(names)

    def _at(self, pointer: str) -> Any:
        """The value at a JSON pointer (RFC 6901)."""
        node: Any = self.root
        for part in pointer.split("/")[1:]:
            key = unquote(part).replace("~1", "/").replace("~0", "~")
            if isinstance(node, list):
                node = node[int(key)] if key.isdecimal() and int(key[:9]) < len(node) else None
            else:
                node = table(node).get(key)
        return node


def example_in(document: OpenApiDocument, node: Json) -> tuple[bool, Any]:
    """Whether a parameter or a media type has its own example, and the example."""
    if "example" in node:
        return True, node["example"]
    for one in table(node.get("examples")).values():
        named = document.resolved(one)
        if "value" in named:
            return True, named["value"]
    return False, None


def types_of(schema: Json) -> list[str]:
    """The types of a schema: one string in 3.0, possibly a list in 3.1."""
    stated = schema.get("type")
    listed = stated if isinstance(stated, list) else [stated]
    return [text_of(one) for one in listed if isinstance(one, str) and one != "null"]
