"""Cookies by RFC 6265: which are kept, for whom, and in which order they go back."""

import time

import pytest

from perfrun.engine.http import cookies
from perfrun.engine.http.cookies import Cookies
from perfrun.engine.http.pool import Origin

SHOP = Origin("http", "shop.example.org", 8000)
CART = b"/shop/cart?item=1"


def sent(
    *given: bytes,
    origin: Origin = SHOP,
    path: bytes = CART,
    to: Origin | None = None,
    at: bytes = CART,
) -> bytes:
    """What goes back ``to`` an origin ``at`` a path, after an answer with these cookies."""
    jar = Cookies()
    jar.set(origin, path, list(given))
    return jar.header(to or origin, at)


@pytest.mark.parametrize(
    ("given", "back"),
    [
        (b"a=1", b"a=1"),
        (b" a = 1 ; Path=/", b"a=1"),
        (b"a=", b"a="),
        (b"a=x=y", b"a=x=y"),
        (b'a="quoted, so"', b'a="quoted, so"'),
        (b"a=\xfc\xff", b"a=\xfc\xff"),
        (b"$Version=1", b"$Version=1"),
        (b"no pair", b""),
        (b"=nameless", b""),
        (b"", b""),
    ],
)
def test_names_and_values_go_back_byte_for_byte(given: bytes, back: bytes) -> None:
    assert sent(given) == back


@pytest.mark.parametrize(
    "attributes",
    [
        b"Domain=shop.example.org",
        b"Domain=.SHOP.example.org",
        b"Domain=",
        b"domain",
        b"Domain=example.org",
        b"Path=",
        b"Path=shop",
        b"Path=/",
        b"Path=/shop",
        b"Path=/shop/",
        b"Path=/shop/cart",
        b'Version=1; Path="/"',
        b"Expires=some day",
        b"Expires=Thu, 01 Jan 1600 00:00:00 GMT",
        b"Expires=Thu, 32 Jan 2099 00:00:00 GMT",
        b"Max-Age=soon",
        b"Max-Age=1e3",
        b"Max-Age=5; Max-Age=",
        b"Max-Age=5; Expires=Thu, 01 Jan 1970 00:00:00 GMT",
        b"HttpOnly; SameSite=Strict; Partitioned; ; Version=1; Port=80; Comment=;;",
        b"Domain=other.net; Domain=shop.example.org",
    ],
)
def test_an_odd_attribute_is_ignored_and_not_the_cookie(attributes: bytes) -> None:
    assert sent(b"a=1; " + attributes) == b"a=1"


@pytest.mark.parametrize(
    "attributes",
    [
        b"Domain=other.net",
        b"Domain=op.example.org",
        b"Domain=www.shop.example.org",
        b"Path=/shop/cart/",
        b"Path=/sh",
        b"Secure",
        b"Max-Age=0",
        b"Max-Age=-1",
        b"Expires=Thu, 01 Jan 1970 00:00:00 GMT",
        b"Expires=Wednesday, 09-Nov-99 23:12:40 GMT",
        b"Expires=Nov 9 23:12:40 1999",
    ],
)
def test_what_does_not_match_or_has_ended_is_not_sent(attributes: bytes) -> None:
    assert sent(b"a=1; " + attributes) == b""


@pytest.mark.parametrize(
    ("origin", "domain", "to", "goes"),
    [
        ("localhost", b"localhost", "localhost", True),
        ("shop", b"shop", "shop", True),
        ("127.0.0.1", b"127.0.0.1", "127.0.0.1", True),
        ("127.0.0.1", b"0.0.1", "127.0.0.1", False),
        ("::1", b"::1", "::1", True),
        ("a.shop.io", b"shop.io", "b.shop.io", True),
        ("a.shop.io", b"shop.io", "shop.io", True),
        ("a.shop.io", b"shop.io", "evilshop.io", False),
        ("a.shop.io", b"", "b.a.shop.io", False),
        ("bücher.example", b"xn--bcher-kva.example", "bücher.example", True),
    ],
)
def test_whose_a_cookie_is(origin: str, domain: bytes, to: str, goes: bool) -> None:
    back = sent(
        b"a=1; Domain=" + domain, origin=Origin("http", origin, 80), to=Origin("http", to, 80)
    )
    assert back == (b"a=1" if goes else b"")


def test_secure_cookies_go_over_tls_only() -> None:
    assert sent(b"a=1; Secure", to=Origin("https", SHOP.host, 443)) == b"a=1"


@pytest.mark.parametrize(
    ("path", "whose"),
    [(b"/", b"/"), (b"/a", b"/"), (b"/a/b", b"/a"), (b"/a/b/?c=/d", b"/a/b")],
)
def test_without_a_path_a_cookie_is_its_folders(path: bytes, whose: bytes) -> None:
    below = whose.rstrip(b"/") + b"/x"
    assert sent(b"a=1", path=path, at=below) == b"a=1"
    assert sent(b"a=1", path=path, at=b"/other") == (b"a=1" if whose == b"/" else b"")


def test_longer_paths_come_first_and_then_the_older() -> None:
    given = [b"c=1; Path=/", b"b=1; Path=/shop", b"a=1; Path=/", b"c=2; Path=/"]
    assert sent(*given) == b"b=1; c=2; a=1"


def test_a_cookie_is_replaced_and_can_be_taken_away() -> None:
    jar = Cookies()
    jar.set(SHOP, CART, [b"a=1; Path=/", b"a=2; Path=/shop"])
    assert jar.header(SHOP, CART) == b"a=2; a=1"
    jar.set(SHOP, CART, [b"a=3; Path=/; Max-Age=60", b"a=; Path=/shop; Max-Age=0"])
    assert jar.header(SHOP, CART) == b"a=3"


def test_a_cookie_ends_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cookies, "FRESH_FOR", 0.0)
    jar, now = Cookies(), time.time()
    jar.set(SHOP, CART, [b"a=1; Max-Age=60"])
    assert jar.header(SHOP, CART) == b"a=1"
    monkeypatch.setattr(time, "time", lambda: now + 61)
    assert jar.header(SHOP, CART) == b""


def test_a_user_has_no_more_than_so_many_cookies() -> None:
    jar = Cookies()
    jar.set(SHOP, CART, [b"c%d=1" % number for number in range(cookies.MAX_COOKIES + 5)])
    back = jar.header(SHOP, CART).split(b"; ")
    assert (len(back), back[0]) == (cookies.MAX_COOKIES, b"c5=1")
