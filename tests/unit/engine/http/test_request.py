"""What is on the wire: request lines, headers, bodies, redirects, checks."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from perfrun.api.test.feed import Feed
from perfrun.engine.errors import DataError
from perfrun.engine.run import Engine
from perfrun.reach.values import Values
from tests.unit.engine.conftest import Run
from tests.unit.engine.server import Seen, answer, burst, ok, plan, raw, running, step


class Files(Values):
    """Values by name and key; a file below a folder for each."""

    def __init__(self, root: Path | None = None, **values: str) -> None:
        self._root, self._values = root, values

    def secret(self, name: str, key: str, field: str) -> str:
        return self._values[key]

    config_map = secret

    def secret_file(self, name: str, key: str, field: str) -> Path:
        assert self._root is not None
        return self._root / key


SECRET = {"secretKeyRef": {"name": "shop", "key": "token"}}


async def test_a_plain_get_says_who_asks(run: Run) -> None:
    async with running() as server:
        await run(plan(server.url + "/health?deep=1", burst(1)))
    (seen,) = server.log
    assert (seen.method, seen.path) == ("GET", "/health?deep=1")
    assert seen.headers["host"] == f"127.0.0.1:{server.port}"
    assert seen.headers["user-agent"].startswith("perfrun/")
    assert seen.headers["user-agent"].endswith(" shop/t")
    assert "content-length" not in seen.headers


async def test_a_path_is_below_the_url_and_encoded_no_more_than_needed(run: Run) -> None:
    async with running() as server:
        await run(plan(server.url + "/base/", burst(1), step("/a b/é?q=$(region)&x=%20'")))
    assert server.log[0].path == "/base/a%20b/%C3%A9?q=eu&x=%20'"


async def test_json_bodies_keep_their_types_and_escape_what_templates_give(run: Run) -> None:
    written: dict[str, object] = {
        "a": '$(region)"',
        "n": [1, None, True, {}],
        "id": "$(seq())",
        "t": "$$(x)",
    }
    async with running() as server:
        await run(plan(server.url, burst(2), step("/", method="POST", json=written)))
    first, second = [json.loads(seen.body) for seen in server.log]
    assert first == {"a": 'eu"', "n": [1, None, True, {}], "id": "1", "t": "$(x)"}
    assert second["id"] == "2"
    assert server.log[0].headers["content-type"] == "application/json"


async def test_a_post_without_a_body_says_so(run: Run) -> None:
    async with running() as server:
        await run(plan(server.url, burst(1), step("/", method="POST")))
    assert server.log[0].headers["content-length"] == "0"


async def test_a_step_overrides_headers_of_the_target(run: Run) -> None:
    async with running() as server:
        common = [{"name": "X-Tenant", "value": "eu"}, {"name": "Accept", "value": "text/html"}]
        own = [{"name": "x-tenant", "value": "$(region)-2"}]
        await run(plan(server.url, burst(1), step("/", headers=own), headers=common))
    assert server.log[0].headers["x-tenant"] == "eu-2"
    assert server.log[0].headers["accept"] == "text/html"


@pytest.mark.parametrize(
    ("auth", "sent"),
    [
        ({"bearer": {"tokenFrom": SECRET}}, "Bearer s3cret"),
        ({"basic": {"username": "ann", "passwordFrom": SECRET}}, "Basic YW5uOnMzY3JldA=="),
    ],
)
async def test_auth_is_sent_with_every_request(run: Run, auth: object, sent: str) -> None:
    async with running() as server:
        await run(plan(server.url, burst(2), auth=auth), Files(token="s3cret"))
    assert [seen.headers["authorization"] for seen in server.log] == [sent, sent]


@pytest.mark.parametrize(
    ("http", "values", "message"),
    [
        (
            {"auth": {"bearer": {"tokenFrom": SECRET}}},
            Values(),
            "there is no Secret shop with a key token (spec.target.http.auth.bearer.tokenFrom)",
        ),
        ({"auth": {"bearer": {"tokenFrom": SECRET}}}, Files(token="a\r\nX: y"), "line break"),
        ({"headers": [{"name": "X", "value": "$(nowhere)"}]}, Values(), "$(nowhere) is not a"),
        ({"headers": [{"name": "Content-Length", "value": "1"}]}, Values(), "remove it"),
        ({"tls": {"caFrom": SECRET}}, Files(token="no"), "not a CA certificate"),
    ],
)
def test_what_cannot_be_resolved_is_said_before_the_start(
    http: dict[str, object], values: Values, message: str
) -> None:
    with pytest.raises(DataError) as raised:
        Engine(plan("http://x", burst(1), **http), 0, values)
    assert message in raised.value.message
    assert "a\r\n" not in raised.value.message


# --- redirects --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "method", "then"),
    [
        (301, "POST", "GET"),
        (302, "POST", "GET"),
        (303, "PUT", "GET"),
        (303, "HEAD", "HEAD"),
        (307, "POST", "POST"),
        (308, "POST", "POST"),
        (302, "DELETE", "DELETE"),
    ],
)
async def test_a_redirect_is_followed_as_its_status_says(
    run: Run, status: int, method: str, then: str
) -> None:
    async with running(x=answer(status, b"", Location="/there?a=b c")) as server:
        steps = step("/x", method=method, **({"body": "hi"} if method != "HEAD" else {}))
        report = await run(plan(server.url, burst(1), steps))
    (got,) = report.window.steps
    first, second = server.log
    assert (got.sent, got.attempts, got.succeeded) == (1, 2, 1)
    assert (first.path, second.path, second.method) == ("/x", "/there?a=b%20c", then)
    kept = then == method and method != "HEAD"
    assert second.body == (b"hi" if kept else b"")


@pytest.mark.parametrize("there", ["other", "same"])
async def test_a_body_with_values_of_secrets_is_not_sent_to_another_origin(
    run: Run, there: str
) -> None:
    async with running() as other:
        location = f"{other.url}/b" if there == "other" else "/b"
        async with running(x=answer(307, b"", Location=location)) as server:
            users = Feed.model_validate({"name": "users", "csvFrom": SECRET})
            body = {"json": {"user": ["$(users.name)"]}, "method": "POST"}
            open_body = {"body": "hi", "method": "POST"}
            headers = [{"name": "X-User", "value": "$(users.name)"}]
            report = await run(
                plan(
                    server.url,
                    burst(1),
                    step("/x", "secret", **body),
                    step("/x", "open", **open_body, headers=headers),
                ).model_copy(update={"feeds": [users]}),
                Files(token="name\ns3cret\n"),
            )
    secret, open_ = report.window.steps
    if there == "same":
        assert [(one.path, b"s3cret" in one.body) for one in server.log[:2]] == [
            ("/x", True),
            ("/b", True),
        ]
        assert (secret.failed, open_.failed) == (0, 0)
        return
    assert "s3cret" not in str(other.log)
    assert secret.errors == {"Protocol": 1}
    assert "a body with values of a Secret" in secret.messages["Protocol"]


async def test_secrets_never_follow_a_redirect_to_another_origin(run: Run) -> None:
    async with running() as other:
        elsewhere = answer(302, b"", Location=f"{other.url}/b")
        async with running(x=elsewhere, y=answer(307, b"", Location="/here")) as server:
            headers = [{"name": "X-Key", "valueFrom": SECRET}, {"name": "X-Open", "value": "o"}]
            auth = {"bearer": {"tokenFrom": SECRET}}
            await run(
                plan(
                    server.url,
                    burst(1),
                    step("/x", "x"),
                    step("/y", "y"),
                    headers=headers,
                    auth=auth,
                ),
                Files(token="s3cret"),
            )
    (seen,) = other.log
    assert "s3cret" not in str(seen)
    assert seen.headers["x-open"] == "o"
    assert seen.headers["host"] == f"127.0.0.1:{other.port}"
    assert server.log[-1].path == "/here"
    assert server.log[-1].headers["authorization"] == "Bearer s3cret"


@pytest.mark.parametrize(("limit", "attempts"), [(2, 3), (5, 6)])
async def test_a_redirect_beyond_the_limit_is_an_error(run: Run, limit: int, attempts: int) -> None:
    async with running(x=answer(302, b"", Location="/x")) as server:
        report = await run(plan(server.url, burst(1), step("/x"), redirects=limit))
    (got,) = report.window.steps
    assert (got.attempts, got.errors, len(server.log)) == (attempts, {"Protocol": 1}, attempts)


async def test_where_redirects_are_not_followed_one_is_the_final_response(run: Run) -> None:
    async with running(x=answer(302, b"", Location="/x")) as server:
        report = await run(plan(server.url, burst(1), step("/x"), redirects=0))
    (got,) = report.window.steps
    assert (got.attempts, got.succeeded, len(server.log)) == (1, 1, 1)


@pytest.mark.parametrize(
    "location", ["ftp://x/y", "http://[", "mailto:a@b", "http://x:70000/", "http://x:0/"]
)
async def test_a_redirect_that_cannot_be_followed_is_a_failure(run: Run, location: str) -> None:
    async with running(x=answer(302, b"", Location=location)) as server:
        report = await run(plan(server.url, burst(1), step("/x"), redirects=1))
    (got,) = report.window.steps
    assert (got.attempts, got.errors) == (1, {"Protocol": 1})
    assert "redirect does not lead to an http or https URL" in got.messages["Protocol"]


@pytest.mark.parametrize("ask", [{"redirects": 0}, {"expect": {"status": [302]}}, {}])
async def test_a_redirect_that_is_not_to_be_followed_is_the_final_response(
    run: Run, ask: dict[str, Any]
) -> None:
    named = {"Location": "myapp://callback"} if ask else {}  # or it says nowhere to go to
    expect = ask.pop("expect", None)
    async with running(x=answer(302, b"", **named)) as server:
        report = await run(plan(server.url, burst(1), step("/x", expect=expect), **ask))
    assert report.window.steps[0].succeeded == 1


@pytest.mark.parametrize(
    ("location", "path"),
    [
        ("/caf\xe9?q=\xfc", "/caf%E9?q=%FC"),  # as Latin-1 writes it
        ("/caf\xc3\xa9", "/caf%C3%A9"),  # as UTF-8 does
        ("?page=2", "/x/y?page=2"),
        ("next", "/x/next"),
        ("../up?a=b c", "/up?a=b%20c"),
        ("#part", "/x/y?page=1"),
        ("", "/x/y?page=1"),
        ("/a%2fb", "/a%2fb"),
        ("  /spaced  ", "/spaced"),
    ],
)
async def test_every_form_of_a_location_is_followed(run: Run, location: str, path: str) -> None:
    async def moved(seen: Seen, writer: asyncio.StreamWriter) -> None:
        head = f"HTTP/1.1 302 X\r\nContent-Length: 0\r\nLocation: {location}\r\n\r\n"
        if len(server.log) > 1:
            await ok(seen, writer)
        else:
            writer.write(head.encode("latin-1"))

    async with running() as server:
        server.behaviours["/x/y"] = moved
        report = await run(plan(server.url, burst(1), step("/x/y?page=1")))
    assert report.window.steps[0].succeeded == 1
    assert [seen.path for seen in server.log] == ["/x/y?page=1", path]


async def test_a_redirect_that_is_expected_is_not_followed(run: Run) -> None:
    async with running(x=answer(302, b"", Location="/y")) as server:
        report = await run(plan(server.url, burst(1), step("/x", expect={"status": [302]})))
    assert report.window.steps[0].attempts == 1


# --- checks -----------------------------------------------------------------------------------

ORDER = b'{"state": "new", "items": [{"id": 1}, {"id": 1}], "paid": true}'


@pytest.mark.parametrize(
    ("status", "expect", "error", "passed", "failed"),
    [
        pytest.param(404, {"status": [404]}, None, 1, 0, id="an expected 404"),
        pytest.param(200, {"status": [201]}, "Check", 0, 1, id="an unexpected 200"),
        pytest.param(302, {"status": [200]}, "Check", 0, 1, id="an unexpected 302"),
        pytest.param(404, {"status": [200]}, "Status4xx", 0, 1, id="an unexpected 404"),
        pytest.param(500, {"status": [200]}, "Status5xx", 0, 1, id="an unexpected 500"),
        pytest.param(200, {"json": {"$.state": "new"}}, None, 1, 0, id="json"),
        pytest.param(200, {"json": {"$.state": "old"}}, "Check", 0, 1, id="another value"),
        pytest.param(200, {"json": {"$.no": 1, "$.state": "new"}}, "Check", 1, 1, id="no value"),
        pytest.param(200, {"json": {"$.items[*].id": 1}}, None, 1, 0, id="all of several"),
        pytest.param(200, {"json": {"$.paid": 1}}, "Check", 0, 1, id="true is not 1"),
        pytest.param(200, {"status": [200], "json": {"$.paid": True}}, None, 2, 0, id="both"),
        pytest.param(200, {"maxBytes": len(ORDER)}, None, 0, 0, id="just small enough"),
        pytest.param(200, {"maxBytes": 9}, "Size", 0, 0, id="too large"),
    ],
)
async def test_checks_decide(
    run: Run, status: int, expect: object, error: str | None, passed: int, failed: int
) -> None:
    async with running(x=answer(status, ORDER)) as server:
        report = await run(plan(server.url, burst(2), step("/x", expect=expect)))
    (got,) = report.window.steps
    assert got.errors == ({error: 2} if error else {})
    assert (got.checks_passed, got.checks_failed) == (2 * passed, 2 * failed)
    assert len(server.log) == got.attempts == 2


async def test_a_body_that_is_not_json_fails_its_check(run: Run) -> None:
    async with running(x=answer(200, b"<html>")) as server:
        report = await run(plan(server.url, burst(1), step("/x", expect={"json": {"$.a": 1}})))
    assert report.window.steps[0].errors == {"Check": 1}


async def test_reading_stops_at_the_limit(run: Run) -> None:
    endless = raw(b"HTTP/1.1 200 X\r\nContent-Length: 999999999\r\n\r\n" + b"x" * 4_000_000)
    async with running(x=endless) as server:
        report = await run(plan(server.url, burst(1), step("/x", expect={"maxBytes": "64Ki"})))
    (got,) = report.window.steps
    assert got.errors == {"Size": 1}
    assert got.bytes_received < 4_000_000


async def test_a_failed_step_ends_its_iteration(run: Run) -> None:
    async with running(bad=answer(500)) as server:
        report = await run(
            plan(server.url, burst(3), step("/a", "a"), step("/bad", "b"), step("/c", "c"))
        )
    assert [got.sent for got in report.window.steps] == [3, 3, 0]
    scenario = report.window.scenarios[0]
    assert (scenario.started, scenario.failed, scenario.finished) == (3, 3, 0)
    assert scenario.journeys["failure"].count == 3
