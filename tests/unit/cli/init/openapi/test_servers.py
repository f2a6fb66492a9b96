"""Which server a test is for, where an OpenAPI document names several."""

import pytest

from perfrun.cli.init.draft import SourceError
from tests.unit.cli.init.given import document, get, openapi, read_back


def paths_of(draft):
    (test,) = read_back(draft)
    return [step.http.path for scenario in test.spec.scenarios for step in scenario.steps]


def at(*urls):
    return [{"url": url} for url in urls]


TRAINS = document(
    {
        "/trains": get(),
        "/tickets": get(servers=at("https://pay.rail.example/v1")),
        "/seats": {"servers": at("https://seats.rail.example"), **get()},
        # What the operation says goes before what its path says.
        "/stops": {
            "servers": at("https://seats.rail.example"),
            **get(servers=at("https://api.rail.example/v2/")),
        },
        "/delays": get(servers=at("/v2/live")),
        "/old": get(servers=at("/v1")),
        "/both": get(servers=at("https://x.example", "https://API.rail.example:443/v2")),
    },
    servers=at("https://api.rail.example/v2"),
)


def test_operations_of_other_servers_are_left_out_and_told():
    draft = openapi(TRAINS)
    assert draft.url == "https://api.rail.example/v2"
    assert paths_of(draft) == ["/trains", "/stops", "/live/delays", "/both"]
    told = " ".join(draft.notes)
    for server in ("https://pay.rail.example/v1", "https://seats.rail.example", "/v1"):
        assert f"Left out: 1 operation of another server: {server} (--url)." in told


def test_another_url_for_the_same_document_keeps_the_same_operations():
    draft = openapi(TRAINS, url="http://localhost:9000/api")
    assert draft.url == "http://localhost:9000/api"
    assert paths_of(draft) == ["/trains", "/stops", "/live/delays", "/both"]


def test_the_url_of_an_operations_server_takes_its_operations():
    draft = openapi(TRAINS, url="https://seats.rail.example")
    assert (draft.url, paths_of(draft)) == ("https://seats.rail.example", ["/seats"])


def test_where_each_path_names_its_server_most_of_them_decide():
    one, other = at("https://a.example"), at("https://b.example")
    root = document(
        {"/1": get(servers=other), "/2": get(servers=one), "/3": get(servers=one)},
        servers=at("https://nobody.example"),
    )
    draft = openapi(root)
    assert (draft.url, paths_of(draft)) == ("https://a.example", ["/2", "/3"])


def test_variables_of_servers():
    server = {
        "url": "{scheme}://{region}.rail.example:{port}/{version}",
        "variables": {
            "scheme": {"default": "https"},
            "region": {"enum": ["eu", "us"]},
            "port": {"default": 8443},
            "version": {"default": "v3"},
        },
    }
    assert openapi(document({"/a": get()}, servers=[server])).url == (
        "https://eu.rail.example:8443/v3"
    )
    # One without a value is no server that can be asked.
    unknown = [{"url": "https://{tenant}.rail.example"}, *at("https://demo.rail.example")]
    assert openapi(document({"/a": get()}, servers=unknown)).url == "https://demo.rail.example"


def test_a_document_all_of_another_server_says_so():
    with pytest.raises(SourceError, match=r"of another server: https://a\.example"):
        openapi(
            document({"/1": get(servers=at("https://a.example")), "/2": {"post": {}}}),
            writes=False,
        )
