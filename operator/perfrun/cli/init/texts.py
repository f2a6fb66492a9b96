"""Texts from a source in a manifest: names, paths, URLs, literals of templates, comments.

The functions take any text and return one that the API accepts, because anybody may have written
the source.
"""

import re
import unicodedata
from collections.abc import Callable, Sequence
from typing import NamedTuple
from urllib.parse import quote, urlsplit

from perfrun.api.names import DEFAULT_PORTS, URL_PATTERN

# Characters of a path and a query that need no encoding; '{' looks like the template of another
# tool.
_IN_PATH = "/:@!$&'()*+,;=~%?-._"
_MAX_NAME_LENGTH = 50
_MAX_COMMENT_LENGTH = 400
_MAX_CHOICES_LENGTH = 1500
_MAX_CHOICES = 20
_LONE_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_VARIABLE_START = re.compile(r"[A-Za-z_]")
MAX_URL_LENGTH = 2048
MAX_HEADER_LENGTH = 4096
_MAX_HOST_LENGTH = 253
_URL = re.compile(URL_PATTERN)
_HOST = re.compile(r"[A-Za-z0-9._:\[\]-]+\Z")
HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}\Z")
_STATIC_NAME = re.compile(
    r"\.(css|m?js|map|png|jpe?g|gif|svg|webp|avif|ico|woff2?|ttf|otf|eot|mp[34]|webm|wasm)\Z",
    re.IGNORECASE,
)


class VaryingText(NamedTuple):
    """A value that differs in each request: the call of a function, or one of several texts."""

    call: str = ""
    choices: tuple[str, ...] = ()

    def template(self, encode: Callable[[str], str] = str) -> str:
        """As a template; ``encode`` is applied to the texts, as their place requires."""
        if self.call:
            return f"$({self.call})"
        texts = [f"'{encode(text)}'" for text in self.choices]
        return f"$(choice({', '.join(texts)}))"


Part = str | VaryingText


def chosen(texts: Sequence[str]) -> Part:
    """One of ``texts`` for each request, as far as a template can hold them."""
    shown: list[str] = []
    room = _MAX_CHOICES_LENGTH
    for text in dict.fromkeys(clean(text) for text in texts):
        # An escaped byte takes three characters.
        room -= len(quote(text)) + 4
        if room < 0 or len(shown) == _MAX_CHOICES:
            break
        if "'" not in text and text.isprintable():
            shown.append(text)
    return VaryingText(choices=tuple(shown)) if len(shown) > 1 else clean(texts[0])


def clean(text: str) -> str:
    """Without halves of surrogate pairs, which a file cannot contain."""
    return text.encode("utf-8", "replace").decode()


def literal(text: str) -> str:
    """A template that gives exactly this text."""
    return clean(text).replace("$(", "$$(")


def encoded_path(text: str) -> str:
    """A path with its query; everything that would have another meaning is encoded."""
    return quote(_LONE_PERCENT.sub("%25", clean(text)), safe=_IN_PATH)


def encoded_value(text: str) -> str:
    """One segment of a path, or a name or value of a query."""
    return quote(clean(text), safe="~-._")


def text_template(parts: Sequence[Part]) -> str:
    """The template of a text that is sent unchanged: a body, or the value of a header."""
    out = ""
    for text, made in _pairs(parts):
        escaped = literal(text)
        if made is not None:
            # A '$' before a template would turn it into a literal.
            kept = escaped.rstrip("$")
            dollars = escaped[len(kept) :]
            out += f"{kept}$(choice('{dollars}'))" if dollars else escaped
            out += made.template()
        else:
            out += escaped
    return out


def header_template(parts: Sequence[Part]) -> str:
    """The template of a header's value, without characters that a header cannot contain. They go
    before the rest is escaped: afterwards, a literal could turn into a template."""
    return text_template(encoded(parts, lambda text: "".join(filter(str.isprintable, clean(text)))))


def path_template(parts: Sequence[Part]) -> str:
    """The template of a path: literals and generated values."""
    out = ""
    for text, made in _pairs(parts):
        escaped = literal(encoded_path(text))
        # A '$' before a template would turn it into a literal.
        if made is not None and escaped.endswith("$"):
            escaped = f"{escaped[:-1]}%24"
        out += escaped
        if made is not None:
            out += made.template(lambda one: encoded_path(one).replace("'", "%27"))
    return out


def _pairs(parts: Sequence[Part]) -> list[tuple[str, VaryingText | None]]:
    """Adjacent literals are joined, because an escaped sequence may span two of them."""
    pairs: list[tuple[str, VaryingText | None]] = []
    text = ""
    for part in parts:
        if isinstance(part, VaryingText):
            pairs.append((text, part))
            text = ""
        else:
            text += part
    return [*pairs, (text, None)]


def slug(text: str, longest: int = _MAX_NAME_LENGTH) -> str:
    """Lowercase letters, digits and single '-'; may be empty."""
    words = unicodedata.normalize("NFKD", _CAMEL.sub("-", text[:500]).casefold())
    words = "".join(char for char in words if not unicodedata.combining(char))
    return re.sub(r"[^a-z0-9]+", "-", words).strip("-")[:longest].strip("-")


def variable_name(text: str) -> str:
    """A name that a template can refer to."""
    name = re.sub(r"[^A-Za-z0-9]+", "_", text[:100]).strip("_")[:40]
    return name if _VARIABLE_START.match(name) else f"v_{name}".rstrip("_")


def encoded(parts: Sequence[Part], encode: Callable[[str], str]) -> list[Part]:
    """The parts with their literals encoded."""
    return [encode(one) if isinstance(one, str) else one for one in parts]


class UniqueNames:
    """Gives each name only once."""

    def __init__(self, joint: str = "-") -> None:
        """``joint``: the separator between a name and its number."""
        self._joint = joint
        self._taken: dict[str, int] = {}
        """The next number to try, by name."""

    def take(self, wanted: str, otherwise: str) -> str:
        """``wanted``, with a number if it is taken; ``otherwise`` if it is empty."""
        name = stem = wanted or otherwise
        while name in self._taken:
            name = f"{stem}{self._joint}{self._taken[stem]}"
            self._taken[stem] += 1
        self._taken[name] = 2
        return name


def counted(number: int, what: str = "request") -> str:
    """``1 request``, ``2,000 requests``."""
    return f"{number:,} {what}{'s' if number != 1 else ''}"


def one_line(text: str, longest: int = _MAX_COMMENT_LENGTH) -> str:
    """A text for a comment or a message: one line of printable characters."""
    shown = "".join(char if char.isprintable() else " " for char in text[: longest + 1])
    shown = " ".join(shown.split())
    return shown if len(text) <= longest else f"{shown[: longest - 3]}..."


def is_static_name(path: str) -> bool:
    """Whether a path without query is that of a static asset."""
    return _STATIC_NAME.search(path) is not None


def origin_of(url: str) -> str:
    """Scheme, host and port of a URL, without user, password and default port; empty if a target
    cannot have it."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    host = parts.netloc.rpartition("@")[2].lower()
    host = host.removesuffix(f":{DEFAULT_PORTS.get(parts.scheme, '')}")
    origin = f"{parts.scheme}://{host}"
    return origin if usable_url(origin) else ""


def usable_url(text: str) -> bool:
    """Whether a target may have this URL."""
    if len(text) > MAX_URL_LENGTH or not _URL.match(text) or clean(text) != text:
        return False
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        return False
    host = parts.hostname or ""
    printable = all("!" <= char <= "~" for char in text)
    return bool(_HOST.match(host)) and len(host) <= _MAX_HOST_LENGTH and port != 0 and printable
