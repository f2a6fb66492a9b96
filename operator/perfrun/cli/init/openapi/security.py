"""Security schemes of an OpenAPI document, as the ``auth`` and the headers of a target."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from urllib.parse import urljoin

from perfrun.api import Json
from perfrun.cli.init.openapi.refs import OpenApiDocument
from perfrun.cli.init.secrets import SecretFeed, fill_note, secret_ref
from perfrun.cli.init.source import rows, table, text_of
from perfrun.cli.init.texts import (
    HEADER_NAME,
    Part,
    VaryingText,
    encoded_value,
    one_line,
    usable_url,
)


@dataclass
class Access:
    """What a target needs to authenticate requests."""

    secret: str
    """The Secret with the values."""
    http: Json = field(default_factory=dict)
    """Fields of the target."""
    query: list[Part] = field(default_factory=list)
    """The beginning of every query."""
    keys: dict[str, None] = field(default_factory=dict)
    """The keys of the Secret."""
    notes: list[str] = field(default_factory=list)

    @property
    def all_notes(self) -> tuple[str, ...]:
        """Notes, including how to fill the Secret."""
        return (*self.notes, *([fill_note(self.secret, list(self.keys))] if self.keys else []))


def access_of(
    document: OpenApiDocument, operations: Iterable[Json], test: str, url: str, feed: SecretFeed
) -> Access:
    """How requests authenticate: the first requirement of the document, or of an operation."""
    access = Access(f"{test}-credentials")
    schemes = table(table(document.root.get("components")).get("securitySchemes"))
    for name, scopes in _requirement(document.root, operations).items():
        scheme = document.resolved(schemes.get(name))
        if not _add(access, scheme, name, [text_of(one) for one in rows(scopes)], url, feed):
            access.notes.append(
                f'The document requires the security scheme "{one_line(str(name), 60)}" '
                f"({one_line(text_of(scheme.get('type')) or 'unknown', 30)}): add it to auth or "
                f"headers."
            )
    return access


def _requirement(root: Json, operations: Iterable[Json]) -> Json:
    places = [root.get("security"), *(one.get("security") for one in operations)]
    alternatives = [one for place in places for one in rows(place) if table(one)]
    return table(alternatives[0]) if alternatives else {}


def _add(
    access: Access, scheme: Json, name: str, scopes: list[str], url: str, feed: SecretFeed
) -> bool:
    match scheme.get("type"), text_of(scheme.get("scheme")).lower():
        case "apiKey", _:
            return _api_key(access, scheme, feed)
        case "http", "basic":
            return _auth(access, "basic", {"usernameFrom": "username", "passwordFrom": "password"})
        case "oauth2", _:
            flow = table(table(scheme.get("flows")).get("clientCredentials"))
            token_url = urljoin(url, text_of(flow.get("tokenUrl"))[:2000]) if flow else ""
            if usable_url(token_url):
                return _client_credentials(access, token_url, scopes)
            access.notes.append(f'"{one_line(str(name), 60)}": put a token into the Secret.')
            return _auth(access, "bearer", {"tokenFrom": "token"})
        case ("http", "bearer") | ("openIdConnect", _):
            return _auth(access, "bearer", {"tokenFrom": "token"})
    return False


def _auth(access: Access, kind: str, values: dict[str, str], **more: object) -> bool:
    if "auth" in access.http:
        return False
    taken = {field: secret_ref(access.secret, key) for field, key in values.items()}
    access.http["auth"] = {kind: {**more, **taken}}
    access.keys |= dict.fromkeys(values.values())
    return True


def _client_credentials(access: Access, token_url: str, scopes: list[str]) -> bool:
    known = [one for one in scopes[:50] if 0 < len(one) <= 256 and _is_scope(one)]
    more: Json = {"tokenUrl": token_url, **({"scopes": known} if known else {})}
    values = {"clientIdFrom": "client-id", "clientSecretFrom": "client-secret"}
    return _auth(access, "oauth2", values, **more)


def _is_scope(text: str) -> bool:
    return all("!" <= char <= "~" and char not in '"\\' for char in text)


def _api_key(access: Access, scheme: Json, feed: SecretFeed) -> bool:
    name, where = text_of(scheme.get("name")), scheme.get("in")
    if where == "query" and name:
        access.query += [
            f"{'&' if access.query else ''}{encoded_value(name)}=",
            VaryingText(feed.reference(name)),
        ]
        return True
    if where == "cookie" and name:
        access.notes.append(
            f"The key cookie contains the whole header: {one_line(name, 60)}=VALUE."
        )
        name, key = "Cookie", "cookie"
    else:
        key = "api-key"
    headers = access.http.setdefault("headers", [])
    known = {header["name"].lower() for header in headers}
    if where not in ("header", "cookie") or not HEADER_NAME.match(name) or name.lower() in known:
        return False
    if name.lower() in ("authorization", "cookie"):
        access.notes.append(f"{name} contains the whole value of that header.")
    key = key if key not in access.keys else f"{key}-{len(access.keys) + 1}"
    headers.append({"name": name, "valueFrom": secret_ref(access.secret, key)})
    access.keys[key] = None
    return True
