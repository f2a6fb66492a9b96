"""The requests of a Postman collection (v2.0, v2.1), in order, with settings of their folders."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from perfrun.api import Json
from perfrun.cli.init.draft import NotCarried, SourceError
from perfrun.cli.init.source import line_of, rows, table, text_of
from perfrun.cli.init.texts import one_line

MAX_FOLDERS = 50
"""Maximum depth of folders."""


@dataclass(frozen=True)
class PostmanScript:
    """A script of an event."""

    listen: str
    """``prerequest`` or ``test``."""
    text: str
    owner: str
    line: int


@dataclass(frozen=True)
class PostmanRequest:
    """A request of a collection, with everything that it inherits."""

    name: str
    folder: str
    """Its outermost folder."""
    line: int
    request: Json
    auth: Json
    """Its own authorization, or that of the nearest folder that has one."""
    scripts: tuple[PostmanScript, ...] = ()
    """The scripts of the collection and of folders come first."""


@dataclass(frozen=True)
class _Inherited:
    folder: str = ""
    auth: Any = None
    scripts: tuple[PostmanScript, ...] = ()


def collection_of(root: Any, source: str) -> Json:
    """The collection in a document. Raises SourceError if it cannot be read."""
    found = table(root)
    if isinstance(found.get("collection"), dict):  # as Postman's API returns it
        found = found["collection"]
    if "requests" in found and "item" not in found:
        raise SourceError(
            f"{source}: a Postman collection of version 1: export it again as Collection v2.1"
        )
    if not isinstance(found.get("item"), list):
        raise SourceError(f"{source}: not a Postman collection: an object with info and item")
    return found


def collection_name(collection: Json) -> str:
    """The name that its author gave it."""
    return text_of(table(collection.get("info")).get("name"))


def requests_of(collection: Json, not_carried: NotCarried) -> Iterator[PostmanRequest]:
    """All requests, in the order in which Postman runs them."""
    _named_behaviour(collection, "the collection", not_carried)
    scripts = tuple(_scripts(collection, "the collection"))
    whole = _Inherited(auth=collection.get("auth"), scripts=scripts)
    yield from _below(collection, whole, 0, not_carried)


def variables_of(document: Json) -> dict[str, str]:
    """The values of the variables of a collection or an environment; variables without a
    value are left out."""
    found = {}
    for one in _variables(document):
        key, value = one.get("key", one.get("id")), one.get("value")
        if isinstance(key, str) and key and is_enabled(one) and value not in (None, ""):
            found[key] = value if isinstance(value, str) else _plain(value)
    return found


def secrets_of(document: Json) -> set[str]:
    """The names of variables that their author has marked as secret."""
    marked = (one.get("key") for one in _variables(document) if one.get("type") == "secret")
    return {key for key in marked if isinstance(key, str)}


def _variables(document: Json) -> Iterator[Json]:
    listed = document.get("variable") or document.get("variables") or document.get("values")
    yield from map(table, rows(listed))


def is_enabled(node: Json) -> bool:
    """Whether a variable, a header or a field is enabled."""
    return node.get("disabled") is not True and node.get("enabled") is not False


def named(node: Json, key: str) -> Json:
    """The entries below a key: a list of keys and values (v2.1), or an object (v2.0)."""
    found = node.get(key)
    if isinstance(found, list):
        return {
            text_of(one.get("key")): one.get("value") for one in map(table, found) if one.get("key")
        }
    return table(found)


def _below(
    node: Json, inherited: _Inherited, depth: int, not_carried: NotCarried
) -> Iterator[PostmanRequest]:
    for item in map(table, rows(node.get("item"))):
        name = text_of(item.get("name"))
        shown = f'"{one_line(name, 60)}"'
        scripts = (*inherited.scripts, *_scripts(item, shown))
        if isinstance(item.get("item"), list):
            if depth == MAX_FOLDERS:
                not_carried.add(
                    f"folder {shown}: more than {MAX_FOLDERS} folders deep", line_of(item)
                )
                continue
            _named_behaviour(item, shown, not_carried)
            folder = inherited.folder or name or "folder"
            auth = item.get("auth") or inherited.auth
            below = replace(inherited, folder=folder, auth=auth, scripts=scripts)
            yield from _below(item, below, depth + 1, not_carried)
        elif "request" in item:
            _named_behaviour(item, shown, not_carried)
            request = item["request"]
            request = {"url": request} if isinstance(request, str) else table(request)
            yield PostmanRequest(
                name=name,
                folder=inherited.folder,
                line=line_of(item),
                request=request,
                auth=table(request.get("auth") or inherited.auth),
                scripts=scripts,
            )


def _named_behaviour(node: Json, shown: str, not_carried: NotCarried) -> None:
    for key in table(node.get("protocolProfileBehavior")):
        not_carried.add(f"setting {one_line(key, 60)} of {shown}", line_of(node))


def _scripts(node: Json, owner: str) -> Iterator[PostmanScript]:
    for event in map(table, rows(node.get("event"))):
        script = event.get("script")
        if isinstance(script, str):
            text, line = script, line_of(event)
        else:
            lines = table(script).get("exec")
            text = "\n".join(text_of(one) for one in rows(lines)) or text_of(lines)
            line = line_of(script)
        if text.strip() and event.get("disabled") is not True:
            yield PostmanScript(text_of(event.get("listen")), text, owner, line)


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int | float) else ""
