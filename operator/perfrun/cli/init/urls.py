"""What a URL, a header and a static asset may look like."""

import re
from urllib.parse import urlsplit

from perfrun.api.test.target import URL_PATTERN
from perfrun.cli.init.texts import clean

MAX_URL_LENGTH = 2048
_MAX_HOST_LENGTH = 253
_URL = re.compile(URL_PATTERN)
_HOST = re.compile(r"[A-Za-z0-9._:\[\]-]+\Z")

HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}\Z")

_STATIC_NAME = re.compile(
    r"\.(css|m?js|map|png|jpe?g|gif|svg|webp|avif|ico|woff2?|ttf|otf|eot|mp[34]|webm|wasm)\Z",
    re.IGNORECASE,
)


def is_static_name(path: str) -> bool:
    """Whether a path without query is that of a static asset."""
    return _STATIC_NAME.search(path) is not None


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
