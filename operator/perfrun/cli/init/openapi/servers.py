"""The servers of an OpenAPI document: for the whole document, a path, or an operation.

A test has one target. Operations of other servers are left out.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple
from urllib.parse import urljoin, urlsplit

from perfrun.api import Json
from perfrun.api.names import port_of
from perfrun.cli.init.draft import DEFAULT_URL
from perfrun.cli.init.source import rows, table, text_of
from perfrun.cli.init.texts import MAX_URL_LENGTH, usable_url

_HOLE = re.compile(r"\{([^{}]{1,100})\}")
_UNKNOWN_HOST = "the document names no host"


class Own(NamedTuple):
    """The servers that operations of a test may have."""

    url: str
    """The server that stands for the target."""
    whole_document: bool
    """Whether operations without servers belong to the target."""
    document_url: str = ""
    """What relative servers are relative to, if not to ``url``."""

    def prefix(self, servers: Sequence[str] | None) -> str | None:
        """The prefix of an operation's path below the target's URL; None if none of its servers is
        the target."""
        if servers is None:
            return "" if self.whole_document else None
        below = (self._below(one) for one in servers)
        return next((one for one in below if one is not None), None)

    def _below(self, server: str) -> str | None:
        base = self.document_url or self.url
        stated = _comparable(urljoin(f"{base.rstrip('/')}/", server))
        own = _comparable(self.url)
        if stated is None or own is None or stated[0] != own[0]:
            return None
        path = stated[1]
        return path[len(own[1]) :] if f"{path}/".startswith(f"{own[1]}/") else None


def base_url(
    root: Json, of_operations: Sequence[list[str] | None], url: str
) -> tuple[str, tuple[str, ...], Own]:
    """The URL of the target, notes about it, and which operations belong to it.

    The target is the document's server, unless ``url`` or every operation names another one.
    """
    servers = [server_url(table(one)) for one in rows(root.get("servers"))]
    usable = [one.rstrip("/") for one in servers if _is_base(one)]
    apart = Counter(
        one.rstrip("/") for listed in of_operations for one in (listed or [])[:1] if _is_base(one)
    )
    relative = next((one for one in servers if one.startswith("/")), "/")
    if url:
        if url in apart and url not in usable:
            return url, (), Own(url, False, usable[0] if usable else "")
        return url, (), Own(usable[0] if usable else urljoin(url, relative), whole_document=True)
    if apart and all(listed is not None for listed in of_operations):
        most = usable[0] if usable and usable[0] in apart else apart.most_common(1)[0][0]
        own = Own(most, False, usable[0] if usable else "")
        return most, ("The server of most operations.",), own
    if usable:
        others = f", of {len(servers)} servers" if len(servers) > 1 else ""
        notes = (f"The document's first usable server{others}.",)
        return usable[0], notes, Own(usable[0], whole_document=True)
    joined = urljoin(DEFAULT_URL, relative).rstrip("/")
    base = joined if _is_base(joined) else DEFAULT_URL
    return base, (f"CHANGE THIS: {_UNKNOWN_HOST}.",), Own(base, whole_document=True)


def server_url(server: Json) -> str:
    """The URL of a server with the defaults of its variables; may be relative. Empty if a variable
    has no value."""
    variables = table(server.get("variables"))
    text = text_of(server.get("url"))[:MAX_URL_LENGTH]
    values = dict(_defaults(text, variables))
    if any(value is None for value in values.values()):
        return ""
    return _HOLE.sub(lambda match: values[match[1]] or "", text).strip()


def _defaults(text: str, variables: Json) -> Iterator[tuple[str, str | None]]:
    for name in _HOLE.findall(text):
        variable = table(variables.get(name))
        options = rows(variable.get("enum"))
        value = variable.get("default", options[0] if options else None)
        written = getattr(value, "text", value)
        yield name, None if value is None else str(written)[:200]


def _is_base(url: str) -> bool:
    return usable_url(url) and "?" not in url


def _comparable(url: str) -> tuple[tuple[str, str, int], str] | None:
    """Scheme, host and port; and the path, without a trailing slash."""
    try:
        parts = urlsplit(url)
        port = port_of(parts)
    except ValueError:
        return None
    return (parts.scheme, (parts.hostname or "").lower(), port), parts.path.rstrip("/")
