"""A browser comes to nothing that the policies do not allow, whatever a page asks for."""

import socket

import pytest

from .site import Site
from .visits import page, plan_of, run, visits

HOSTS = ["127.0.0.1"]


def script(shop: Site, text: str) -> dict[str, object]:
    """A page with a script; ELSEWHERE is the same server by a name that is not allowed."""
    elsewhere = f"localhost:{shop.port}"
    return page(f"/with?script={text.replace('ELSEWHERE', elsewhere)}")


@pytest.mark.parametrize(
    "text",
    [
        "document.write('<img src=http://ELSEWHERE/picture>')",
        "document.write('<iframe src=http://ELSEWHERE/picture></iframe>')",
        "fetch('http://ELSEWHERE/picture',{mode:'no-cors'})",
        "new WebSocket('ws://ELSEWHERE/picture')",
        "navigator.sendBeacon('http://ELSEWHERE/picture')",
    ],
)
def test_parts_of_a_page_are_kept_out_and_told(shop: Site, text: str) -> None:
    report = run(plan_of(shop.url, visits(1), script(shop, text), hosts=HOSTS))
    (step,) = report.window.steps
    assert step.errors == {"Policy": 1}
    assert "PerfPolicy p (allow.hosts: 127.0.0.1) does not allow connections to localhost" in str(
        report.forbidden
    )
    assert "/picture" not in shop.asked


def test_no_address_is_past_the_proxy(shop: Site) -> None:
    """Browsers go to their own machine and link without a proxy, where nobody tells them not to."""
    text = "fetch('http://169.254.169.254/latest',{mode:'no-cors'})"
    report = run(plan_of(shop.url, visits(1), script(shop, text), hosts=HOSTS))
    assert report.window.steps[0].errors == {"Policy": 1}
    assert "does not allow connections to 169.254.169.254" in str(report.forbidden)


def test_what_is_allowed_is_let_through(shop: Site) -> None:
    text = "document.write('<img src=http://ELSEWHERE/picture>')"
    plan = plan_of(shop.url, visits(1), script(shop, text), hosts=[*HOSTS, "localhost"])
    (step,) = run(plan).window.steps
    assert (step.succeeded, shop.count("/picture")) == (1, 1)


def test_a_page_that_leads_elsewhere_is_not_followed(shop: Site) -> None:
    step = page(f"/to?url=http://localhost:{shop.port}/plain")
    report = run(plan_of(shop.url, visits(1), step, hosts=HOSTS))
    (got,) = report.window.steps
    assert got.errors == {"Policy": 1}
    assert "PerfPolicy p (allow.hosts: " in str(report.forbidden)
    assert "/plain" not in shop.asked


def test_addresses_are_looked_at_too(shop: Site) -> None:
    plan = plan_of(shop.url, visits(1), page("/plain"), hosts=None)
    rule = {"policy": "p", "hosts": None, "deny": ["127.0.0.0/8"]}
    plan = plan.model_validate({**plan.model_dump(), "network": [rule]})
    report = run(plan)
    assert report.window.steps[0].errors == {"Policy": 1}
    assert shop.asked == []


def test_no_datagram_leaves_the_browser(shop: Site) -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as ear:
        ear.bind(("127.0.0.1", 0))
        ear.setblocking(False)
        port = ear.getsockname()[1]
        text = (
            f"const c=new RTCPeerConnection({{iceServers:[{{urls:'stun:127.0.0.1:{port}'}}]}});"
            "c.createDataChannel('x');c.createOffer().then((o)=>c.setLocalDescription(o))"
        )
        (step,) = run(plan_of(shop.url, visits(1), script(shop, text), hosts=HOSTS)).window.steps
        assert step.succeeded == 1
        with pytest.raises(BlockingIOError):
            ear.recv(2048)
