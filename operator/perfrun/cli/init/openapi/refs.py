"""``$ref`` of an OpenAPI document: those inside of it are followed, others never."""

from typing import Any
from urllib.parse import unquote

from perfrun.api import Json
from perfrun.cli.init.source import table, text_of

_MAX_HOPS = 20


class OpenApiDocument:
    """An OpenAPI document, and what its references lead to."""

    def __init__(self, root: Json) -> None:
        self.root = root
        self.outside: dict[str, None] = {}
        """References to other documents, which were not followed."""
        self.met: set[str] = set()
        """Those of them that were met since it was emptied last."""
        # In 3.0 what stands beside a reference does not count; in 3.1 it does in a schema, and
        # elsewhere it is a summary and a description.
        self._siblings = not str(root.get("openapi", "3.0")).startswith("3.0")

    def resolved(self, node: object) -> Json:
        """The object that is meant; an empty one where there is none."""
        return self.followed(node)[0]

    def followed(self, node: object) -> tuple[Json, frozenset[str]]:
        """The object that is meant, and the references that led to it."""
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
        """What a JSON pointer (RFC 6901) names."""
        node: Any = self.root
        for part in pointer.split("/")[1:]:
            key = unquote(part).replace("~1", "/").replace("~0", "~")
            if isinstance(node, list):
                node = node[int(key)] if key.isdecimal() and int(key[:9]) < len(node) else None
            else:
                node = table(node).get(key)
        return node


def example_in(document: OpenApiDocument, node: Json) -> tuple[bool, Any]:
    """Whether a parameter or a media type has an example of its own, and which."""
    if "example" in node:
        return True, node["example"]
    for one in table(node.get("examples")).values():
        named = document.resolved(one)
        if "value" in named:
            return True, named["value"]
    return False, None


def types_of(schema: Json) -> list[str]:
    """The types of a schema: one text in 3.0, perhaps a list in 3.1."""
    stated = schema.get("type")
    listed = stated if isinstance(stated, list) else [stated]
    return [text_of(one) for one in listed if isinstance(one, str) and one != "null"]
